"""PostgreSQL: one pool for writing and reading. Loaded only when the database is one, for it costs the start time.

After a restart of the server, or a cut by what stands in between, the pool is full of dead connections. So one that
has rested is looked at before it is used; looking each time would cost every turn several milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import asyncpg
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_WAIT = 5.0  # seconds until a server that does not answer is taken as not there
_QUEUE = 30.0  # seconds that a transaction waits for a connection of the pool
_RESTED = 0.3  # seconds; no server restarts in less
_LONGEST = 60.0  # seconds of a statement; a server that cannot be reached any more says nothing
_STILL = 10.0  # seconds that a transaction may stand still, at most
_OF_LEASE = 0.8  # it ends before its process counts as dead, for who takes over passes over what is locked
_OF_STILL = 0.5  # what a statement waits for a lock


class ServerAway(OSError):
    """The driver's own word for it comes through SQLAlchemy as it is when a connection is made."""


class PostgresqlConnections:
    """A pool, or its view in which every statement commits by itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)`` in one transaction."""
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(lambda sync: function(sync, *args))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ServerAway(str(getattr(error, "sqlstate", ""))) from error

    async def close(self) -> None:
        await self._engine.dispose()


def postgresql_connections(url: URL, lease: float) -> tuple[PostgresqlConnections, PostgresqlConnections]:
    """(writer, readers) of a PostgreSQL database, on one pool, for a process that counts as dead after ``lease``
    seconds without a sign."""
    still = min(_STILL, _OF_LEASE * lease)
    engine = create_async_engine(
        url,
        pool_size=10,
        max_overflow=0,
        pool_timeout=_QUEUE,
        hide_parameters=True,
        # A frozen process must not keep rows locked. One transaction of it may wait for what another has locked, and
        # would have it for as long again: so it gives up before the other is ended.
        connect_args={
            "server_settings": {
                "idle_in_transaction_session_timeout": f"{still * 1000:.0f}",
                "lock_timeout": f"{_OF_STILL * still * 1000:.0f}",
            },
            "timeout": _WAIT,
            "command_timeout": _LONGEST,
        },
    )
    _look_at_rested(engine)
    readers = engine.execution_options(isolation_level="AUTOCOMMIT")
    return PostgresqlConnections(engine), PostgresqlConnections(readers)


def _look_at_rested(engine: AsyncEngine) -> None:
    dialect, driver = engine.dialect, engine.dialect.dbapi
    trouble: type[Exception] = getattr(driver, "Error", OSError)

    @event.listens_for(engine.sync_engine, "checkin")
    def _rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def _look(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("rests_since", time.monotonic()) > _RESTED:
            try:
                dialect.do_ping(connection)
            except (trouble, OSError):
                raise InvalidatePoolError from None
