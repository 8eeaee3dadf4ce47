"""PostgreSQL: one pool for writing and reading. Loaded only when the database is one, for it costs the start time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_WAIT = 5.0  # seconds until a server that does not answer is taken as not there
_QUEUE = 30.0  # seconds that a transaction waits for a connection of the pool
_ADVISORY_LOCK = 0x5061_726C_6579  # "Parley"


class PostgresqlConnections:
    """A pool, or its view in which every statement commits by itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._session: AsyncConnection | None = None

    async def lock(self) -> bool:
        """Hold the database for this process, until ``close``; False when another process does."""
        self._session = await self._engine.connect()
        return bool(await self._session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}))

    async def run(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)`` in one transaction."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(lambda sync: function(sync, *args))

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._engine.dispose()


def postgresql_connections(url: URL) -> tuple[PostgresqlConnections, PostgresqlConnections]:
    """(writer, readers) of a PostgreSQL database, on one pool."""
    engine = create_async_engine(
        url,
        pool_size=10,
        max_overflow=0,
        pool_timeout=_QUEUE,
        pool_pre_ping=False,
        hide_parameters=True,
        # A frozen process must not keep rows locked.
        connect_args={"server_settings": {"idle_in_transaction_session_timeout": "10000"}, "timeout": _WAIT},
    )
    readers = engine.execution_options(isolation_level="AUTOCOMMIT")
    return PostgresqlConnections(engine), PostgresqlConnections(readers)
