"""SQLite: one writer and two readers, each on a thread of its own, and a transaction is one visit to that thread.

SQLite's rules were measured. A pool of writers fails (a read snapshot cannot be upgraded) or is unfair (its busy
wait has no queue); one writer connection whose waiters queue in order does neither. ``synchronous=FULL`` because
an acknowledged event must survive a power cut; ``secure_delete`` because what people take back must be gone.

A transaction visits the thread once, and not once for every cursor, statement, fetch and close: with SQLAlchemy's
asynchronous dialect those hops, not SQL and not the disk, were most of what a turn cost.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar, TypeVarTuple, cast

import aiosqlite
from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event

from bot.errors import StoreBusy

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_WAIT = 5.0  # seconds that SQLite waits for a lock held from outside (a backup, a shell)
_QUEUE = 30.0  # seconds that a transaction waits for a connection
_READERS = 2
_ROWS = 64  # aiosqlite asks for a page size of its own iterator, which is not used here


class _Visited(aiosqlite.Connection):
    """A connection on its thread, and SQLAlchemy's view of it, which is only ever used there."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(self._connect_there, _ROWS)
        self._thread.daemon = True  # a process that dies without closing must not hang on it
        self._engine = engine
        self._view: Connection | None = None

    def _connect_there(self) -> sqlite3.Connection:
        self._view = self._engine.connect()
        return cast(sqlite3.Connection, self._view.connection.driver_connection)

    async def visit(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function`` there, whole; it is run to its end even when the caller goes away."""
        view = self._view
        if not self._running or view is None:
            raise sqlite3.ProgrammingError("the database was closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def work() -> T:
            with view.begin():
                return function(view, *args)

        self._tx.put_nowait((done, work))
        return await done

    async def close(self) -> None:
        """SQLAlchemy's view goes first: one that outlives its connection complains of it when it is collected."""
        view, self._view = self._view, None
        if view is not None and self._running:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._tx.put_nowait((done, view.close))
            await done
        await super().close()

    async def ended(self) -> None:
        """A connection that could not be opened tells its thread to stop and does not wait; one that is still at it
        when the event loop is gone writes a traceback beside the sentence that explains."""
        await asyncio.to_thread(self._thread.join)


class SqliteConnections:
    """Connections that are used in the order in which they were asked for."""

    def __init__(self, connections: list[_Visited]) -> None:
        self._all = connections
        self._free = list(connections)
        self._places = asyncio.Semaphore(len(connections))

    async def open(self) -> None:
        """Raises ``sqlite3.Error``."""
        for connection in self._all:
            try:
                await connection
            except BaseException:
                await connection.ended()
                raise

    async def run(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)`` in one transaction."""
        if self._places.locked():
            await self._wait_for_place()
        else:
            await self._places.acquire()
        connection = self._free.pop()
        try:
            return await connection.visit(function, *args)
        finally:
            self._free.append(connection)
            self._places.release()

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(_QUEUE):
                await self._places.acquire()
        except TimeoutError:
            raise StoreBusy("no connection was free in time") from None

    async def close(self) -> None:
        """What was asked for before is done first."""
        for connection in self._all:
            await connection.close()


def sqlite_connections(url: URL) -> tuple[SqliteConnections, SqliteConnections]:
    """(writer, readers) of a SQLite file, not open yet."""
    return SqliteConnections([_writer(url)]), SqliteConnections([_reader(url) for _ in range(_READERS)])


def _writer(url: URL) -> _Visited:
    engine = _engine(url, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return _Visited(engine)


def _reader(url: URL) -> _Visited:
    return _Visited(_engine(url, "query_only=ON", isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True))


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
