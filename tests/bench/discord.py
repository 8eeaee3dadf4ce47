"""How soon people see an answer in Discord, alone and in a crowd, within Discord's rate limits; and what it costs.

The model takes 200 ms to its first token and then writes 300 tokens a second, 400 in all, unless a figure says
otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.bench.answers import RATE, TEXT, TTFT, best, one_after_another, refused, wrong
from tests.bench.discord_room import DiscordRoom
from tests.bench.figures import Figure, median, quantile
from tests.bench.provider import Provider, provider
from tests.bench.room import bot
from tests.bench.subject import apart

GUILDS = 2_499  # and the one the emulator begins with: as many as Discord allows on one connection
_EACH = {"channels": 30, "roles": 15, "threads": 3, "emojis": 40}
_ROUNDS = 3


def measure() -> list[Figure]:
    slow = apart("discord:one_at_a_time", latency=0.1)
    fast = min((apart("discord:one_at_a_time", latency=0.0) for _ in range(_ROUNDS)), key=lambda found: found["tail"])
    twenty = [apart("discord:twenty_threads") for _ in range(_ROUNDS)]
    chains = apart("discord:twenty_replies")
    opened = apart("discord:twenty_new_threads")
    choices = min((apart("discord:while_100_stream") for _ in range(_ROUNDS)), key=lambda found: found["p99"])
    many = apart("discord:many_guilds")
    everything = (slow, fast, *twenty, chains, opened, choices, many)
    inexact = sum(found["wrong"] for found in everything)
    trouble = [word for found in everything for word in found["sins"]]
    return [
        Figure("Discord: answers that are not exact", inexact, "", 0),
        Figure("Discord: what a polite bot does not do", len(trouble), "", 0, ", ".join(sorted(set(trouble)))),
        Figure("first token → text in Discord, 100 ms a call", slow["first"], "ms", 150),
        Figure("first token → text in Discord, 0 ms a call", fast["first"], "ms", 15),
        Figure("last token → whole text in Discord, 100 ms a call", slow["tail"], "ms", 115),
        Figure("last token → whole text in Discord, 0 ms a call", fast["tail"], "ms", 10),
        Figure("message writes of a reply of 1.5 s", max(slow["writes"], fast["writes"]), "", 4),
        Figure("20 threads at once with rate limits: last complete", best(twenty, "last"), "s", 2, refused(twenty)),
        Figure("processor time of a reply, 20 at once", best(twenty, "cpu") * 1e3, "ms", 80),
        Figure("20 replies in one channel: last complete", chains["last"], "s", 25, refused([chains])),
        Figure("20 replies in one channel: out of order", chains["disorder"], "", 0),
        Figure("20 replies in one channel: longest without typing", chains["silent"], "s", 2),
        Figure("20 new threads in one channel: text, at the latest", opened["first"], "s", 5, refused([opened])),
        Figure("choices while 100 replies stream, p99", choices["p99"], "ms", 50, f"p50: {choices['p50']:.0f} ms"),
        Figure(
            "memory (RSS) with 2,500 guilds, at most",
            many["rss"],
            "MB",
            350,
            f"with one: {fast['rss']:.0f} MB; each guild: {', '.join(f'{n} {name}' for name, n in _EACH.items())}",
        ),
    ]


@contextlib.asynccontextmanager
async def _talking(
    folder: Path, latency: float, limits: bool, **variables: str
) -> AsyncIterator[tuple[DiscordRoom, Provider]]:
    """The bot in this process, connected, and warm: it has answered, and what that took of its budgets is back."""
    async with provider() as llm, DiscordRoom.running() as room:
        os.environ.update(room.environment | variables)
        async with bot(folder, llm.url):
            await room.connected()
            await room.set(0.0, False)
            await llm.answers("ready", 0, 0)
            await room.ask(range(3), threads=True)
            await room.answered(range(3), 20)
            await asyncio.sleep(2)
            await room.set(latency, limits)
            await room.trouble()
            await llm.seen()
            await llm.answers(TEXT, RATE, TTFT)
            yield room, llm


async def one_at_a_time(folder: Path, latency: float) -> dict[str, Any]:
    async with _talking(folder, latency, limits=True) as (room, llm):
        return await one_after_another(room, llm, latency) | {"rss": _rss()}


async def twenty_threads(folder: Path) -> dict[str, Any]:
    """Twenty conversations that people have in threads of their own, at once."""
    return await _at_once(folder, threads=True, within=30)


async def twenty_replies(folder: Path) -> dict[str, Any]:
    """Twenty mentions in one channel, each answered there as a reply."""
    return await _at_once(folder, threads=False, within=60, DISCORD_REPLIES="reply")


async def twenty_new_threads(folder: Path) -> dict[str, Any]:
    """Twenty mentions in one channel, each answered in a thread made for it."""
    return await _at_once(folder, threads=False, within=30)


async def _at_once(folder: Path, *, threads: bool, within: float, **variables: str) -> dict[str, Any]:
    numbers = range(100, 120)
    async with _talking(folder, 0.0, limits=True, **variables) as (room, _):
        cpu = time.process_time()
        await room.ask(numbers, threads)
        seen = await room.answered(numbers, within)
        cpu = time.process_time() - cpu
        disorder, silent = await room.waited(numbers)
        too_fast, sins = await room.trouble()
    began = min(found.asked_at for found in seen.values())
    return {
        "last": max(found.whole_at for found in seen.values()) - began,
        "first": max(found.first_at - found.asked_at for found in seen.values()),
        "cpu": cpu / len(numbers),
        "disorder": disorder,
        "silent": silent,
        "wrong": wrong(seen),
        "refused": too_fast,
        "sins": sins,
    }


async def while_100_stream(folder: Path) -> dict[str, Any]:
    async with _talking(folder, 0.0, limits=True) as (room, llm):
        await llm.answers(TEXT, 20, TTFT)
        numbers = range(100, 200)
        for number in numbers:
            await room.ask([number], threads=True)
            await asyncio.sleep(0.04)
        await asyncio.sleep(1)
        took = await room.complete(300, 10)
        seen = await room.answered(numbers, 60)
        too_fast, sins = await room.trouble()
    return {
        "p50": median(took) * 1e3,
        "p99": quantile(took, 0.99) * 1e3,
        "wrong": wrong(seen),
        "refused": too_fast,
        "sins": sins,
    }


async def many_guilds(folder: Path) -> dict[str, Any]:
    """An answer comes after everything that Discord tells of the guilds."""
    async with provider() as llm, DiscordRoom.running() as room:
        await room.fill(GUILDS, **_EACH)
        os.environ.update(room.environment)
        async with bot(folder, llm.url):
            await room.connected()
            await llm.answers(TEXT, RATE, TTFT)
            await room.ask([100])
            seen = await room.answered([100], 60)
            _, sins = await room.trouble()
    return {"rss": _rss(), "wrong": wrong(seen), "sins": sins}


def _rss() -> float:
    """The most memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
