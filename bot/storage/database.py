"""Opening the database and running transactions on it.

A transaction is a plain function over a synchronous SQLAlchemy connection, run whole: it reads as straight SQL
and cannot wait for anything else while it holds locks. A write that has begun is never cut off by the
cancellation of the task that asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import ConfigurationError, StoreError
from bot.storage.engines import postgresql_engines, sqlite_engines
from bot.storage.failures import DAMAGED, UNOPENABLE, code_of, translate
from bot.storage.lock import FileLock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_ADVISORY_LOCK = 0x5061_726C_6579  # "Parley"


class Undo(Exception):
    """Raised by a transaction's function to undo what it did; it reaches the caller of ``Db.tx`` as it is."""


class Db:
    """An open database. Use ``await Db.open(url)``; ``close`` waits for writes under way."""

    def __init__(self, writer: AsyncEngine, readers: AsyncEngine) -> None:
        self._writer = writer
        self._readers = readers
        self._file: FileLock | None = None
        self._session: AsyncConnection | None = None
        self._writing: set[asyncio.Task[object]] = set()

    @classmethod
    async def open(cls, url: str) -> Db:
        """Open ``sqlite:///path`` or ``postgresql://…`` for this process alone.

        Raises ``ConfigurationError`` when the database is in use by another process, unreadable, read-only or
        not there, and when the URL is none of the two.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise _wrong_url() from error
        match parsed.get_backend_name():
            case "sqlite" if parsed.database and parsed.database != ":memory:":
                return await cls._open_file(url, Path(parsed.database))
            case "postgresql" | "postgres":
                return await cls._open_server(url)
            case _:
                raise _wrong_url()

    @classmethod
    async def _open_file(cls, url: str, path: Path) -> Db:
        lock = FileLock(path)
        db = cls(*sqlite_engines(make_url(url).set(drivername="sqlite+aiosqlite")))
        db._file = lock
        try:
            await db.tx(_look)
        except StoreError as error:
            await db.close()
            raise _unusable(path, error) from error
        return db

    @classmethod
    async def _open_server(cls, url: str) -> Db:
        db = cls(*postgresql_engines(make_url(url).set(drivername="postgresql+asyncpg")))
        try:
            db._session = await db._readers.connect()
            held = await db._session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        except (SQLAlchemyError, OSError) as error:
            await db.close()
            raise ConfigurationError(
                "DATABASE_URL",
                f"the database server does not let us in ({code_of(error) or type(error).__name__})",
                "Check its address, user, password and database name.",
            ) from error
        if not held:
            await db.close()
            raise ConfigurationError(
                "DATABASE_URL", "another process works on this database", "Stop the other one first."
            )
        return db

    async def tx(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)`` in one write transaction. Raises ``StoreError``."""
        task = asyncio.ensure_future(self._write(function, *args))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def _write(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        try:
            async with self._writer.begin() as connection:
                return await connection.run_sync(lambda sync: function(sync, *args))
        except (SQLAlchemyError, OSError) as error:
            raise translate(error) from error

    async def read(self, function: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Run ``function(connection, *args)``, which only reads. Raises ``StoreError``."""
        try:
            async with self._readers.connect() as connection:
                return await connection.run_sync(lambda sync: function(sync, *args))
        except (SQLAlchemyError, OSError) as error:
            raise translate(error) from error

    async def close(self) -> None:
        """Idempotent."""
        if self._writing:
            await asyncio.wait(self._writing)
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._readers.dispose()
        await self._writer.dispose()
        if self._file is not None:
            self._file.release()
            self._file = None


def _look(connection: Connection) -> None:
    connection.execute(text("SELECT count(*) FROM sqlite_master"))


def _wrong_url() -> ConfigurationError:
    return ConfigurationError(
        "DATABASE_URL",
        "it is not a database address that I know",
        "Leave it empty for a file in the data folder, or use sqlite:///path/to/file.db or postgresql://user:password@host/name.",
    )


def _unusable(path: Path, error: StoreError) -> ConfigurationError:
    code = str(error)
    if code in DAMAGED:
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
