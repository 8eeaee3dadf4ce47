"""Giving back to the disk what a SQLite file no longer needs.

New files are made so that free pages can be given back a few at a time, between other writes. Older ones have to be
rewritten once for that, while the bot stands still: ``parley vacuum``. PostgreSQL looks after itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import Connection

from bot.storage.database import Db
from bot.storage.failures import translate
from bot.storage.lock import FileLock

_STEP = 100  # pages a transaction: some milliseconds in which other writes wait
_KEPT = 256  # free pages (1 MiB) that stay for the next writes
_PAUSE = 0.05  # seconds between two steps
_INCREMENTAL = 2


async def give_back(db: Db) -> int:
    """Shorten the file by its free pages; returns how many. 0 on a server, and in a file not made for it."""
    count = 0
    while freed := await db.tx(_shorten):
        count += freed
        await asyncio.sleep(_PAUSE)
    return count


def _shorten(connection: Connection) -> int:
    if connection.dialect.name != "sqlite" or _number(connection, "auto_vacuum") != _INCREMENTAL:
        return 0
    free = _number(connection, "freelist_count")
    if free <= _KEPT:
        return 0
    driver = cast(sqlite3.Connection, connection.connection.driver_connection)
    for _ in range(min(_STEP, free - _KEPT)):
        driver.execute("PRAGMA incremental_vacuum(1)")  # Python takes the first step of a statement without rows only
    return free - _number(connection, "freelist_count")


def _number(connection: Connection, pragma: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one())


def vacuum(path: Path) -> tuple[int, int]:
    """Rewrite the file without its free pages; returns its size in bytes (before, after).

    Raises ``ConfigurationError`` while a bot has it open, ``StoreError`` when it failed: then nothing has changed.
    """
    lock = FileLock(path)
    try:
        before = path.stat().st_size
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, path.stat().st_size
    except sqlite3.Error as error:
        raise translate(error) from error
    finally:
        lock.release()
