"""Each way in which a call of Slack's can fail, on the first, a middle and the last write of an answer: the answer ends
whole, once, in its message, and nothing is left open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.slack.dialect import SLACK
from adapters.slack.surface import SlackSurface
from tests.adapters.slack.conversing import Talk, buttons, is_final, markdown, script, under
from tests.emulators.slack import Message

TEXT = ("All work and no play makes the answer grow. " * 12).rstrip()


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Previews come five times as often as people need them: what may happen to one happens soon."""
    monkeypatch.setattr(SlackSurface, "dialect", replace(SLACK, spacing=0.2))
    monkeypatch.setenv("SLACK_TIMEOUT", "0.4")


# (native, method, calls of it that pass): "last" needs no edit before it
WRITES = {
    "first of a stream": ("true", "chat.startStream", 0),
    "second of a stream": ("true", "chat.appendStream", 0),
    "middle of a stream": ("true", "chat.appendStream", 1),
    "last of a stream": ("true", "chat.stopStream", 0),
    "first of edits": ("false", "chat.postMessage", 0),
    "second of edits": ("false", "chat.update", 0),
    "middle of edits": ("false", "chat.update", 1),
    "last of edits": ("false", "chat.update", 0),
}
FAULTS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": 1},
    "500": {"status": 500},
    "hangs before": {"hang": "before"},
    "hangs after": {"hang": "after"},
    "reset before": {"reset": "before"},
    "reset after": {"reset": "after"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
async def test_a_call_that_fails_once_costs_nothing_of_the_answer(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, write: str, fault: str
) -> None:
    native, method, skip = WRITES[write]
    monkeypatch.setenv("SLACK_NATIVE_STREAM", native)
    if write == "last of edits":
        monkeypatch.setattr(SlackSurface, "dialect", replace(SLACK, spacing=60.0))
    struck = talk.slack.fault(method, 1, skip=skip, **FAULTS[fault])
    talk.llm.default = script(TEXT, rate=150)
    async with talk.bot():
        root = await talk.asks("hi")
        reply = await talk.answered(root, TEXT)
        assert struck.hits == 1
        assert len(talk.replies(root)) == 1
        assert "parley_regenerate" in buttons(reply)
        await talk.until(lambda: talk.slack.status(root.channel, root.ts) == "")


@pytest.mark.parametrize(
    "methods",
    [
        ("chat.startStream", "chat.postMessage"),
        ("chat.appendStream",),
        ("chat.stopStream",),
        ("chat.update",),
        ("assistant.threads.setStatus", "agents.sessions.setStatus", "users.info", "auth.test"),
    ],
)
async def test_eight_refusals_in_a_row_delay_and_lose_nothing(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", str("chat.update" not in methods).lower())
    struck = [talk.slack.fault(method, 8, status=429, retry_after=0) for method in methods]
    talk.llm.default = script(TEXT, rate=150)
    async with talk.bot():
        root = await talk.asks("hi")
        reply = await talk.answered(root, TEXT)
        assert struck[0].hits
        assert len(talk.replies(root)) == 1
        assert "parley_regenerate" in buttons(reply)


@pytest.mark.parametrize(
    ("native", "method", "word"),
    [
        ("true", "chat.appendStream", "message_not_in_streaming_state"),
        ("true", "chat.stopStream", "message_not_in_streaming_state"),
        ("true", "chat.appendStream", "msg_too_long"),
        ("true", "chat.stopStream", "msg_too_long"),
        ("true", "chat.stopStream", "invalid_blocks"),
        ("true", "chat.stopStream", "something_new"),
        ("true", "chat.appendStream", "unknown_method"),
        ("true", "chat.startStream", "unknown_method"),
        ("true", "chat.startStream", "restricted_action"),
        ("false", "chat.postMessage", "msg_too_long"),
        ("false", "chat.update", "streaming_state_conflict"),
        ("false", "chat.update", "msg_too_long"),
        ("false", "chat.update", "something_new"),
        ("false", "chat.update", "fatal_error"),
    ],
)
async def test_what_one_way_of_writing_refuses_another_carries(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, native: str, method: str, word: str
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", native)
    struck = talk.slack.fault(method, 1, error=word)
    talk.llm.default = script(TEXT, rate=150)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, TEXT)
        assert struck.hits == 1
        assert len(talk.replies(root)) == 1


@pytest.mark.parametrize("word", ["channel_not_found", "is_archived", "not_in_channel", "token_revoked"])
@pytest.mark.parametrize("write", ["first of a stream", "middle of a stream", "first of edits", "middle of edits"])
async def test_where_the_bot_may_write_no_more_it_ends_quietly_and_answers_again_when_it_may(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, write: str, word: str
) -> None:
    native, method, skip = WRITES[write]
    monkeypatch.setenv("SLACK_NATIVE_STREAM", native)
    writes = ["chat.startStream", "chat.appendStream", "chat.postMessage", "chat.update"]
    closed = [talk.slack.fault(name, 10_000, error=word, skip=skip if name == method else 0) for name in writes]
    if skip:
        for fault, name in zip(closed, writes, strict=True):
            fault.skip = 1 if name in ("chat.startStream", "chat.postMessage", method) else 0
    talk.llm.default = script("And another thing. " * 200, rate=100)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.llm.seen and talk.llm.seen[0].left_early)
        await talk.settled()
        calls = len(talk.slack.calls_of(*writes))
        assert talk.slack.open_streams() == []
        for fault in closed:
            fault.left = 0
        talk.llm.default = script("Back.")
        again = await talk.asks("and now?")
        await talk.answered(again, "Back.")
        assert len(talk.replies(root)) <= 1
        assert calls <= 6


async def test_a_deleted_answer_does_not_come_back(talk: Talk) -> None:
    talk.llm.default = script("And another thing. " * 200, rate=100)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        message = talk.replies(root)[0]
        message.stream = None
        message.deleted = True
        await talk.until(lambda: talk.llm.seen[0].left_early)
        await talk.settled()
        assert talk.replies(root) == []
        talk.slack.state.streams.clear()


async def test_a_thread_whose_root_is_deleted_gets_the_rest_of_its_answer(talk: Talk) -> None:
    talk.llm.default = script(TEXT, rate=150)
    async with talk.bot():
        root = await talk.slack.says("grace", talk.slack.general, "a thread")
        await talk.asks("hi", thread_ts=root.ts)
        await talk.until(lambda: talk.replies(root))
        await talk.slack.deletes("grace", root)
        await talk.answered(root, TEXT)


async def test_a_thread_that_is_gone_before_the_first_word_is_left_alone(talk: Talk) -> None:
    talk.slack.fault("chat.startStream", 1, error="invalid_thread_ts")
    gone = talk.slack.fault("chat.postMessage", 1, error="thread_not_found")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: gone.hits)
        await talk.settled()
        assert talk.replies(root) == []


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
async def test_events_out_of_order_lose_nothing_and_double_nothing(talk: Talk, order: Any) -> None:
    talk.llm.default = script("One answer.")
    async with talk.bot():
        talk.slack.hold()
        roots = [await talk.asks(f"question {number}") for number in range(3)]
        for root in roots:
            await talk.asks("and this?", who="grace", thread_ts=root.ts)
        talk.slack.release(order)
        for root in roots:
            await talk.answered(root, "One answer.")
        asked = "".join(str(seen.body["messages"][-1]) for seen in talk.llm.seen)
        assert all(f"question {number}" in str([seen.body for seen in talk.llm.seen]) for number in range(3))
        assert "and this?" in asked
        assert all(1 <= len(talk.replies(root)) <= 2 for root in roots)


