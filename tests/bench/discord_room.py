"""The emulated Discord beside the bot (``tests.bench.beside``), and what people do and see there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.beside import Room, obey, serve, trouble
from tests.emulators.discord import Channel, Discord, Message

_STARTER = 21  # the empty message that opens a thread made from another


@dataclass(frozen=True, slots=True)
class Seen:
    """What people saw of the answer to one question; 0: nothing yet."""

    number: int
    asked_at: float
    first_at: float
    whole_at: float
    writes: int
    text: str


class DiscordRoom(Room):
    MODULE = "tests.bench.discord_room"

    async def fill(self, guilds: int, **each: int) -> None:
        """Found guilds that have the bot, each with so many ``channels``, ``roles``, ``threads`` and ``emojis``."""
        await self.order("fill", guilds=guilds, **each)

    async def ask(self, numbers: Sequence[int], threads: bool = False) -> None:
        """Mention the bot once for each number in one channel, all at once, or each in a thread of its own that
        people opened before."""
        await self.order("ask", numbers=list(numbers), threads=threads)

    async def answered(self, numbers: Sequence[int], within: float) -> dict[int, Seen]:
        """Wait until each has its whole answer, at most ``within`` seconds."""
        rows = await self.order("answered", numbers=list(numbers), within=within)
        return {row[0]: Seen(*row) for row in rows}

    async def waited(self, numbers: Sequence[int]) -> tuple[int, float]:
        """(answers that came before that of an earlier question, the longest time without a sign in the channel while
        somebody waited for a first text there)."""
        found: list[Any] = await self.order("waited", numbers=list(numbers))
        return int(found[0]), float(found[1])

    async def complete(self, count: int, seconds: float) -> list[float]:
        """Somebody types into a command, ``count`` letters over ``seconds``; how long the choices of each took."""
        found: list[float] = await self.order("complete", count=count, seconds=seconds)
        return found


class _Orders:
    """The orders, carried out on the emulator."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord
        self._asked: dict[int, tuple[Message, float]] = {}
        self._threads: dict[int, Channel] = {}

    async def set(self, latency: float, limits: bool) -> None:
        self._discord.latency(latency)
        self._discord.buckets.on = limits
        self._discord.advance(600)

    async def connected(self) -> None:
        await self._discord.connected()
        await self._discord.until(lambda: self._discord.state.commands.get(""), 30)

    async def fill(self, guilds: int, channels: int, roles: int, threads: int, emojis: int) -> None:
        for guild in self._discord.add_guilds(guilds):
            guild.emojis = emojis
            for number in range(roles):
                self._discord.add_role(f"role {number}", guild=guild)
            places = [self._discord.add_channel(f"channel {number}", guild=guild) for number in range(channels - 1)]
            for number in range(threads):
                root = await self._discord.says(self._discord.ada, places[number], "a thread")
                await self._discord.opens_thread(self._discord.ada, root, f"thread {number}")

    async def ask(self, numbers: list[int], threads: bool) -> None:
        discord = self._discord
        if threads:
            for number in numbers:
                root = await discord.says("ada", discord.general, f"a thread for {number}")
                self._threads[number] = await discord.opens_thread("ada", root, f"thread {number}")
        for number in numbers:
            at = self._now()
            text = f"<@{discord.bot.id}> please tell me #{number}"
            place = self._threads.get(number, discord.general)
            self._asked[number] = await discord.says("ada", place, text), at

    async def answered(self, numbers: list[int], within: float) -> list[list[Any]]:
        def all_are() -> bool:
            return all(self._is_whole(number) for number in numbers)

        with contextlib.suppress(TimeoutError):
            await self._discord.until(all_are, within)
        return [self._row(number) for number in numbers]

    async def waited(self, numbers: list[int]) -> tuple[int, float]:
        posted = [self._replies(number)[0] for number in numbers if self._replies(number)]
        late = sum(int(one.id) > int(after.id) for one, after in itertools.pairwise(posted))
        skipped = self._skipped()
        shown = [(begin - skipped, end - skipped) for begin, end in self._discord.typing(self._discord.general)]
        at = min(self._asked[number][1] for number in numbers)
        until = max(reply.sights[0].at - skipped for reply in posted)
        longest = 0.0
        for begin, end in [*shown, (until, until)]:
            longest = max(longest, min(begin, until) - at)
            at = max(at, end)
        return late, longest

    async def complete(self, count: int, seconds: float) -> list[float]:
        async def one(number: int) -> float:
            await asyncio.sleep(number * seconds / count)
            began = self._now()
            general = self._discord.general
            if number % 2:
                found = await self._discord.autocompletes("ada", general, "ai model", "id", "gpt"[: number % 4])
            else:
                found = await self._discord.autocompletes("ada", general, "ai set", "key", "temp"[: number % 5])
            return self._now() - began if found else 3.0

        return await asyncio.gather(*map(one, range(count)))

    async def trouble(self) -> tuple[int, Sequence[str]]:
        return trouble(self._discord)

    # --- looking

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _skipped(self) -> float:
        return self._discord.clock.now() - self._now()

    def _replies(self, number: int) -> list[Message]:
        """The bot's messages in the thread of a question, or in reply to it."""
        question, _ = self._asked[number]
        thread = self._threads.get(number) or question.thread
        if thread is not None:
            return [it for it in self._discord.replies(thread) if it.kind != _STARTER]
        found = self._discord.replies(self._discord.general)
        return [it for it in found if it.reference is not None and it.reference["message_id"] == question.id]

    def _is_whole(self, number: int) -> bool:
        replies = self._replies(number)
        return bool(replies) and "Why?" in self._discord.buttons(replies[-1])

    def _row(self, number: int) -> list[Any]:
        replies = self._replies(number)
        skipped = self._skipped()
        ids = {reply.id for reply in replies}
        sights = [sight.at - skipped for reply in replies for sight in reply.sights]
        whole = max(sights) if self._is_whole(number) else 0.0
        first = min(sights) if sights else 0.0
        edits = sum(call.path.rsplit("/", 1)[-1] in ids for call in self._discord.calls_of("edit_message"))
        text = " ".join(reply.content for reply in replies)
        return [number, self._asked[number][1], first, whole, len(replies) + edits, text]


async def _serve() -> None:
    async with Discord() as discord:
        await obey(_Orders(discord), discord.environment())


if __name__ == "__main__":
    serve(_serve())
