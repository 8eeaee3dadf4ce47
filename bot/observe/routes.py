"""The three addresses that machines ask: ``/healthz`` (alive), ``/readyz`` (ready, or why not), ``/metrics``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.observe.health import Health
from bot.observe.metrics import CONTENT_TYPE, Metrics

_NEVER_KEPT = {"cache-control": "no-store"}


def routes(health: Health, metrics: Metrics) -> list[Route]:
    """Starlette routes; ``/readyz`` is 200, or 503 with ``{"ready": false, "reasons": […]}``."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("alive\n", headers=_NEVER_KEPT)

    async def ready(_: Request) -> Response:
        reasons = health.reasons
        return JSONResponse(
            {"ready": not reasons, "reasons": list(reasons)}, status_code=503 if reasons else 200, headers=_NEVER_KEPT
        )

    async def numbers(_: Request) -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE, headers=_NEVER_KEPT)

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", numbers)]