@pytest.mark.parametrize("native", ["true", "false"])
@pytest.mark.parametrize("fault", ["reset", "close", "error_event"])
async def test_when_the_provider_breaks_off_what_came_stays_with_a_note_and_regenerate(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, native: str, fault: str
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", native)
    error = {"message": "org_secret broke", "type": "server_error"}
    talk.llm.default = script(TEXT, rate=150, fault=fault, after=60, error=error)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root) and is_final(talk.replies(root)[0]))
        await talk.settled()
        (reply,) = talk.replies(root)
        assert TEXT.startswith(markdown(reply))
        assert len(markdown(reply)) > 100
        assert _notes(reply)
        assert "org_secret" not in talk.slack.rendered(reply)
        talk.llm.default = script("Whole.")
        await talk.slack.presses("ada", reply, "parley_regenerate")
        assert (await talk.answered(root, "Whole.")).ts == reply.ts


async def test_an_answer_of_sixty_thousand_characters_is_whole_in_any_script(talk: Talk) -> None:
    text = "\n\n".join("Всё это слова, " * 60 for _ in range(67)).rstrip()
    assert len(text) > 60_000
    talk.llm.default = script(text)
    async with talk.bot():
        root = await talk.asks("tell me all")
        await talk.until(lambda: talk.replies(root) and "parley_why" in buttons(talk.replies(root)[-1]), within=60)
        await talk.settled()
        assert "".join("".join(part.split()) for part in talk.texts(root)) == "".join(text.split())
        assert all(len(part.encode()) <= 9_000 for part in talk.texts(root))


def _notes(reply: Message) -> str:
    blocks = [block for block in under(reply) if block["type"] == "context"]
    return "".join(" ".join(it["text"] for it in block["elements"]) for block in blocks)
