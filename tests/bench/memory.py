"""The database: a thread, a turn and a start among a million messages, and how fast questions are accepted."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from pathlib import Path

from bot.events import Address, Author
from bot.ports import NewTurn, TurnKind
from bot.storage import open_store
from tests.bench.figures import Figure, median
from tests.bench.provider import provider
from tests.bench.room import FakeRoom, bot
from tests.bench.subject import apart

MANY, FEW = 1_000_000, 10_000
_EACH = 50  # messages of a thread
_WORDS = "lorem ipsum dolor sit amet " * 6


def measure() -> list[Figure]:
    few, many = apart("memory:of", messages=FEW), apart("memory:of", messages=MANY)
    accepting = apart("memory:accepting")
    return [
        Figure(
            "last 50 messages of a thread, of 1,000,000, median",
            many["history"],
            "ms",
            3,
            f"bare SQLite: {many['bare']:.2f} ms",
        ),
        Figure("the same ÷ that of 10,000", many["history"] / few["history"], "", 2, f"{few['history']:.2f} ms"),
        Figure(
            "question in a thread of 50 → request, of 1,000,000",
            many["request"],
            "ms",
            10,
            f"of 10,000: {few['request']:.1f} ms",
        ),
        Figure("opening the store, of 1,000,000", many["open"], "ms", None, f"of 10,000: {few['open']:.0f} ms"),
        Figure(
            "taking up what was left, of 1,000,000", many["resume"], "ms", None, f"of 10,000: {few['resume']:.1f} ms"
        ),
        Figure(
            "one look at health and counts, of 1,000,000", many["look"], "ms", None, f"of 10,000: {few['look']:.1f} ms"
        ),
        Figure(
            "time to accept a question durably, 16 at once",
            1e3 / accepting["rate"],
            "ms",
            None,
            f"{accepting['rate']:.0f} a second",
        ),
    ]


async def of(folder: Path, messages: int) -> dict[str, float]:
    store, _ = await open_store("", folder)
    await store.close()
    threads = _fill(folder / "parley.db", messages)
    began = time.perf_counter()
    store, _ = await open_store("", folder)
    opening = time.perf_counter() - began
    began = time.perf_counter()
    await store.resume(1.0)
    resuming = time.perf_counter() - began
    chosen = random.Random(1).choices(range(1, threads + 1), k=200)
    taken = []
    for thread in chosen:
        began = time.perf_counter()
        assert len(await store.history(thread, 1_000_000, 50)) == _EACH
        taken.append(time.perf_counter() - began)
    began = time.perf_counter()
    await store.check()
    await store.counts()
    looking = time.perf_counter() - began
    await store.close()
    return {
        "open": opening * 1e3,
        "resume": resuming * 1e3,
        "history": median(taken) * 1e3,
        "look": looking * 1e3,
        "bare": _bare(folder / "parley.db", chosen),
        "request": await _turns(folder, chosen[:40]),
    }


def _fill(file: Path, messages: int) -> int:
    """Threads of fifty messages each, interleaved as they are in life; returns how many threads."""
    threads = messages // _EACH
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA synchronous=OFF")
    last = 1_000 + _EACH - 1
    connection.executemany(
        "INSERT INTO conversations(id, key, platform, workspace, channel, thread, epoch, leased_seq, tail_seq,"
        " tail_turn, backfilled, created_at) VALUES (?, ?, 'fake', 'w', 'c', ?, 1, 1000, ?, ?, 1, 0)",
        ((n, f"fake:w:c:x{n}", f"x{n}", last, last - 1) for n in range(1, threads + 1)),
    )
    places = [(n, 1_000 + k) for k in range(_EACH) for n in range(1, threads + 1)]
    connection.executemany(
        "INSERT INTO messages(conversation_id, seq, role, author_id, author_name, text, platform_id, files, created_at)"
        " VALUES (?, ?, ?, 'u1', 'Ana', ?, ?, '[]', 0)",
        ((n, k, "assistant" if k % 2 else "user", _WORDS, None if k % 2 else f"m{k}-{n}") for n, k in places),
    )
    connection.executemany(
        "INSERT INTO turns(conversation_id, seq, reply_seq, event_key, mark, kind, state, outcome, author, direct,"
        " message_id, overrides, attempts, parts, notes, receipt, received_at) VALUES (?, ?, ?, ?, ?, 'answer',"
        " 'settled', 'answered', '{\"id\":\"u1\",\"name\":\"Ana\"}', 0, ?, '{}', 1, '[]', '[]', '{}', 0)",
        ((n, k, k, f"e{k}-{n}", f"mark{k}-{n}", f"m{k}-{n}") for n, k in places if not k % 2),
    )
    connection.commit()
    connection.close()
    return threads


def _bare(file: Path, threads: list[int]) -> float:
    """Milliseconds for the same rows with nothing but SQLite."""
    connection = sqlite3.connect(file)
    taken = []
    for thread in threads:
        began = time.perf_counter()
        connection.execute(
            "SELECT * FROM messages WHERE conversation_id = ? AND deleted = 0 ORDER BY seq DESC LIMIT 50", (thread,)
        ).fetchall()
        taken.append(time.perf_counter() - began)
    connection.close()
    return median(taken) * 1e3


async def _turns(folder: Path, threads: list[int]) -> float:
    """Milliseconds from a question in a thread that has fifty messages to the request, one after another."""
    async with provider() as llm, bot(folder, llm.url) as opened:
        await llm.answers("Yes.", rate=0)
        room = FakeRoom(opened)
        began = {}
        for number, thread in enumerate(dict.fromkeys(threads), 10):
            began[number] = time.monotonic()
            watched = await room.ask(number, f"x{thread}")
            await watched.done.wait()
            await asyncio.sleep(0.02)
        seen = await llm.seen()
    return median([seen[number].at - at for number, at in began.items()]) * 1e3


async def accepting(folder: Path) -> dict[str, float]:
    store, _ = await open_store("", folder)
    numbers = iter(range(1_500))

    async def accept() -> None:
        for number in numbers:
            address = Address("fake", "w", "c", f"t{number}")
            author = Author("u1", "Ana")
            key = f"{address.key}:m{number}"
            turn = NewTurn(key, address, TurnKind.ANSWER, author, False, f"m{number}", "hello", (), 1.0)
            assert await store.accept(turn, 1.0) is not None

    began = time.perf_counter()
    await asyncio.gather(*(accept() for _ in range(16)))
    lasted = time.perf_counter() - began
    await store.close()
    return {"rate": 1_500 / lasted}
