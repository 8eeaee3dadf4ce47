"""The working sign is there while people wait, and gone afterwards, whatever became of the calls that set it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.slack.conversing import Talk, script
from tests.emulators.slack import Message

STATUS = "assistant.threads.setStatus"


def _said(talk: Talk) -> list[str]:
    """The signs that were carried out, oldest first."""
    return [str(call.args.get("status")) for call in talk.slack.calls_of(STATUS) if call.carried_out]


async def _gone(talk: Talk, root: Message) -> None:
    await talk.until(lambda: talk.slack.status(root.channel, root.ts) == "")


async def test_a_sign_that_arrives_after_the_answer_does_not_stay(talk: Talk) -> None:
    talk.slack.fault(STATUS, 1, delay=1.0)
    talk.llm.default = script("Short.")
    async with talk.bot():
        root = await talk.asks("hi")
        reply = await talk.answered(root, "Short.")
        await talk.until(lambda: "is thinking…" in _said(talk))
        await _gone(talk, root)
        assert reply.stream is not None


@pytest.mark.parametrize(
    "fault", [{"status": 429, "retry_after": 1.0}, {"status": 500}, {"reset": "before"}, {"error": "internal_error"}]
)
async def test_a_sign_whose_clearing_fails_is_cleared_later(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", "false")
    failing = talk.slack.fault(STATUS, 1, skip=1, **fault)
    talk.slack.fault("agents.sessions.setStatus", 1, skip=1, **fault)
    talk.llm.default = script("Done.")
    async with talk.bot():
        room = talk.slack.dm(talk.slack.ada)
        root = await talk.slack.says("ada", room, "hi")
        await talk.answered(root, "Done.")
        await _gone(talk, root)
        assert failing.hits == 1
        assert talk.slack.session_state(room, root.ts) == "active"


async def test_a_sign_that_takes_longer_than_the_turn_waits_is_cleared_all_the_same(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.reply.status._CLEARING", 0.1)
    talk.slack.fault(STATUS, 1, delay=1.5)
    talk.llm.default = script("Short.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "Short.")
        await talk.until(lambda: "is thinking…" in _said(talk))
        await _gone(talk, root)


async def test_a_long_wait_says_its_sign_again_until_there_is_text(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.slack.adapter._SWEEP", 0.1)
    monkeypatch.setattr("adapters.slack.signs._AGAIN", 0.3)
    talk.llm.default = script("word " * 60, ttft=1.5, rate=40)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        before = len(_said(talk))
        assert before > 1
        await talk.answered(root, ("word " * 60).rstrip())
        await _gone(talk, root)
        assert len([text for text in _said(talk)[before:] if text]) <= 1, "what grows needs no sign"
