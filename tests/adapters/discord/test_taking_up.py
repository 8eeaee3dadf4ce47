"""What a process that died left unfinished in Discord: the next one completes it, in its own messages and no others."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.adapters.discord.conversing import Talk, labels, process, words
from tests.emulators.discord import Channel, Message
from tests.emulators.llm import Script
from tests.stories.parts import rejoined

TALE = "".join(f"Sentence number {number} of the tale. " for number in range(45)).strip()


LONG = {name: "".join(f"{name} {number} says so. " for number in range(180)).strip() for name in ("Alpha", "Bravo")}


@contextlib.asynccontextmanager
async def killed(talk: Talk, **variables: str) -> AsyncIterator[None]:
    """A bot in a process of its own, which is killed at the end."""
    running = await process(talk, **variables)
    try:
        await talk.discord.connected()
        yield
    finally:
        running.kill()
        await running.wait()
    await talk.discord.disconnected()
    talk.discord.advance(5.5)  # Discord grants a new session every five seconds


@contextlib.asynccontextmanager
async def going_on(talk: Talk, **variables: str) -> AsyncIterator[None]:
    """The next process; it ends well."""
    running = await process(talk, **variables)
    try:
        await talk.discord.connected()
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), 60) == 0


def finished(talk: Talk, place: Channel) -> list[Message]:
    """The last parts of the replies that are complete."""
    return [it for it in talk.replies(place) if "Regenerate" in labels(it)]


async def test_an_answer_killed_in_the_middle_is_completed_in_the_same_message(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=60)
    async with killed(talk):
        root = await talk.asks("tell")
        growing = await talk.begun(root, 40)
    talk.llm.default = Script(text=TALE)
    async with going_on(talk):
        assert await talk.answered(root, TALE, within=90) is growing
        assert len(talk.replies(root)) == 1
        assert labels(growing)[0] == "Regenerate"


LATE = 6.0  # seconds: the process that was started again has answered by then


async def test_an_edit_that_discord_carries_out_after_the_last_one_does_not_stay(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=60)
    async with killed(talk):
        root = await talk.asks("tell")
        growing = await talk.begun(root, 40)
        late = talk.discord.fault("edit_message", delay=LATE)
        await talk.until(lambda: late.hits)
    talk.llm.default = Script(text=TALE)
    async with going_on(talk):
        assert await talk.answered(root, TALE) is growing
        await talk.until(lambda: words(growing) != TALE)
        assert await talk.answered(root, TALE, within=90) is growing
        assert labels(growing)[0] == "Regenerate"
    assert set(talk.discord.sin_names) == {"edits_in_flight"}  # beside that of the process that was killed
    talk.discord.sins.clear()


async def test_a_post_that_discord_carries_out_after_the_answer_needs_it_no_more_does_not_stay(talk: Talk) -> None:
    talk.llm.default = Script(text=LONG["Alpha"], fault="stall", after=500)
    async with killed(talk):
        late = talk.discord.fault("create_message", delay=LATE, skip=1)
        root = await talk.asks("tell")
        await talk.until(lambda: late.hits)
    talk.llm.default = Script(text=TALE)
    async with going_on(talk):
        reply = await talk.answered(root, TALE)
        await talk.until(lambda: len(talk.replies(root)) == 2)
        await talk.until(lambda: talk.replies(root) == [reply], 90)
        assert words(reply) == TALE


@pytest.mark.parametrize("where", ["in a thread", "in a direct room"])
async def test_what_was_said_to_a_command_before_the_answer_began_stands_as_it_was(talk: Talk, where: str) -> None:
    gate = asyncio.Event()
    async with killed(talk):
        place: Channel = talk.discord.dm("ada")
        if where == "in a thread":
            root = await talk.asks("hello")
            await talk.answered(root, talk.llm.default.text)
            assert root.thread is not None
            place = root.thread
        talk.llm.default = Script(text=TALE, rate=60, hold=gate)
        before = talk.replies(place)
        await talk.discord.says("ada", place, "tell me a tale")
        await talk.discord.says("ada", place, "!help")
        await talk.until(lambda: len(talk.replies(place)) > len(before))
        notice = talk.replies(place)[-1]
        told = notice.content
        gate.set()
        growing = await talk.begun(place, 40, number=len(before) + 2)
    talk.llm.default = Script(text=TALE)
    async with going_on(talk):
        await talk.until(lambda: growing in finished(talk, place), 90)
        assert talk.replies(place) == [*before, notice, growing]
        assert (notice.content, words(growing)) == (told, TALE)


async def test_answers_that_grew_among_each_other_in_a_channel_are_each_completed_in_their_own_messages(
    talk: Talk,
) -> None:
    general, gates = talk.discord.general, {name: asyncio.Event() for name in LONG}

    def parts(name: str) -> list[Message]:
        return [it for it in talk.replies(general) if it.content.startswith(name)]

    def script(body: dict[str, Any]) -> Script:
        name = next(it for it in LONG if it in body["messages"][-1]["content"])
        stalls = "stall" if len(talk.llm.seen) <= len(LONG) else ""
        return Script(text=LONG[name], fault=stalls, after=500 if name == "Alpha" else 50, hold=gates[name])

    talk.llm.answer = script
    async with killed(talk, DISCORD_REPLIES="reply"):
        await talk.asks("Alpha")
        await talk.asks("Bravo", who="grace")
        gates["Alpha"].set()
        await talk.begun(general)
        gates["Bravo"].set()
        await talk.until(lambda: len(parts("Alpha")) == 2 and len(parts("Bravo")) == 1)
        (a0, b0, a1) = talk.replies(general)
        assert [words(it)[:5] for it in (a0, b0, a1)] == ["Alpha", "Bravo", "Alpha"]
    async with going_on(talk, DISCORD_REPLIES="reply"):
        await talk.until(lambda: len(finished(talk, general)) == 2, 90)
        assert parts("Alpha") == [a0, a1]
        assert parts("Bravo")[0] is b0
        for name, text in LONG.items():
            assert rejoined(text, [words(it) for it in parts(name)])


async def test_an_answer_that_became_shorter_before_the_crash_grows_again_to_its_full_length(talk: Talk) -> None:
    async def stands(text: str) -> None:
        def holds() -> bool:
            parts = talk.replies(root)
            return bool(parts) and "Regenerate" in labels(parts[-1]) and rejoined(text, [words(it) for it in parts])

        await talk.until(holds)

    async def becomes(text: str) -> None:
        talk.llm.default = Script(text=text)
        await talk.discord.presses("ada", talk.replies(root)[-1], "Regenerate")
        await stands(text)

    talk.llm.default = Script(text=LONG["Alpha"])
    async with killed(talk):
        root = await talk.asks("tell")
        await stands(LONG["Alpha"])
        first = talk.replies(root)[0]
        await becomes("Short.")
    async with killed(talk):
        await becomes(LONG["Bravo"])
        await becomes("Short again.")
    async with going_on(talk):
        await becomes(LONG["Alpha"])  # of which Discord still remembers the first two posts
        assert talk.replies(root)[0] is first


async def test_a_longer_version_turned_to_is_known_to_the_next_process_with_all_its_parts(talk: Talk) -> None:
    def stands(text: str) -> bool:
        parts = talk.replies(root)
        return bool(parts) and "Regenerate" in labels(parts[-1]) and rejoined(text, [words(it) for it in parts])

    talk.llm.scripts.extend([Script(text=LONG["Alpha"]), Script(text="Short."), Script(text="Shorter.")])
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.until(lambda: stands(LONG["Alpha"]))
        await talk.settled()
        await talk.discord.presses("ada", talk.replies(root)[-1], "Regenerate")
        await talk.until(lambda: stands("Short."))
        await talk.settled()
        await talk.discord.presses("ada", talk.replies(root)[0], "‹ 1/2")
        await talk.until(lambda: stands(LONG["Alpha"]))
        await talk.settled()
    async with talk.bot():
        await talk.discord.presses("ada", talk.replies(root)[-1], "Regenerate")
        await talk.until(lambda: stands("Shorter."))
        assert len(talk.replies(root)) == 1
