"""Ready means that a question asked now would be answered."""

from __future__ import annotations

import httpx
from starlette.applications import Starlette

from bot.observe.health import Health
from bot.observe.metrics import Metrics
from bot.observe.routes import routes


def ready_health() -> Health:
    health = Health()
    health.started()
    return health


def test_it_is_not_ready_until_every_surface_is_connected() -> None:
    health = Health()
    assert health.reasons == ("starting",)
    health.started()
    assert health.ready


def test_a_failing_database_makes_it_unready_until_it_is_well_again() -> None:
    health = ready_health()
    health.database("the disk is full")
    assert health.reasons == ("database failing: the disk is full",)
    health.database("")
    assert health.ready


def test_a_deaf_surface_is_named_until_it_hears_again() -> None:
    health = ready_health()
    health.surface("slack", "no connection")
    health.surface("discord", "")
    assert health.reasons == ("slack deaf: no connection",)
    health.surface("slack", "")
    assert health.ready


def test_draining_is_for_ever() -> None:
    health = ready_health()
    health.draining()
    health.started()
    assert health.reasons == ("draining",)


async def test_the_addresses_say_alive_ready_and_the_numbers() -> None:
    health = Health()
    app = Starlette(routes=routes(health, Metrics()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        starting = await client.get("/readyz")
        health.started()
        ready = await client.get("/readyz")
        alive = await client.get("/healthz")
        numbers = await client.get("/metrics")
    assert (starting.status_code, starting.json()) == (503, {"ready": False, "reasons": ["starting"]})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
    assert (alive.status_code, alive.text) == (200, "alive\n")
    assert numbers.headers["content-type"].startswith("text/plain")
    assert "parley_unanswered 0.0" in numbers.text
