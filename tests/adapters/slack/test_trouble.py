"""What goes wrong on the way to Slack is made good: each reply ends complete, once, in its message."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from adapters.slack import stream
from adapters.slack.dialect import SLACK
from adapters.slack.surface import SlackSurface
from bot.reply import delivery
from tests.adapters.slack.conversing import PATIENCE, Talk, buttons, markdown, script, under
from tests.emulators.slack import Limits, Slack


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Previews come five times as often as people need them: what may happen to one happens soon."""
    monkeypatch.setattr(SlackSurface, "dialect", replace(SLACK, spacing=0.2))


LONG = "All work and no play makes the answer grow. " * 12


async def test_a_long_reply_goes_on_in_further_messages_and_nothing_is_lost(talk: Talk) -> None:
    text = "\n\n".join(f"Paragraph {number} " + "with words " * 40 for number in range(130)).rstrip()
    assert len(text) > 55_000
    talk.llm.default = script(text)
    async with talk.bot(system_prompt="x"):
        root = await talk.asks("tell me all")
        await talk.until(lambda: talk.replies(root) and "parley_why" in buttons(talk.replies(root)[-1]), within=90)
        await talk.settled()
        shown = "".join("".join(part.split()) for part in talk.texts(root))
        assert shown == "".join(text.split())
        assert [bool(under(message)) for message in talk.replies(root)[:-1]] == [False] * (len(talk.replies(root)) - 1)


async def test_a_stream_that_slack_ended_goes_on_as_edits_of_the_same_message(talk: Talk) -> None:
    talk.llm.default = script(LONG * 2, rate=300)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        (message,) = talk.replies(root)
        assert message.stream is not None
        message.stream.state = "expired"
        again = await talk.answered(root, (LONG * 2).rstrip())
        assert again.ts == message.ts


async def test_a_stream_is_ended_before_slack_does(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LONGEST", 0.5)
    talk.llm.default = script(LONG * 2, rate=300)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, (LONG * 2).rstrip())
        assert talk.slack.calls_of("chat.update")
        assert len(talk.replies(root)) == 1


async def test_a_text_too_large_for_a_stream_is_edited_in(talk: Talk) -> None:
    talk.slack.state.limits = Limits(stream_bytes=1_000)
    talk.llm.default = script("äöü " * 200 + "end", rate=300)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "äöü " * 200 + "end")
        assert len(talk.replies(root)) == 1


@pytest.mark.parametrize("way", ["drop", "refresh"])
async def test_a_connection_lost_in_the_middle_is_made_again(talk: Talk, way: str) -> None:
    talk.llm.default = script(LONG, rate=300)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        opened = talk.slack.sockets.opened
        if way == "drop":
            talk.slack.sockets.drop()
        else:
            await talk.slack.sockets.refresh()
        await talk.slack.says("grace", talk.slack.general, "and then?", root.ts)
        await talk.answered(root, LONG.rstrip(), 2)
        assert talk.slack.sockets.opened == opened + 1
        assert len(talk.replies(root)) == 2


