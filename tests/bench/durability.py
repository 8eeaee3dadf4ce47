"""What durability costs, on both engines: on the way to the request, in turns a process carries, in statements; and
what a second process on the same database adds. Questions come on a platform in memory, through the whole bot."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from bot.wiring import House
from tests.bench.figures import Figure, median, quantile
from tests.bench.postgresql import durable_server, new_database
from tests.bench.provider import provider
from tests.bench.room import FakeRoom, bot
from tests.bench.subject import apart
from tests.postgres import Server

_RATE, _SECONDS = 20.0, 10.0
_AT_ONCE = 32
_CARRIED = 500
_WORDS = "One word after another comes, and then the last of them is there."


def measure() -> list[Figure]:
    found = _of("SQLite", "", accepted=80)
    with durable_server() as server:
        found += _of("PostgreSQL", new_database(server, "one"), accepted=120)
        found += _together(server)
    return found


def _of(engine: str, url: str, accepted: int) -> list[Figure]:
    busy = apart("durability:twenty_a_second", url=url)
    carried = apart("durability:carry", url=url)
    asked = apart("durability:statements", url=url)
    return [
        Figure(f"{engine}: question → request at 20 turns/s, p50", busy["p50"], "ms", 8),
        Figure(f"{engine}: question → request at 20 turns/s, p99", busy["p99"], "ms", 25),
        Figure(
            f"{engine}: time for a turn, accepted to settled, {_AT_ONCE} at once, one process",
            1e3 / carried["rate"],
            "ms",
            1e3 / accepted,
            f"{carried['rate']:.0f} turns/s; processor: {carried['cpu']:.1f} ms a turn",
        ),
        Figure(
            f"{engine}: statements of a turn in a thread",
            asked["next"],
            "",
            12,
            f"the first of a thread: {asked['first']:.0f}; ten times as long an answer: {asked['long']:.0f}",
        ),
    ]


def _together(server: Server) -> list[Figure]:
    """Two processes on one database, compared with two that have a database each: in both cases providers, servers and
    the other process keep the same cores busy, so the difference is what working together costs. What counts is how
    many turns a second of a process's own processor carries."""
    one = new_database(server, "together")
    alone = _beside_each_other([new_database(server, "one_side"), new_database(server, "other_side")])
    both = _beside_each_other([one, one])
    cost = sum(found["cpu"] for found in alone) / 2
    gained = sum(cost / found["cpu"] for found in both)
    return [
        Figure(
            "PostgreSQL: one process ÷ two on its database, by turns for each second of their processor time",
            1 / gained,
            "",
            1 / 1.7,
            f"two carry {gained:.2f} times as many; {cost:.1f} ms a turn with a database each, "
            f"{both[0]['cpu']:.1f} and {both[1]['cpu']:.1f} on one; {sum(found['rate'] for found in alone):.0f} and "
            f"{sum(found['rate'] for found in both):.0f} turns/s, all cores used up by them, providers and servers",
        )
    ]


def _beside_each_other(urls: Sequence[str]) -> list[dict[str, float]]:
    with ThreadPoolExecutor(len(urls)) as pool:
        given = [{"url": url, "first": 100_000 * number} for number, url in enumerate(urls, 2)]
        return list(pool.map(lambda it: apart("durability:carry", **it), given))


async def twenty_a_second(folder: Path, url: str) -> dict[str, float]:
    """Questions come at random, 20 a second on average, each in a thread of its own."""
    chance = random.Random(20)
    async with provider() as llm, bot(folder, llm.url, url) as opened:
        await llm.answers(_WORDS, rate=200)
        room = FakeRoom(opened)
        await _answered(room, range(10))
        await llm.seen()
        began: dict[int, float] = {}
        tasks = []
        due = time.monotonic()
        for number in range(100, 100 + int(_RATE * _SECONDS)):
            due += chance.expovariate(_RATE)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began[number] = time.monotonic()
            tasks.append(asyncio.create_task(_answered(room, [number])))
        await asyncio.gather(*tasks)
        seen = await llm.seen()
    waits = [seen[number].at - at for number, at in began.items()]
    return {"p50": median(waits) * 1e3, "p99": quantile(waits, 0.99) * 1e3}


async def carry(folder: Path, url: str, first: int = 1_000) -> dict[str, float]:
    """As many turns as one process can, from the question to the settled answer."""
    async with provider() as llm, bot(folder, llm.url, url) as opened:
        await llm.answers("Yes.", rate=0, ttft=0.0)
        room, numbers = FakeRoom(opened), iter(range(first, first + _CARRIED))
        await _answered(room, range(first + _CARRIED, first + _CARRIED + 10))
        await settled(opened)
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.gather(*(_answered(room, numbers) for _ in range(_AT_ONCE)))
        await settled(opened)
        lasted, cpu = time.monotonic() - began, time.process_time() - cpu
    return {"rate": _CARRIED / lasted, "cpu": cpu / _CARRIED * 1e3}


async def statements(folder: Path, url: str) -> dict[str, float]:
    """Statements of one turn, those of the beats beside it left out by the middle of several."""
    async with provider() as llm, bot(folder, llm.url, url) as opened:
        room, numbers = FakeRoom(opened), itertools.count(10)

        async def turn(thread: str = "") -> int:
            with counted() as found:
                await (await room.ask(next(numbers), thread)).done.wait()
                await settled(opened)
            return found.total()

        await llm.answers(_WORDS, rate=100)
        first = [await turn() for _ in range(7)]
        following = [await turn(f"m{number}") for number in range(10, 17)]
        await llm.answers(_WORDS * 10, rate=100)
        long = [await turn(f"m{number}") for number in range(10, 13)]
    return {"first": median(first), "next": median(following), "long": median(long)}


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """What is asked of any database meanwhile. Left out: beginnings of transactions, and the slices of write budgets,
    which are reserved for all replies together and not by a turn."""
    found: Counter[str] = Counter()

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN") and "buckets" not in statement:
            found[statement] += 1

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", count)


async def _answered(room: FakeRoom, numbers: Any) -> None:
    for number in numbers:
        watched = await room.ask(number)
        await watched.done.wait()


async def settled(opened: House) -> None:
    while opened.bot.lanes()[0]:
        await asyncio.sleep(0.001)
