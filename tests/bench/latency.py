"""How long people wait for the machinery: to the request, the first word, the last; one by one and 20 a second."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.bench.figures import Figure, median, quantile
from tests.bench.provider import KEY, Provider, provider
from tests.bench.room import FakeRoom, Watched, WebRoom, bot
from tests.bench.subject import apart

WORDS = "One word after another comes, and then the last of them is there."
_ALONE = 40
_RATE, _SECONDS = 20.0, 10.0


class Room(Protocol):
    async def ask(self, number: int) -> Watched: ...


def measure() -> list[Figure]:
    alone = apart("latency:one_at_a_time")
    busy = apart("latency:twenty_a_second")
    sdk = f"groq SDK, call → request: {alone['sdk']:.1f} ms; bare SQLite commit: {alone['commit']:.2f} ms"
    found = [Figure("question → request at the provider, web", alone["web"]["request"], "ms", 10, sdk)]
    found += [
        Figure("first model text → visible, web", alone["web"]["first"], "ms", 15),
        Figure("last token → whole text visible, web", alone["web"]["tail"], "ms", 5, "with one commit before it"),
        Figure("question → request at the provider, platform in memory", alone["fake"]["request"], "ms", 10),
        Figure("first model text → visible, platform in memory", alone["fake"]["first"], "ms", 15),
        Figure("last token → whole text visible, platform in memory", alone["fake"]["tail"], "ms", 5),
        Figure("question → request at 20 questions/s, p50", busy["p50"], "ms", 10, f"p99: {busy['p99']:.0f} ms"),
        Figure("processor time per question at 20/s, whole bot", busy["cpu"], "ms", None, "12 tokens each"),
    ]
    return found


async def one_at_a_time(folder: Path) -> dict[str, object]:
    async with provider() as llm, bot(folder, llm.url) as opened:
        await llm.answers(WORDS, rate=200)
        web, fake = WebRoom(opened), FakeRoom(opened)
        for number in range(5):
            await _until_answered(web, number)
        await llm.seen()
        return {
            "web": await _series(web, llm, 100),
            "fake": await _series(fake, llm, 1_000),
            "sdk": await _sdk(llm),
            "commit": _commit(folder),
        }


async def _series(room: Room, llm: Provider, first: int) -> dict[str, float]:
    asked: dict[int, tuple[float, Watched]] = {}
    for number in range(first, first + _ALONE):
        began = time.monotonic()
        asked[number] = began, await _until_answered(room, number)
        await asyncio.sleep(0.02)
    seen = await llm.seen()
    rows = [(seen[number], began, watched) for number, (began, watched) in asked.items()]
    return {
        "request": median([request.at - began for request, began, _ in rows]) * 1e3,
        "first": median([watched.first_at - request.first_token_at for request, _, watched in rows]) * 1e3,
        "tail": median([watched.whole_at - request.last_token_at for request, _, watched in rows]) * 1e3,
    }


async def _until_answered(room: Room, number: int) -> Watched:
    watched = await room.ask(number)
    await watched.done.wait()
    assert watched.text == WORDS, watched.text
    return watched


async def _sdk(llm: Provider) -> float:
    """Milliseconds from the groq SDK's call to its request at the provider."""
    from groq import AsyncGroq

    began = {}
    async with AsyncGroq(api_key=KEY, base_url=llm.url.removesuffix("/openai/v1")) as client:
        for number in range(2_000, 2_020):
            began[number] = time.monotonic()
            answer = await client.chat.completions.create(
                model="openai/gpt-oss-20b", messages=[{"role": "user", "content": f"#{number}"}], stream=True
            )
            async for _ in answer:
                pass
    seen = await llm.seen()
    return median([seen[number].at - at for number, at in began.items()]) * 1e3


def _commit(folder: Path) -> float:
    """Milliseconds of one bare commit on the same disk, with the same guarantees."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE t (x TEXT)")
    taken = []
    for _ in range(200):
        began = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 300,))
        taken.append(time.perf_counter() - began)
    connection.close()
    return median(taken) * 1e3


async def twenty_a_second(folder: Path) -> dict[str, float]:
    """Questions come at random, 20 a second on average, each in a thread of its own."""
    chance = random.Random(20)
    async with provider() as llm, bot(folder, llm.url) as opened:
        await llm.answers(WORDS, rate=200)
        room = WebRoom(opened)
        for number in range(5):
            await _until_answered(room, number)
        await llm.seen()
        began: dict[int, float] = {}
        tasks = []
        cpu = time.process_time()
        due = time.monotonic()
        for number in range(100, 100 + int(_RATE * _SECONDS)):
            due += chance.expovariate(_RATE)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began[number] = time.monotonic()
            tasks.append(asyncio.create_task(_until_answered(room, number)))
        await asyncio.gather(*tasks)
        cpu = time.process_time() - cpu
        seen = await llm.seen()
    return _spread([seen[number].at - at for number, at in began.items()]) | {"cpu": cpu / len(began) * 1e3}


def _spread(waits: Sequence[float]) -> dict[str, float]:
    return {"p50": median(waits) * 1e3, "p99": quantile(waits, 0.99) * 1e3}
