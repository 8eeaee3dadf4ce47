"""SQLite: one writer and two readers, each on a thread of its own.

SQLite's rules were measured. A pool of writers fails (a read snapshot cannot be upgraded) or is unfair (its busy
wait has no queue); one writer connection whose waiters queue in order does neither. ``synchronous=FULL`` because
an acknowledged event must survive a power cut; ``secure_delete`` because what people take back must be gone.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event

from bot.storage.visits import Readers, Visited, Writer

_WAIT = 5.0  # seconds that SQLite waits for a lock held from outside (a backup, a shell)
_READERS = 2
_LOG_KEPT = 16 * 1024 * 1024  # bytes that the write-ahead log keeps once its content is in the file


def sqlite_connections(url: URL) -> tuple[Writer, Readers]:
    """(writer, readers) of a SQLite file, not open yet."""
    return Writer(_writer(url)), Readers([_reader(url) for _ in range(_READERS)])


def _writer(url: URL) -> Visited:
    engine = _engine(
        url,
        "auto_vacuum=INCREMENTAL",  # counts only in a file that has no tables yet
        "journal_mode=WAL",
        f"journal_size_limit={_LOG_KEPT}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return Visited(engine)


def _reader(url: URL) -> Visited:
    return Visited(_engine(url, "query_only=ON", isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True))


def _engine(url: URL, *pragmas: str, **options: Any) -> Engine:
    engine = create_engine(
        url,
        poolclass=StaticPool,
        hide_parameters=True,
        # None: the driver begins no transaction by itself; the hook of the writer does.
        connect_args={"isolation_level": None, "timeout": _WAIT},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _set(connection: sqlite3.Connection, _record: object) -> None:
        with closing(connection.cursor()) as cursor:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")

    return engine
