"""A person's stop wins: by the button, by Slack's own Stop, by the word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.slack.dialect import SLACK
from adapters.slack.surface import SlackSurface
from tests.adapters.slack.conversing import Talk, buttons, markdown, script
from tests.emulators.slack import Channel, Message

ENDLESS = "And another thing. " * 400


async def _is_stopped(talk: Talk, root: Message) -> Message:
    await talk.until(lambda: "Stopped." in "".join(talk.slack.rendered(message) for message in talk.replies(root)))
    await talk.settled()
    (reply,) = talk.replies(root)
    assert ENDLESS.startswith(markdown(reply).rstrip())
    await talk.until(lambda: talk.llm.seen[0].left_early)
    assert "parley_regenerate" in buttons(reply)
    assert talk.slack.status(reply.channel, root.ts) == ""
    return reply


async def _begun(talk: Talk, channel: Channel) -> Message:
    talk.llm.default = script(ENDLESS, rate=40)
    words = "go" if channel.kind == "im" else talk.named("go")
    root = await talk.slack.says("ada", channel, words)
    await talk.until(lambda: talk.replies(root))
    return root


async def test_the_button_under_a_growing_answer_stops_it(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", "false")
    async with talk.bot():
        root = await _begun(talk, talk.slack.general)
        await talk.slack.presses("grace", talk.replies(root)[0], "parley_stop")
        await _is_stopped(talk, root)


async def test_slacks_own_stop_ends_the_answer_and_nothing_new_is_posted(talk: Talk) -> None:
    async with talk.bot():
        root = await _begun(talk, talk.slack.dm(talk.slack.ada))
        assert talk.slack.session_state(root.channel, root.ts) == "processing"
        await talk.slack.presses_stop("ada", root.channel, root.ts)
        reply = await _is_stopped(talk, root)
        assert talk.slack.session_state(root.channel, root.ts) == "active"
        talk.llm.default = script("Better.")
        await talk.slack.presses("ada", reply, "parley_regenerate")
        assert (await talk.answered(root, "Better.")).ts == reply.ts


@pytest.mark.parametrize("word", ["stop", "!stop", "Stop!"])
async def test_the_word_stops_it_too(talk: Talk, word: str) -> None:
    async with talk.bot():
        root = await _begun(talk, talk.slack.general)
        await talk.slack.says("grace", talk.slack.general, word, root.ts)
        await _is_stopped(talk, root)


async def test_when_slack_takes_no_more_because_it_was_stopped_the_answer_ends_also_without_the_event(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlackSurface, "dialect", replace(SLACK, spacing=0.2))
    talk.slack.app.subscriptions -= {"agent_session_stopped"}
    async with talk.bot():
        root = await _begun(talk, talk.slack.general)
        (reply,) = talk.replies(root)
        assert reply.stream is not None
        reply.stream.state = "stopped"
        await _is_stopped(talk, root)
        assert talk.slack.calls_of("chat.postMessage") == []
