"""What was said while nobody listened is read when a session begins, and answered once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.discord import missed as missed_module
from adapters.discord.missed import Json, Missed
from tests.adapters.discord.conversing import Talk, asked, is_final
from tests.emulators.discord import Channel, Permission
from tests.emulators.discord.sessions import Session
from tests.emulators.llm import Script


def with_the_welcome(talk: Talk, then: Callable[[], None]) -> None:
    """What was held is released, and ``then`` done, with nothing between it and the next welcome."""
    gateway = talk.discord.gateway
    welcome = gateway._welcome

    def welcomed(session: Session) -> None:
        gateway._welcome = welcome  # type: ignore[method-assign]  # as below
        welcome(session)
        then()

    gateway._welcome = welcomed  # type: ignore[method-assign]  # the moment of the welcome


def said(talk: Talk) -> str:
    """What the longest prompt says, in order."""
    longest = max(range(len(talk.llm.seen)), key=lambda number: len(asked(talk.llm, number)))
    return "\n".join(text for _, text in asked(talk.llm, longest))


def lose_sessions(talk: Talk) -> None:
    talk.discord.gateway.forget_sessions()
    talk.discord.drop()


async def test_what_was_missed_when_a_session_was_lost_is_read_and_answered_once(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
        lose_sessions(talk)
        missed = await talk.asks("second", who="grace")
        talk.discord.advance(6)
        await talk.answered(missed, talk.llm.default.text, within=90)
        assert len(talk.llm.seen) == 2


async def test_what_was_asked_while_it_was_not_running_is_answered_at_the_next_start(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    missed = await talk.asks("are you there?")
    assert root.thread is not None
    await talk.discord.says("grace", root.thread, "and here?")
    await talk.discord.says("grace", talk.discord.general, "not for the bot")
    async with talk.bot():
        await talk.answered(missed, talk.llm.default.text)
        await talk.answered(root, talk.llm.default.text, 2)
        assert len(talk.llm.seen) == 3
    async with talk.bot():
        again = await talk.asks("last")
        await talk.answered(again, talk.llm.default.text)
        assert len(talk.llm.seen) == 4


async def test_a_place_where_it_was_never_asked_before_is_caught_up_with_too(talk: Talk) -> None:
    lobby = talk.discord.add_channel("lobby")
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    missed = await talk.asks("anyone?", channel=lobby)
    async with talk.bot():
        await talk.answered(missed, talk.llm.default.text)


async def test_what_was_missed_is_not_forgotten_over_what_comes_right_after_the_start(talk: Talk) -> None:
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    missed = await talk.asks("are you there?")
    talk.discord.hold()
    fresh = await talk.asks("hello again")
    with_the_welcome(talk, talk.discord.release)
    async with talk.bot():
        await talk.answered(fresh, talk.llm.default.text)
        await talk.answered(missed, talk.llm.default.text)


async def test_a_command_that_was_missed_is_not_carried_out_late(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
    assert root.thread is not None
    await talk.discord.says("ada", root.thread, "!set temperature 0.1")
    await talk.discord.says("ada", root.thread, "and now?")
    async with talk.bot():
        await talk.answered(root, talk.llm.default.text, 2)
        assert talk.llm.seen[-1].body.get("temperature") != 0.1


async def test_what_comes_right_behind_a_later_welcome_hides_nothing_that_was_missed_before_it(talk: Talk) -> None:
    lobby = talk.discord.add_channel("lobby")
    async with talk.bot():
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
        assert root.thread is not None
        talk.llm.answer = lambda body: Script(text=f"After {len(body['messages'])} messages.")
        lose_sessions(talk)
        missed = await talk.asks("anyone?", channel=lobby)
        await talk.discord.says("grace", root.thread, "missed here")
        talk.discord.hold()
        await talk.discord.says("ada", talk.discord.general, "just chatter")
        await talk.discord.says("ada", root.thread, "heard here")
        with_the_welcome(talk, talk.discord.release)
        talk.discord.advance(6)
        await talk.until(lambda: [is_final(it) for it in talk.replies(missed)] == [True])
        await talk.until(lambda: "heard here" in said(talk))
        await talk.settled()
        assert said(talk).index("missed here") < said(talk).index("heard here")


async def test_a_question_behind_more_messages_than_one_page_is_answered(talk: Talk) -> None:
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    for number in range(120):
        await talk.discord.says("grace", talk.discord.general, f"chatter {number}")
    missed = await talk.asks("and so?")
    for number in range(110):
        await talk.discord.says("grace", talk.discord.general, f"more {number}")
    last = await talk.asks("and now?")
    async with talk.bot():
        await talk.answered(missed, talk.llm.default.text)
        await talk.answered(last, talk.llm.default.text)
        assert len(talk.llm.seen) == 3


async def test_every_channel_in_which_something_was_missed_is_read(talk: Talk) -> None:
    channels = [talk.discord.add_channel(f"channel {number}") for number in range(60)]
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    missed = [await talk.asks("anyone?", channel=channel) for channel in channels]
    async with talk.bot():
        await talk.until(lambda: all(talk.texts(root) == [talk.llm.default.text] for root in missed))
        await talk.settled()
        assert [call for call in talk.discord.calls if call.status == 429] == []


async def test_channels_the_bot_cannot_see_are_not_asked_for(talk: Talk) -> None:
    hidden = talk.discord.add_channel("hidden")
    talk.discord.deny(hidden, Permission.VIEW_CHANNEL)
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    await talk.discord.says("grace", hidden, "between us")
    missed = await talk.asks("are you there?")
    async with talk.bot():
        await talk.answered(missed, talk.llm.default.text)
    assert [call for call in talk.discord.calls if call.status == 403] == []


async def test_nobody_who_asks_elsewhere_waits_for_what_was_missed_and_nothing_is_answered_twice(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = talk.discord.dm("grace")
    lobby = talk.discord.add_channel("lobby")
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    missed = await talk.asks("are you there?")
    page, asking, may = Missed._page, asyncio.Event(), asyncio.Event()

    async def held(self: Missed, channel: str, after: int) -> list[Json]:
        asking.set()
        await may.wait()
        return await page(self, channel, after)

    monkeypatch.setattr(Missed, "_page", held)
    async with talk.bot():
        await asking.wait()
        await talk.answered(await talk.asks("and here?", channel=lobby), talk.llm.default.text)
        await talk.discord.says("grace", room, "and alone?")
        await talk.answered(room, talk.llm.default.text)
        fresh = await talk.asks("hello again")  # the gateway tells it, and so does the history
        may.set()
        await talk.answered(fresh, talk.llm.default.text)
        await talk.answered(missed, talk.llm.default.text)
        assert len(talk.llm.seen) == 5


async def test_a_guild_that_is_told_of_late_is_caught_up_with_too(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    missed = await talk.asks("anyone?", channel=talk.discord.add_channel("lobby"))
    dispatch = Session.dispatch

    def late(session: Session, name: str, body: str) -> None:
        wait = 0.5 if name == "GUILD_CREATE" else 0.0
        asyncio.get_running_loop().call_later(wait, dispatch, session, name, body)

    monkeypatch.setattr(Session, "dispatch", late)
    async with talk.bot():
        await talk.answered(missed, talk.llm.default.text)


# --- several shards


@pytest.fixture
def places(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> tuple[Channel, Channel]:
    """A channel on each of two shards of one process."""
    monkeypatch.setenv("DISCORD_SHARD_COUNT", "2")
    monkeypatch.setattr("adapters.discord.gateway._IDENTIFY_EVERY", 0.0)
    talk.discord.state.limits = replace(talk.discord.state.limits, max_concurrency=2)
    found: dict[int, Channel] = {}
    while len(found) < 2:
        guild = talk.discord.add_guild(f"guild {len(talk.discord.state.guilds)}")
        found.setdefault((int(guild.id) >> 22) % 2, talk.discord.add_channel("lobby", guild=guild))
    return found[0], found[1]


@pytest.mark.parametrize("shard", [0, 1])
@pytest.mark.parametrize("used", [True, False], ids=["used before", "new to it"])
async def test_a_shard_that_loses_its_session_is_caught_up_with_while_the_other_goes_on(
    talk: Talk, places: tuple[Channel, Channel], shard: int, used: bool
) -> None:
    here, there = places[shard], places[1 - shard]
    async with talk.bot():
        await talk.discord.connected(2)
        await talk.answered(await talk.asks("first", channel=there), talk.llm.default.text)
        if used:
            await talk.answered(await talk.asks("first", channel=here), talk.llm.default.text)
        talk.discord.advance(6)
        talk.discord.gateway.lose(shard)
        missed = await talk.asks("are you there?", channel=here)
        await talk.answered(await talk.asks("and you?", channel=there), talk.llm.default.text)
        await talk.answered(missed, talk.llm.default.text)
        assert len(talk.llm.seen) == (4 if used else 3)


async def test_shards_that_lose_their_sessions_again_are_caught_up_with_again(
    talk: Talk, places: tuple[Channel, Channel]
) -> None:
    async with talk.bot():
        await talk.discord.connected(2)
        for place in places:
            await talk.answered(await talk.asks("first", channel=place), talk.llm.default.text)
        talk.discord.advance(6)
        talk.discord.gateway.lose(1)
        one = await talk.asks("one", channel=places[1])
        await talk.answered(one, talk.llm.default.text)
        talk.discord.advance(6)
        lose_sessions(talk)
        both = [await talk.asks("both", channel=place) for place in places]
        for missed in both:
            await talk.answered(missed, talk.llm.default.text)
        assert len(talk.llm.seen) == 5


async def test_what_was_missed_before_there_were_more_shards_is_read_by_whoever_has_it_now(
    talk: Talk, places: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_SHARD_COUNT", "1")
    async with talk.bot():
        await talk.answered(await talk.asks("first"), talk.llm.default.text)
    missed = [await talk.asks("anyone?", channel=place) for place in places]
    monkeypatch.setenv("DISCORD_SHARD_COUNT", "2")
    async with talk.bot():
        for question in missed:
            await talk.answered(question, talk.llm.default.text)


@dataclass
class Notes:
    """A shelf that may never answer. ``kept``: (channel, last message)."""

    kept: list[tuple[str, str]] = field(default_factory=list)
    is_away: bool = False

    async def put(self, kind: str, id: str, value: Json, position: int = 0) -> None:
        if self.is_away:
            await asyncio.Event().wait()
        self.kept.append((id, value["last"]))


async def test_at_the_end_what_is_new_is_noted_and_a_database_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(missed_module, "_LAST", 0.2)
    notes, directory = Notes(), SimpleNamespace(guilds=SimpleNamespace(shard=lambda guild: 0, shard_count=1))
    behind: list[asyncio.Task[Any]] = []
    missed = Missed(
        cast(Any, None), cast(Any, directory), cast(Any, notes),
        look=cast(Any, None), behind=lambda work: behind.append(asyncio.create_task(work)),
    )  # fmt: skip
    for channel, id in (("one", 5), ("two", 6), ("one", 7)):
        missed.hear(channel, "guild", id, takes_part=True)
    await asyncio.wait(behind)
    assert notes.kept == [("one", "5"), ("two", "6")]
    await missed.close()
    await missed.close()
    assert notes.kept[2:] == [("one", "7")]
    missed.hear("two", "guild", 8, takes_part=True)
    notes.is_away = True
    async with asyncio.timeout(30):
        await missed.close()
