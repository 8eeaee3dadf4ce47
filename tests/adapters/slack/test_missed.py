"""What was said while no bot listened, and Slack no longer sends, is read and answered once after the next start."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from adapters.slack import missed, socket
from bot.storage import SqlShelf, open_store
from tests.adapters.slack.conversing import PATIENCE, Talk, markdown
from tests.emulators.slack import BOT_SCOPES, Message


@contextlib.contextmanager
def unheard(talk: Talk) -> Iterator[None]:
    """Whatever is said, Slack fails to deliver until it gives up."""
    talk.slack.deliveries.losing = True
    yield
    talk.slack.deliveries.losing = False


@contextlib.asynccontextmanager
async def heard(talk: Talk) -> AsyncIterator[None]:
    """A bot that has noted how far it heard everything before it ends."""
    async with talk.bot() as opened:
        yield
        async with asyncio.timeout(PATIENCE):
            while await opened.bot.shelf("slack").get("heard", "0") is None:
                await asyncio.sleep(0.02)


async def follows(talk: Talk, root: Message, text: str, who: str = "ada") -> Message:
    return await talk.slack.says(who, root.channel, text, thread_ts=root.ts)


async def test_mentions_and_follow_ups_are_answered_once(talk: Talk) -> None:
    async with heard(talk):
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?")
        await follows(talk, root, "and here?", who="grace")
        await talk.slack.says("grace", talk.slack.general, "not for the bot")
        other = await talk.slack.says("grace", talk.slack.general, "a thread of ours")
        await follows(talk, other, talk.named("what do you think?"), who="grace")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)
        await talk.answered(root, talk.llm.default.text, 2)
        await talk.answered(other, talk.llm.default.text)
        assert len(talk.llm.seen) == 4
    async with talk.bot():
        await talk.answered(await talk.asks("last"), talk.llm.default.text)
        assert len(talk.llm.seen) == 5


async def test_a_question_asked_alone_is_answered_too(talk: Talk) -> None:
    room = talk.slack.dm(talk.slack.ada)
    async with heard(talk):
        await talk.answered(await talk.slack.says("ada", room, "first"), talk.llm.default.text)
    with unheard(talk):
        asked = await talk.slack.says("ada", room, "are you there?")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)


async def test_a_line_that_was_deaf_for_long_is_made_up_for(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "_NOTED_EVERY", 0.05)
    monkeypatch.setattr(missed, "_DEAF", 0.2)
    monkeypatch.setattr(socket, "_PING", 1.0)
    async with talk.bot():
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
        talk.slack.fault("apps.connections.open", n=3, status=503)
        talk.slack.sockets.deafen(answers_pings=False)
        with unheard(talk):
            asked = await talk.asks("hello?")
        await talk.answered(asked, talk.llm.default.text)


async def test_commands_are_not_carried_out_late_and_what_was_said_before_it_was_called_stays_so(talk: Talk) -> None:
    root = await talk.slack.says("grace", talk.slack.general, "a thread of ours")
    async with heard(talk):
        await follows(talk, root, "between us")
        await follows(talk, root, talk.named("what do you think?"))
        await talk.answered(root, talk.llm.default.text)
    with unheard(talk):
        await follows(talk, root, "!set temperature 0.1")
        await follows(talk, root, "and now?")
    async with talk.bot():
        await talk.answered(root, talk.llm.default.text, 2)
        assert talk.llm.seen[-1].body.get("temperature") != 0.1
        await asyncio.sleep(0.3)
        assert len(talk.llm.seen) == len(talk.replies(root)) == 2


@pytest.mark.parametrize("after", [missed.MISSED + 60, 60.0])
async def test_questions_are_answered_late_for_a_quarter_of_an_hour(talk: Talk, after: float) -> None:
    async with heard(talk):
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?")
    talk.slack.advance(after)
    async with talk.bot():
        await talk.answered(await talk.asks("fresh"), talk.llm.default.text)
        if after < missed.MISSED:
            await talk.answered(asked, talk.llm.default.text)
        else:
            await asyncio.sleep(1.0)
            assert talk.replies(asked) == []


async def test_a_first_question_in_a_channel_is_answered_too(talk: Talk) -> None:
    other, closed = talk.slack.add_channel("other", talk.slack.ada), talk.slack.add_channel("closed", talk.slack.ada)
    closed.archived = True
    async with heard(talk):
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?", channel=other)
        direct = await talk.slack.says("grace", talk.slack.dm(talk.slack.grace), "and alone?")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)
        await talk.answered(direct, talk.llm.default.text)
    assert closed.id not in [call.args["channel"] for call in talk.slack.calls_of("conversations.history")]


async def test_a_bot_that_was_never_asked_hears_of_its_first_question(talk: Talk) -> None:
    async with heard(talk):
        pass
    with unheard(talk):
        asked = await talk.asks("are you there?")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)


async def test_a_token_that_may_not_list_channels_reads_where_it_was_asked(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    few = frozenset(BOT_SCOPES - {"channels:read", "groups:read", "mpim:read"})
    monkeypatch.setenv("SLACK_BOT_TOKEN", talk.slack.install(talk.slack.home, scopes=few).token.value)
    other = talk.slack.add_channel("other", talk.slack.ada)
    async with heard(talk):
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    with unheard(talk):
        await talk.asks("not there?", channel=other)
        asked = await talk.asks("are you there?")
        direct = await talk.slack.says("grace", talk.slack.dm(talk.slack.grace), "and alone?")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)
        await talk.answered(direct, talk.llm.default.text)
    told = "".join(capfd.readouterr())
    assert told.count("Slack does not list the other channels") == 1


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_is_wrong_hides_nothing(talk: Talk, monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    clock = time.time
    monkeypatch.setattr(missed.Missed.__init__, "__defaults__", (lambda: clock() + hours * 3_600,))
    async with heard(talk):
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?")
        await follows(talk, root, "and here?")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)
        await talk.answered(root, talk.llm.default.text, 2)


async def test_what_a_wrong_clock_noted_hides_nothing(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with heard(talk):
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?")
    store, db = await open_store("", talk.folder)
    await SqlShelf(db, "slack").put("heard", "0", {"until": time.time() + 3_600})
    await store.close()
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)


@pytest.mark.parametrize(
    "trouble",
    [{"error": "missing_scope"}, {"error": "unknown_method"}, {"error": "channel_not_found"}, {"retry_after": 120}],
)
async def test_where_it_cannot_be_read_the_bot_answers_whatever_comes(talk: Talk, trouble: dict[str, Any]) -> None:
    async with heard(talk):
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    talk.slack.fault("conversations.history", n=20, **trouble)
    with unheard(talk):
        await talk.asks("are you there?")
    async with talk.bot():
        await talk.until(lambda: talk.slack.calls_of("conversations.history"))
        await talk.answered(await talk.asks("last"), talk.llm.default.text)


async def test_a_thread_that_is_gone_does_not_hide_the_rest_of_its_channel(talk: Talk) -> None:
    async with heard(talk):
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    with unheard(talk):
        await follows(talk, root, "and here?")
        asked = await talk.asks("are you there?")
    talk.slack.fault("conversations.replies", error="thread_not_found")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)
        assert len(talk.replies(root)) == 1


async def test_what_was_missed_before_the_newest_page_is_read_too(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "_PAGE", 10)
    async with heard(talk):
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?")
        for number in range(25):
            await talk.slack.says("grace", talk.slack.general, f"chatter {number}")
            await follows(talk, root, f"<@{talk.slack.grace.id}> aside {number}", who="grace")
        await follows(talk, root, "and here?")
    async with talk.bot():
        await talk.answered(asked, talk.llm.default.text)
        await talk.answered(root, talk.llm.default.text, 2)


async def test_every_channel_in_which_it_was_asked_lately_is_read(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "_APART", 0.01)
    talk.slack.budgets.on = False
    channels = [talk.slack.add_channel(f"channel-{number}", talk.slack.ada) for number in range(25)]
    async with heard(talk):
        for first in [await talk.asks("first", channel=channel) for channel in channels]:
            await talk.answered(first, talk.llm.default.text)
    with unheard(talk):
        asked = [await talk.asks("are you there?", channel=channel) for channel in channels]
    async with talk.bot():
        for question in asked:
            await talk.answered(question, talk.llm.default.text)


@pytest.mark.parametrize("trouble", [{"status": 503}, {"retry_after": 1}, {"reset": "before"}])
async def test_passing_trouble_is_waited_for(talk: Talk, trouble: dict[str, Any]) -> None:
    async with heard(talk):
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    with unheard(talk):
        asked = await talk.asks("are you there?")
    talk.slack.fault("conversations.history", **trouble)
    async with talk.bot():
        reply = await talk.answered(asked, talk.llm.default.text)
        assert markdown(reply) == talk.llm.default.text
