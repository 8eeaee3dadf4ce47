"""The same over signed HTTP: events, commands and buttons at one address, and nothing that Slack did not sign."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.adapters.slack.conversing import Talk, script
from tests.emulators.slack.webhooks import Webhooks


@pytest.fixture
async def hooks(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Webhooks]:
    monkeypatch.setenv("SLACK_MODE", "http")
    monkeypatch.delenv("SLACK_APP_TOKEN")
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "stray")
    hooks = talk.slack.use_http("http://127.0.0.1:9/slack/events")
    async with talk.bot() as opened:
        hooks.url = f"{opened.url}/slack/events"
        yield hooks


async def test_mentions_commands_and_buttons_work_over_http(talk: Talk, hooks: Webhooks) -> None:
    talk.llm.default = script("Over HTTP.", rate=30)
    root = await talk.asks("hi")
    reply = await talk.answered(root, "Over HTTP.")
    talk.llm.default = script("Again.")
    await talk.slack.presses("ada", reply, "parley_regenerate")
    await talk.answered(root, "Again.")
    command = await talk.slack.command("ada", "general", "/ai", "set the payload to what?")
    assert command.acked
    assert talk.slack.ephemerals("ada")


async def test_the_address_is_verified_and_forgeries_are_refused(
    hooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await hooks.verify_url()
    assert (await hooks.post(b"{}", stale=True)).status == 401
    assert (await hooks.post(b"{}", tampered=True)).status == 401
    assert (await hooks.post(b"not json")).status == 400
    monkeypatch.setattr("adapters.slack.dispatch._LARGEST", 1_000)
    assert (await hooks.post(b"x" * 3_000)).status == 413


async def test_a_draining_bot_lets_slack_deliver_again(talk: Talk, hooks: Webhooks) -> None:
    assert talk.opened is not None
    (adapter,) = talk.opened.adapters
    await adapter.pause()
    body = b'{"type": "event_callback", "event": {"type": "app_mention"}}'
    assert (await hooks.post(body)).status == 503


async def test_slacks_look_at_the_certificate_needs_no_signature(hooks: Webhooks) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{hooks.url}?ssl_check=1&token=legacy") as answer:
            assert answer.status == 200
        async with session.post(hooks.url, data={"ssl_check": "1", "token": "legacy"}) as answer:
            assert answer.status == 200
        async with session.get(hooks.url) as answer:
            assert answer.status == 401