async def test_a_dead_connection_is_noticed_and_replaced(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.slack.socket._PING", 0.2)
    async with talk.bot():
        opened = talk.slack.sockets.opened
        talk.slack.sockets.deafen(answers_pings=False)
        await talk.until(lambda: talk.slack.sockets.opened > opened)
        talk.llm.default = script("I hear you.")
        root = await talk.asks("hi")
        await talk.answered(root, "I hear you.")


async def test_a_connection_that_hears_nothing_of_its_own_posts_is_replaced(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.slack.socket._PING", 0.2)
    monkeypatch.setattr("adapters.slack.socket._ECHO", 0.3)
    talk.llm.default = script("word " * 40, rate=30)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.slack.deliveries.all and all(d.acked for d in talk.slack.deliveries.all[:2]))
        opened = talk.slack.sockets.opened
        talk.slack.sockets.deafen()
        await talk.until(lambda: talk.slack.sockets.opened > opened)
        await talk.answered(root, ("word " * 40).rstrip())


async def test_while_the_line_is_deaf_and_no_other_can_be_had_the_bot_is_not_ready(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.slack.socket._PING", 0.2)
    monkeypatch.setattr("adapters.slack.socket._ECHO", 0.3)
    talk.llm.default = script("word " * 40, rate=30)
    async with talk.bot() as opened, aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            async with session.get(f"{opened.url}/readyz") as answer:
                return answer.status == 200

        root = await talk.asks("hi")
        await talk.until(lambda: talk.slack.deliveries.all and all(d.acked for d in talk.slack.deliveries.all[:2]))
        assert await is_ready()
        closed = talk.slack.fault("apps.connections.open", 10_000, status=500)
        talk.slack.sockets.deafen()
        async with asyncio.timeout(PATIENCE):
            while await is_ready():
                await asyncio.sleep(0.05)
            closed.left = 0
            while not await is_ready():
                await asyncio.sleep(0.05)
        await talk.answered(root, ("word " * 40).rstrip())


async def test_after_a_restart_the_answer_goes_on_in_the_same_message(talk: Talk) -> None:
    talk.llm.default = script(LONG * 3, rate=20)
    async with talk.bot(shutdown_grace=0.0):
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        (before,) = talk.replies(root)
    assert not talk.slack.open_streams()
    talk.llm.default = script("Answered after all.")
    async with talk.bot():
        after = await talk.answered(root, "Answered after all.")
        assert after.ts == before.ts


@pytest.mark.parametrize("known", [True, False])
async def test_after_a_crash_the_open_stream_is_ended_and_edited(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    async def nothing(self: object) -> None:
        return

    if not known:
        monkeypatch.setattr("bot.storage.store.SqlStore.shown", _forget)
    monkeypatch.setattr("adapters.slack.stream.Streams.close", nothing)
    talk.llm.default = script(LONG * 3, rate=20)
    async with talk.bot(shutdown_grace=0.0):
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
    monkeypatch.undo()
    for name, value in talk.slack.environment().items():
        monkeypatch.setenv(name, value)
    (before,) = talk.slack.open_streams()
    talk.llm.default = script("Answered after all.")
    async with talk.bot():
        after = await talk.answered(root, "Answered after all.")
        assert after.ts == before.ts
        assert len(talk.replies(root)) == 1


async def _forget(self: object, claim: object, parts: object) -> None:
    """The process dies before the message's id is in the database."""


async def test_after_a_crash_nothing_is_posted_before_slack_says_what_stands_there(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", "false")
    with monkeypatch.context() as crash:
        crash.setattr("bot.storage.store.SqlStore.shown", _forget)
        talk.llm.default = script(LONG * 3, rate=20)
        async with talk.bot(shutdown_grace=0.0):
            root = await talk.asks("hi")
            await talk.until(lambda: talk.replies(root))
    (before,) = talk.replies(root)
    talk.slack.fault("conversations.replies", 1, reset="before")
    talk.slack.fault("conversations.replies", 1, status=429, retry_after=1)
    talk.llm.default = script("Answered after all.")
    async with talk.bot():
        after = await talk.answered(root, "Answered after all.")
        assert after.ts == before.ts
        assert len(talk.replies(root)) == 1


async def test_a_message_found_again_after_a_crash_is_the_one_that_is_made_again_later(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr("bot.storage.store.SqlStore.shown", _forget)
        talk.llm.default = script(LONG * 3, rate=20)
        async with talk.bot(shutdown_grace=0.0):
            root = await talk.asks("hi")
            await talk.until(lambda: talk.replies(root))
    talk.llm.default = script("Answered after all.")
    async with talk.bot():
        reply = await talk.answered(root, "Answered after all.")
        talk.llm.default = script("Once more.")
        await talk.slack.presses("ada", reply, "parley_regenerate")
        assert (await talk.answered(root, "Once more.")).ts == reply.ts
        assert len(talk.replies(root)) == 1


async def test_an_edit_while_the_first_post_is_on_its_way_makes_no_second_message(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", "false")
    monkeypatch.setattr("bot.reply.delivery.LEAVING", 0.1)
    talk.slack.fault("chat.postMessage", 1, hang="after")
    talk.llm.default = script(LONG * 3, rate=20)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        talk.llm.default = script("To the new words.")
        await talk.slack.edits("ada", root, talk.named("hello"))
        await talk.answered(root, "To the new words.")
        assert len(talk.replies(root)) == 1


@pytest.mark.parametrize(("native", "method"), [("true", "chat.startStream"), ("false", "chat.postMessage")])
async def test_the_beginning_of_an_answer_whose_question_is_deleted_goes_although_its_own_answer_was_lost(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, native: str, method: str
) -> None:
    monkeypatch.setenv("SLACK_NATIVE_STREAM", native)
    monkeypatch.setattr(delivery, "FIRST_BACKOFF", 5.0)  # the question is deleted before it is posted again
    talk.llm.default = script("A long tale. " * 40, rate=20)
    async with talk.bot():
        talk.slack.fault(method, reset="after")
        question = await talk.asks("tell me")
        await talk.until(lambda: talk.replies(question))
        await talk.slack.deletes("ada", question)
        await talk.settled()
        await talk.until(lambda: talk.replies(question) == [])
        assert talk.slack.open_streams() == []


async def test_the_answer_to_a_deleted_question_goes_also_when_slack_is_away_for_a_moment(talk: Talk) -> None:
    talk.llm.default = script("word " * 400, rate=40)
    async with talk.bot():
        root = await talk.slack.says("grace", talk.slack.general, "a thread")
        question = await talk.asks("tell me all", thread_ts=root.ts)
        await talk.until(lambda: talk.replies(root))
        talk.slack.fault("chat.delete", 1, reset="before")
        talk.slack.fault("chat.delete", 1, status=429, retry_after=1)
        talk.slack.fault("chat.delete", 1, reset="after")
        await talk.slack.deletes("ada", question)
        await talk.until(lambda: not talk.replies(root))
        await talk.settled()


async def test_a_channel_that_is_gone_ends_the_answer_quietly(talk: Talk) -> None:
    talk.llm.default = script(LONG * 3, rate=30)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root))
        (message,) = talk.replies(root)
        talk.slack.general.archived = True
        if message.stream is not None:
            message.stream.state = "finished"
        await talk.until(lambda: talk.llm.seen[0].left_early)
        talk.slack.general.archived = False
        await talk.settled()


async def test_many_mentions_at_once_are_all_answered_within_slacks_limits(talk: Talk) -> None:
    text = "Some words for everyone here. " * 6
    talk.llm.default = script(text, rate=300)
    async with talk.bot():
        roots = [await talk.asks(f"question {number}") for number in range(20)]
        await asyncio.gather(*(talk.answered(root, text.rstrip()) for root in roots))
        refused = [call for call in talk.slack.calls if call.outcome == "ratelimited"]
        assert refused == []


async def test_an_event_that_could_not_be_stored_is_not_acknowledged_and_comes_again(
    slack: Slack, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.state.limits = Limits(ack_timeout=0.5)
    from bot.desk import Bot
    from bot.errors import StoreBusy

    receive, tries = Bot.receive, []

    async def busy(self: Bot, event: object) -> object:
        tries.append(event)
        if len(tries) <= 2:
            raise StoreBusy("locked")
        return await receive(self, event)  # type: ignore[arg-type]  # whatever came

    monkeypatch.setattr(Bot, "receive", busy)
    talk.llm.default = script("At last.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "At last.")
        assert markdown(talk.replies(root)[0]) == "At last."
    assert {sin.name for sin in slack.sins} == {"not_acknowledged"}
    slack.sins.clear()
