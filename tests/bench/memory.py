"""The database: a thread, a turn and a start among a million messages, and how fast questions are accepted."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from bot.events import Address, Author
from bot.ports import NewTurn, TurnKind
from bot.storage import open_store
from tests.bench.figures import Figure, median
from tests.bench.postgresql import durable_server, new_database
from tests.bench.provider import provider
from tests.bench.room import FakeRoom, bot
from tests.bench.subject import apart

MANY, FEW = 1_000_000, 10_000
_EACH = 50  # messages of a thread
_WORDS = "lorem ipsum dolor sit amet " * 6


def measure() -> list[Figure]:
    few, many = apart("memory:of", messages=FEW), apart("memory:of", messages=MANY)
    accepting = apart("memory:accepting")
    with durable_server() as server:
        urls = {count: new_database(server, f"of_{count}") for count in (FEW, MANY)}
        fewer, more = (apart("memory:of", messages=count, url=urls[count]) for count in (FEW, MANY))
    beside = f"bare SQLite: {many['bare']:.2f} ms"
    return [
        *_figures("", few, many, beside),
        *_figures("PostgreSQL: ", fewer, more, ""),
        Figure(
            "time to accept a question durably, 16 at once",
            1e3 / accepting["rate"],
            "ms",
            None,
            f"{accepting['rate']:.0f} a second",
        ),
    ]


def _figures(engine: str, few: dict[str, float], many: dict[str, float], beside: str) -> list[Figure]:
    return [
        Figure(f"{engine}last 50 messages of a thread, of 1,000,000, median", many["history"], "ms", 3, beside),
        Figure(
            f"{engine}the same ÷ that of 10,000", many["history"] / few["history"], "", 2, f"{few['history']:.2f} ms"
        ),
        Figure(
            f"{engine}question in a thread of 50 → request, of 1,000,000",
            many["request"],
            "ms",
            10,
            f"of 10,000: {few['request']:.1f} ms",
        ),
        Figure(
            f"{engine}processor time of that turn ÷ that of 10,000",
            many["cpu"] / few["cpu"],
            "",
            1.5,
            f"{many['cpu']:.1f} and {few['cpu']:.1f} ms",
        ),
        Figure(
            f"{engine}opening the store and taking up what was left, of 1,000,000",
            many["open"] + many["resume"],
            "ms",
            2_000,
            f"of 10,000: {few['open'] + few['resume']:.0f} ms",
        ),
        Figure(
            f"{engine}one look at health and counts, of 1,000,000",
            many["look"],
            "ms",
            None,
            f"of 10,000: {few['look']:.1f} ms",
        ),
    ]


async def of(folder: Path, messages: int, url: str = "") -> dict[str, float]:
    store, _ = await open_store(url, folder)
    await store.close()
    threads = await _fill_server(url, messages) if url else _fill(folder / "parley.db", messages)
    began = time.perf_counter()
    store, _ = await open_store(url, folder)
    opening = time.perf_counter() - began
    began = time.perf_counter()
    await store.join(15.0)
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
    await store.leave()
    await store.close()
    return {
        "open": opening * 1e3,
        "resume": resuming * 1e3,
        "history": median(taken) * 1e3,
        "look": looking * 1e3,
        "bare": 0.0 if url else _bare(folder / "parley.db", chosen),
        **await _turns(folder, chosen[:60], url),
    }


Rows = Iterator[tuple[Any, ...]]


def _rows(threads: int) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Threads of fifty messages each, interleaved as they are in life: (table, columns, rows)."""
    last, places = 1_000 + _EACH - 1, [(n, 1_000 + k) for k in range(_EACH) for n in range(1, threads + 1)]
    rooms = (
        (n, f"fake:w:c:x{n}", "fake", "w", "c", f"x{n}", 1, 1_000, last, last - 1, True, 0.0)
        for n in range(1, threads + 1)
    )
    said = (
        (n, k, "assistant" if k % 2 else "user", "u1", "Ana", _WORDS, None if k % 2 else f"m{k}-{n}", "[]", 0.0)
        for n, k in places
    )
    ana = '{"id":"u1","name":"Ana"}'
    done = ("answer", "settled", "answered", ana, False)
    asked = (
        (n, k, k, f"e{k}-{n}", f"mark{k}-{n}", *done, f"m{k}-{n}", "{}", 1, "[]", "[]", "{}", 0.0)
        for n, k in places
        if not k % 2
    )
    return [
        ("conversations", _ROOM, rooms),
        ("messages", _SAID, said),
        ("turns", _ASKED, asked),
    ]


_ROOM = ("id", "key", "platform", "workspace", "channel", "thread", "epoch", "leased_seq", "tail_seq", "tail_turn",
         "backfilled", "created_at")  # fmt: skip
_SAID = ("conversation_id", "seq", "role", "author_id", "author_name", "text", "platform_id", "files", "created_at")
_ASKED = ("conversation_id", "seq", "reply_seq", "event_key", "mark", "kind", "state", "outcome", "author", "direct",
          "message_id", "overrides", "attempts", "parts", "notes", "receipt", "received_at")  # fmt: skip


def _fill(file: Path, messages: int) -> int:
    """Returns how many threads."""
    threads = messages // _EACH
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA synchronous=OFF")
    for table, columns, rows in _rows(threads):
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table}({', '.join(columns)}) VALUES ({marks})", rows)
    connection.commit()
    connection.close()
    return threads


async def _fill_server(url: str, messages: int) -> int:
    """Returns how many threads."""
    threads = messages // _EACH
    door = await asyncpg.connect(url)
    for table, columns, rows in _rows(threads):
        await door.copy_records_to_table(table, records=rows, columns=columns, timeout=240)
    await door.execute(
        "SELECT setval(pg_get_serial_sequence('conversations', 'id'), (SELECT max(id) FROM conversations))"
    )
    await door.execute("ANALYZE")
    await door.close()
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


async def _turns(folder: Path, threads: list[int], url: str) -> dict[str, float]:
    """Milliseconds from a question in a thread that has fifty messages to the request, one after another; and of the
    processor for such a turn."""
    async with provider() as llm, bot(folder, llm.url, url) as opened:
        await llm.answers("Yes.", rate=0)
        room = FakeRoom(opened)
        began = {}
        cpu = time.process_time()
        for number, thread in enumerate(dict.fromkeys(threads), 10):
            began[number] = time.monotonic()
            watched = await room.ask(number, f"x{thread}")
            await watched.done.wait()
            await asyncio.sleep(0.02)
        cpu = time.process_time() - cpu
        seen = await llm.seen()
    request = median([seen[number].at - at for number, at in began.items()])
    return {"request": request * 1e3, "cpu": cpu / len(began) * 1e3}


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
