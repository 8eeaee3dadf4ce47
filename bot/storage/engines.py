"""The SQLAlchemy engines of a database: SQLite as one writer and two readers, PostgreSQL as one pool.

SQLite's rules were measured. A pool of writers fails (a read snapshot cannot be upgraded) or is unfair (its busy
wait has no queue); one writer connection whose waiters queue in order does neither. ``synchronous=FULL`` because
an acknowledged event must survive a power cut; ``secure_delete`` because what people take back must be gone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

_WAIT = 5.0  # seconds that SQLite waits for a lock held from outside (a backup, a shell)
_QUEUE = 30.0  # seconds that a transaction waits for the one writer, or for a connection of the pool


def _pragmas(engine: AsyncEngine, *pragmas: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _set(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _sqlite(url: URL, size: int, **options: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_QUEUE,
        hide_parameters=True,
        # None: the driver begins no transaction by itself; the hook below does.
        connect_args={"isolation_level": None, "timeout": _WAIT},
        **options,
    )


def sqlite_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """(writer, readers) of a SQLite file."""
    writer = _sqlite(url, 1)
    _pragmas(writer, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")

    @event.listens_for(writer.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    readers = _sqlite(url, 2, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
    _pragmas(readers, "query_only=ON")
    return writer, readers


def postgresql_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """(writer, readers) of a PostgreSQL database, on one pool."""
    writer = create_async_engine(
        url,
        pool_size=10,
        max_overflow=0,
        pool_timeout=_QUEUE,
        pool_pre_ping=False,
        hide_parameters=True,
        # A frozen process must not keep rows locked.
        connect_args={"server_settings": {"idle_in_transaction_session_timeout": "10000"}, "timeout": _WAIT},
    )
    return writer, writer.execution_options(isolation_level="AUTOCOMMIT")
