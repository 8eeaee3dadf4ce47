"""Writes that come together share one commit, and still each succeeds, fails and waits alone."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot.errors import StoreBusy, StoreFull
from bot.storage import Db, visits

_HELD = 0.2  # seconds in which the other writes of a test are asked for


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Db]:
    opened = await Db.open(f"sqlite:///{tmp_path / 'a.db'}")
    await opened.tx(lambda connection: connection.execute(text("CREATE TABLE words (word TEXT)")) and None)
    yield opened
    await opened.close()


async def held_up(db: Db) -> asyncio.Task[None]:
    """A write that has begun and takes a while."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def hold(connection: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(_HELD)

    task = asyncio.create_task(db.tx(hold))
    await begun.wait()
    return task


def add(connection: Connection, word: str) -> str:
    connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
    if word.startswith("bad"):
        raise KeyError(word)
    return word


async def words(db: Db) -> list[str]:
    return list(await db.read(lambda connection: connection.execute(text("SELECT word FROM words")).scalars().all()))


async def commits(db: Db) -> int:
    """The frames in the write-ahead log that end a transaction."""
    file = await db.read(lambda connection: connection.execute(text("PRAGMA database_list")).one()[2])
    log = Path(f"{file}-wal").read_bytes()
    size = int.from_bytes(log[8:12], "big") + 24
    return sum(1 for start in range(32, len(log), size) if log[start + 4 : start + 8] != b"\0\0\0\0")


async def test_writes_that_wait_together_share_a_commit_in_the_order_in_which_they_came(db: Db) -> None:
    held = await held_up(db)
    before = await commits(db)
    found = await asyncio.gather(*(db.tx(add, f"word {n}") for n in range(40)))
    await held
    assert found == [f"word {n}" for n in range(40)] == await words(db)
    assert await commits(db) - before == 1


async def test_one_that_fails_among_them_is_undone_alone(db: Db) -> None:
    held = await held_up(db)
    wanted = ["one", "bad two", "three", "bad four", "five"]
    found = await asyncio.gather(*(db.tx(add, word) for word in wanted), return_exceptions=True)
    await held
    assert [type(one) for one in found] == [str, KeyError, str, KeyError, str]
    assert await words(db) == ["one", "three", "five"]


async def test_a_full_disk_fails_all_that_were_not_committed_and_none_that_was(db: Db) -> None:
    await db.tx(add, "before")
    await db.tx(lambda connection: connection.execute(text("PRAGMA max_page_count = 1")) and None)
    held = await held_up(db)
    wanted = ["small", "huge " * 100_000, "small again"]
    found = await asyncio.gather(*(db.tx(add, word) for word in wanted), return_exceptions=True)
    await held
    assert isinstance(found[1], StoreFull)
    told = [one for one in found if isinstance(one, str)]
    assert await words(db) == ["before", *told]


async def test_who_waits_too_long_is_told_so_and_nothing_of_it_is_written_later(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await held_up(db)
    monkeypatch.setattr(visits, "_QUEUE", 0.01)
    with pytest.raises(StoreBusy):
        await db.tx(add, "late")
    await held
    monkeypatch.undo()
    await db.tx(add, "next")
    assert await words(db) == ["next"]


async def test_when_the_transaction_cannot_begin_everybody_is_told_and_it_goes_on_afterwards(
    db: Db, tmp_path: Path
) -> None:
    await db.tx(lambda connection: connection.execute(text("PRAGMA busy_timeout = 0")) and None)
    outside = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    outside.execute("BEGIN IMMEDIATE")
    found = await asyncio.gather(*(db.tx(add, f"locked out {n}") for n in range(3)), return_exceptions=True)
    assert all(isinstance(one, StoreBusy) for one in found)
    outside.execute("ROLLBACK")
    outside.close()
    await db.tx(add, "after")
    assert await words(db) == ["after"]
