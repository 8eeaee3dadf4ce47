"""Opening the database and running transactions on it.

A transaction is a plain function over a synchronous SQLAlchemy connection, run whole: it reads as straight SQL
and cannot wait for anything else while it holds locks. A write that has begun is never cut off by the
cancellation of the task that asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Protocol, TypeVar, TypeVarTuple

import structlog
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.errors import ConfigurationError, StoreBusy, StoreDamaged, StoreError
from bot.ports import Signal
from bot.storage.failures import UNOPENABLE, closed, translate
from bot.storage.lock import FileLock
from bot.storage.signals import say
from bot.storage.sqlite import sqlite_connections

log = structlog.get_logger("database")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LAST_WAIT = 5.0  # seconds that a process which ends waits for a server that says nothing
LEASE = 15.0  # seconds; for those that play no turns
_TROUBLE = (SQLAlchemyError, SqliteError, OSError)


class Connections(Protocol):
    """Connections to one database; ``run`` takes one for a whole transaction."""

    async def run(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T: ...

    async def close(self) -> None: ...


class Ear(Protocol):
    """Hears what other processes on the database signal."""

    async def run(self, hear: Callable[[Signal], None]) -> None: ...


class Undo(Exception):
    """Raised by a transaction's function to undo what it did; it reaches the caller of ``Db.tx`` as it is."""


class Db:
    """An open database. Use ``await Db.open(url)``; ``close`` waits for writes under way.

    ``shared``: other processes may have it open too. ``is_damaged``: something that was wrong with its content has
    been met since it was opened; that other parts can still be read and written does not make it well.
    """

    def __init__(self, writer: Connections, readers: Connections, file: FileLock | None = None) -> None:
        self._writer = writer
        self._readers = readers
        self._file = file
        self._ear: Ear | None = None
        self._writing: set[asyncio.Task[object]] = set()
        self._patience: float | None = None
        self.is_damaged = False

    @classmethod
    async def open(cls, url: str, lease: float = LEASE) -> Db:
        """Open ``sqlite:///path``, for this process alone, or ``postgresql://…``, where others take over after
        ``lease`` seconds.

        Raises ``ConfigurationError`` when the file is in use by another process, when the database is unreadable,
        read-only or not there, and when the URL is none of the two.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise _wrong_url() from error
        match parsed.get_backend_name():
            case "sqlite" if parsed.database and parsed.database != ":memory:":
                return await cls._open_file(parsed, Path(parsed.database))
            case "postgresql" | "postgres":
                return await cls._open_server(parsed, lease)
            case _:
                raise _wrong_url()

    @classmethod
    async def _open_file(cls, url: URL, path: Path) -> Db:
        lock = FileLock(path)
        writer, readers = sqlite_connections(url.set(drivername="sqlite"))
        db = cls(writer, readers, lock)
        try:
            await writer.open()
            await readers.open()
            await db.tx(_look)
        except (StoreError, *_TROUBLE) as error:
            await db.close()
            raise _unusable(path, error if isinstance(error, StoreError) else translate(error)) from error
        return db

    @classmethod
    async def _open_server(cls, url: URL, lease: float) -> Db:
        from bot.storage.listener import Listener
        from bot.storage.postgresql import postgresql_connections

        writer, readers = postgresql_connections(url.set(drivername="postgresql+asyncpg"), lease)
        db = cls(writer, readers)
        db._ear = Listener(url, lambda payload: db.tx(say, payload))
        try:
            await readers.run(lambda connection: connection.execute(text("SELECT 1")).scalar())
        except _TROUBLE as error:
            await db.close()
            raise closed("DATABASE_URL", url, error) from error
        return db

    @property
    def shared(self) -> bool:
        return self._ear is not None

    async def listen(self, hear: Callable[[Signal], None]) -> None:
        """Pass on what other processes signal, until cancelled; returns at once where there can be none."""
        if self._ear is not None:
            await self._ear.run(hear)

    async def tx(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)`` in one write transaction. Raises ``StoreError``."""
        task = asyncio.ensure_future(self._write(function, *args))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await self._in_time(asyncio.shield(task))

    async def _write(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        try:
            return await self._writer.run(function, *args)
        except _TROUBLE as error:
            raise self._translated(error) from error

    async def read(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)``, which only reads. Raises ``StoreError``."""
        return await self._in_time(self._read(function, *args))

    async def _read(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        try:
            return await self._readers.run(function, *args)
        except _TROUBLE as error:
            raise self._translated(error) from error

    def _translated(self, error: BaseException) -> StoreError:
        found = translate(error)
        if isinstance(found, StoreDamaged) and not self.is_damaged:
            self.is_damaged = True
            log.critical("the database is damaged: stop the bot and restore the last backup", why=str(found))
        return found

    def end_soon(self) -> None:
        """From now on a server that says nothing is waited for a short while, once and not for each thing asked of it.

        A file answers, or its disk is broken: it is waited for.
        """
        if self.shared and self._patience is None:
            self._patience = _LAST_WAIT

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await work
        except TimeoutError:  # ours: those of the driver have been translated
            self._patience = 0.0
            raise StoreBusy("no answer at the end") from None

    async def close(self) -> None:
        """Idempotent."""
        self.end_soon()
        with contextlib.suppress(StoreBusy):
            await self._in_time(self._close())
        if self._file is not None:
            self._file.release()
            self._file = None

    async def _close(self) -> None:
        if self._writing:
            await asyncio.wait(self._writing)
        await self._readers.close()
        await self._writer.close()


def _look(connection: Connection) -> None:
    """Read and write once: a file that may only be read is opened without a word, and refuses its first write."""
    connection.execute(text("SELECT count(*) FROM sqlite_master"))
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    connection.exec_driver_sql(f"PRAGMA user_version = {version}")


def _wrong_url() -> ConfigurationError:
    return ConfigurationError(
        "DATABASE_URL",
        "it is not a database address that I know",
        "Leave it empty for a file in the data folder, or use sqlite:///path/to/file.db or postgresql://user:password@host/name.",
    )


def _unusable(path: Path, error: StoreError) -> ConfigurationError:
    code = str(error)
    if isinstance(error, StoreDamaged):
        return ConfigurationError(
            "DATABASE_URL",
            f"{path} is damaged or not a database",
            "Restore a backup, or move the file away to begin anew.",
        )
    if code in UNOPENABLE:
        return ConfigurationError(
            "DATABASE_URL", f"{path} cannot be written", "Correct the permissions of the file and its folder."
        )
    return ConfigurationError("DATABASE_URL", f"{path} cannot be used ({code})", "Check the disk and the file.")
