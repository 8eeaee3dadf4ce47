"""A Slack that says less, knows less and counts stricter than others: grids, proxies and older apps do. It is answered
all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.adapters.slack.conversing import Talk, script
from tests.emulators.slack import Slack
from tests.emulators.slack.asking import METHODS
from tests.emulators.slack.deliveries import Deliveries, Delivery
from tests.emulators.slack.limits import Rates

TEXT = "Some words that are said in any case. " * 10
_SPARSE = {"type", "user", "bot_id", "text", "ts", "thread_ts", "channel", "subtype", "message", "previous_message"}


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events tell no more than who, where and what; messages that are read tell no metadata; the token's owner has no
    more than an id."""
    send = Deliveries.send

    def bare(self: Deliveries, delivery: Delivery) -> Delivery:
        if delivery.kind == "events_api":
            event = {key: value for key, value in delivery.event.items() if key in {*_SPARSE, "deleted_ts", "tab"}}
            delivery.body = {"type": "event_callback", "event": event, "event_id": delivery.body["event_id"]}
        return send(self, delivery)

    from tests.emulators.slack import conversations, messages

    def describe(*given: Any, **more: Any) -> Any:
        return messages.describe(*given, **more | {"with_metadata": False})

    test = METHODS["auth.test"]

    def who(state: Any, ask: Any) -> Any:
        told = test.run(state, ask)
        return {key: told[key] for key in ("user_id", "team_id") if key in told}

    monkeypatch.setattr(Deliveries, "send", bare)
    monkeypatch.setattr(conversations, "describe", describe)
    monkeypatch.setitem(METHODS, "auth.test", replace(test, run=who))


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_bare_events_are_enough(talk: Talk, monkeypatch: pytest.MonkeyPatch, sparse: None, mode: str) -> None:
    monkeypatch.setenv("SLACK_MODE", mode)
    hooks = talk.slack.use_http("http://127.0.0.1:9/slack/events") if mode == "http" else None
    talk.llm.default = script(TEXT, rate=200)
    async with talk.bot() as opened:
        if hooks is not None:
            hooks.url = f"{opened.url}/slack/events"
        root = await talk.asks("hi")
        await talk.answered(root, TEXT.rstrip())
        await talk.slack.says("grace", talk.slack.general, "and then?", root.ts)
        await talk.answered(root, TEXT.rstrip(), 2)
        direct = await talk.slack.says("ada", talk.slack.dm(talk.slack.ada), "hello")
        await talk.answered(direct, TEXT.rstrip())
        assert len(talk.llm.seen) == 3


async def test_a_root_that_names_its_own_thread_is_a_root(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Deliveries.send

    def threaded(self: Deliveries, delivery: Delivery) -> Delivery:
        if delivery.event.get("type") in ("message", "app_mention") and "ts" in delivery.event:
            delivery.event.setdefault("thread_ts", delivery.event["ts"])
        return send(self, delivery)

    monkeypatch.setattr(Deliveries, "send", threaded)
    talk.llm.default = script("Here.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "Here.")
        assert talk.slack.calls_of("conversations.replies") == []


_HELPFUL = (
    "users.info",
    "conversations.replies",
    "conversations.info",
    "agents.sessions.setStatus",
    "assistant.threads.setStatus",
    "assistant.threads.setSuggestedPrompts",
)


@pytest.mark.parametrize("word", ["unknown_method", "missing_scope", "not_allowed_token_type"])
@pytest.mark.parametrize("streams", [True, False])
async def test_what_is_only_helpful_may_be_refused(talk: Talk, word: str, streams: bool) -> None:
    for method in (*_HELPFUL, *([] if streams else ["chat.startStream", "chat.appendStream", "chat.stopStream"])):
        talk.slack.fault(method, 10_000, error=word)
    talk.llm.default = script(TEXT, rate=200)
    async with talk.bot():
        thread = await talk.slack.says("grace", talk.slack.general, "a thread")
        await talk.asks("what do you think?", thread_ts=thread.ts)
        await talk.answered(thread, TEXT.rstrip())
        direct = await talk.slack.says("ada", talk.slack.dm(talk.slack.ada), "hello")
        await talk.answered(direct, TEXT.rstrip())


@pytest.mark.parametrize("method", ["chat.startStream", "chat.postMessage"])
async def test_a_lost_answer_is_found_again_without_metadata(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, sparse: None, method: str
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", str(method == "chat.startStream").lower())
    async with talk.bot():
        talk.llm.default = script("First.", rate=2)
        root = await talk.asks("hi")
        second = await talk.asks("and this?", thread_ts=root.ts)
        await talk.answered(root, "First.")
        talk.slack.fault(method, 1, reset="after")
        talk.llm.default = script(TEXT, rate=300)
        await talk.answered(second, "First.", 2)
        await talk.asks("and then?", thread_ts=root.ts)
        await talk.answered(root, TEXT.rstrip(), 3)
        assert talk.texts(root) == ["First.", "First.", TEXT.rstrip()]


async def test_a_lost_answer_that_cannot_be_looked_for_is_written_again(talk: Talk) -> None:
    talk.slack.fault("chat.startStream", 1, reset="before")
    talk.slack.fault("conversations.replies", 10_000, error="missing_scope")
    talk.llm.default = script(TEXT, rate=300)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, TEXT.rstrip())
        assert len(talk.replies(root)) == 1


@pytest.mark.parametrize("native", ["true", "false"])
async def test_rates_far_below_slacks_own_delay_and_lose_nothing(
    monkeypatch: pytest.MonkeyPatch, slack: Slack, talk: Talk, native: str
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", native)
    monkeypatch.setattr("tests.emulators.slack.budgets.WINDOW", 3.0)
    few = {"chat.update": 2, "chat.appendStream": 1, "chat.startStream": 1, "chat.stopStream": 1}
    slack.budgets.rates = Rates(of=few, post_burst=1)
    talk.llm.default = script("word " * 60, rate=30)
    async with talk.bot():
        roots = [await talk.asks(f"number {number}") for number in range(3)]
        for root in roots:
            await talk.answered(root, ("word " * 60).rstrip())
    assert any(call.outcome == "ratelimited" for call in slack.calls)


@pytest.mark.parametrize("address", ["{url}/api", "{url}/api/", "{url}/api//"])
async def test_the_address_of_the_web_api_may_end_as_it_likes(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SLACK_API_URL", address.format(url=talk.slack.url))
    talk.llm.default = script("Here.")
    async with talk.bot():
        await talk.answered(await talk.asks("hi"), "Here.")


async def test_an_answer_to_a_command_travels_back_though_the_envelope_does_not_say_that_it_may(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = json.dumps

    def less(found: Any, *given: Any, **more: Any) -> str:
        if isinstance(found, dict) and "envelope_id" in found:
            found = {key: value for key, value in found.items() if key != "accepts_response_payload"}
        return dumps(found, *given, **more)

    monkeypatch.setattr("tests.emulators.slack.sockets.json.dumps", less)
    async with talk.bot():
        delivery = await talk.slack.command("ada", "general", "/ai", "help")
        assert delivery.acked
        assert "ask" in "\n".join(talk.slack.rendered(message) for message in talk.slack.ephemerals("ada"))


async def test_a_line_that_ends_before_it_says_hello_is_opened_again(talk: Talk) -> None:
    talk.slack.sockets.cuts = ["close", "noise"]
    talk.llm.default = script("Here.")
    async with talk.bot():
        await talk.answered(await talk.asks("hi"), "Here.")
    assert talk.slack.sockets.cuts == []
