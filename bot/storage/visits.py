"""Transactions as visits to a SQLite connection's thread: reads one each, writes together as they come.

A transaction visits the thread once, and not once for every cursor, statement, fetch and close: with SQLAlchemy's
asynchronous dialect those hops, not SQL and not the disk, were most of what a turn cost.

Writes that wait for the writer at the same time share one commit, and so one wait for the disk; each is undone alone
when it fails. Nobody hears of success before that commit. When the commit itself fails, or SQLite gives the whole
transaction up (a full disk), every one of them has failed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, cast

import aiosqlite
from sqlalchemy import Connection, Engine

from bot.errors import StoreBusy

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_QUEUE = 30.0  # seconds that a transaction waits for a connection
_TOGETHER = 50  # writes that share a commit at most, so that the first of them does not wait long for the last
_ROWS = 64  # aiosqlite asks for a page size of its own iterator, which is not used here


class Visited(aiosqlite.Connection):
    """A connection on its thread, and SQLAlchemy's view of it, which is only ever used there."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(self._connect_there, _ROWS)
        self._thread.daemon = True  # a process that dies without closing must not hang on it
        self._engine = engine
        self._view: Connection | None = None

    def _connect_there(self) -> sqlite3.Connection:
        self._view = self._engine.connect()
        return cast(sqlite3.Connection, self._view.connection.driver_connection)

    def ask(self, work: Callable[[Connection], object]) -> None:
        """Have ``work`` done there, after what was asked for before."""
        self._tx.put_nowait((None, partial(work, self._there())))

    async def visit(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function`` there, whole; it is run to its end even when the caller goes away."""
        view = self._there()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def work() -> T:
            with view.begin():
                return function(view, *args)

        self._tx.put_nowait((done, work))
        return await done

    def _there(self) -> Connection:
        if not self._running or self._view is None:
            raise sqlite3.ProgrammingError("the database was closed")
        return self._view

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


class Readers:
    """Reading connections, used in the order in which they were asked for."""

    def __init__(self, connections: list[Visited]) -> None:
        self._all = connections
        self._free = list(connections)
        self._places = asyncio.Semaphore(len(connections))

    async def open(self) -> None:
        """Raises ``sqlite3.Error``."""
        await open_all(self._all)

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


async def open_all(connections: list[Visited]) -> None:
    """Raises ``sqlite3.Error``."""
    for connection in connections:
        try:
            await connection
        except BaseException:
            await connection.ended()
            raise


@dataclass(slots=True, eq=False)
class _Wish:
    """A transaction that waits for the writer. ``result`` or ``error`` is set on the thread, ``done`` in the loop."""

    function: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if not self.done.done():
            if self.error is not None:
                self.done.set_exception(self.error)
            else:
                self.done.set_result(self.result)


class Writer:
    """The one writing connection. Writes are done in the order in which they were asked for."""

    def __init__(self, connection: Visited) -> None:
        self._connection = connection
        self._wishes: deque[_Wish] = deque()

    async def open(self) -> None:
        """Raises ``sqlite3.Error``."""
        await open_all([self._connection])

    async def run(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)`` in one transaction; it is durable when this returns."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        wish = _Wish(lambda connection: function(connection, *args), done)
        self._wishes.append(wish)
        giving_up = loop.call_later(_QUEUE, self._give_up, wish)
        try:
            self._connection.ask(partial(self._work, loop))
        except sqlite3.Error:
            self._wishes.remove(wish)
            giving_up.cancel()
            raise
        try:
            return await done
        finally:
            giving_up.cancel()

    async def close(self) -> None:
        """What was asked for before is done first."""
        await self._connection.close()

    def _give_up(self, wish: _Wish) -> None:
        try:
            self._wishes.remove(wish)
        except ValueError:  # it is being done
            return
        wish.error = StoreBusy("no connection was free in time")
        wish.settle()

    # --- on the thread

    def _work(self, loop: asyncio.AbstractEventLoop, view: Connection) -> None:
        """Do what waits. Each wish calls once; who comes first does all, the others find nothing left."""
        wishes: list[_Wish] = []
        while self._wishes and len(wishes) < _TOGETHER:
            try:
                wishes.append(self._wishes.popleft())
            except IndexError:  # given up in this moment
                break
        if not wishes:
            return
        try:
            with view.begin():
                if len(wishes) == 1:
                    wishes[0].result = wishes[0].function(view)
                else:
                    _do_each(view, wishes)
        except BaseException as error:
            for wish in wishes:
                wish.error = error
        loop.call_soon_threadsafe(_settle_all, wishes)


def _do_each(view: Connection, wishes: list[_Wish]) -> None:
    """Each wish inside a savepoint of its own. Raises what ended the whole transaction."""
    driver = cast(sqlite3.Connection, view.connection.driver_connection)
    for wish in wishes:
        driver.execute("SAVEPOINT wish")
        try:
            wish.result = wish.function(view)
        except BaseException as error:
            if not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO wish")
            wish.error = error
        driver.execute("RELEASE wish")


def _settle_all(wishes: list[_Wish]) -> None:
    for wish in wishes:
        wish.settle()
