"""Moving an installation from its SQLite file to PostgreSQL.

Nobody may work on the file meanwhile, and it is only read. On the server everything happens in one transaction:
making the tables, filling them, and reading back what they hold; so whatever goes wrong, the server's database is as
it was, and the move can be begun again. A table has arrived when both sides have as many rows with the same digest,
taken of the values themselves and not of how a database writes them down.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import ConfigurationError, StoreError
from bot.storage.failures import closed, code_of
from bot.storage.files import existing_file, snapshot
from bot.storage.lock import FileLock
from bot.storage.migrations import HEAD
from bot.storage.migrations.alembic_run import migrate
from bot.storage.packed import Packed, Words, storable
from bot.storage.schema import PASSING, metadata

_TOGETHER = 1_000  # rows a statement
_WAIT = 10.0  # seconds until a server that does not answer is taken as not there
_TROUBLE = (SQLAlchemyError, SqliteError, OSError)

TABLES = [table for table in metadata.sorted_tables if table not in PASSING]


@dataclass(frozen=True, slots=True)
class Moved:
    """A table that has arrived. ``digest``: hexadecimal, the same for the same rows in any order."""

    table: str
    rows: int
    digest: str


async def move(source: str, target: str, tell: Callable[[Moved], None]) -> str:
    """Move what the SQLite file of the URL ``source`` holds to the empty PostgreSQL database ``target``.

    Returns the target's URL to show, without password. Raises ``ConfigurationError`` when one of them is not fit for
    that or in use, ``StoreError`` when it failed midway.
    """
    path = existing_file(source, "It is on a server already.")
    url = _server(target)
    engine = create_async_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args={"timeout": _WAIT})
    lock = FileLock(path)
    try:
        async with AsyncExitStack() as stack:
            old = stack.enter_context(_file(path))
            try:
                new = await stack.enter_async_context(engine.connect())
            except _TROUBLE as error:
                raise closed("--to", url, error) from error
            arrived = await new.run_sync(_fill, old)
            await new.commit()
    except _TROUBLE as error:
        raise _undone(error) from error
    finally:
        await engine.dispose()
        lock.release()
    for moved in arrived:
        tell(moved)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def _server(target: str) -> sa.URL:
    try:
        url = sa.make_url(target)
    except ArgumentError:
        url = sa.make_url("unknown://")
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise ConfigurationError(
            "--to", "it is not the address of a PostgreSQL database", "Write postgresql://user:password@host/name."
        )
    return url.set(drivername="postgresql+asyncpg")


@contextmanager
def _file(path: Path) -> Iterator[sa.Connection]:
    """The file as it is now, at the present version of the tables."""
    with snapshot(path) as driver:
        engine = sa.create_engine("sqlite://", creator=lambda: driver, poolclass=sa.StaticPool, hide_parameters=True)
        with engine.connect() as old:
            known = sa.inspect(old).has_table("alembic_version")
            if not known or old.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() != HEAD:
                raise ConfigurationError(
                    "DATABASE_URL", f"the tables in {path} are not those of this version", "Run `parley migrate` first."
                )
            yield old


def _fill(new: sa.Connection, old: sa.Connection) -> list[Moved]:
    """Make, fill and read back the tables."""
    _take(new)
    migrate(new)
    arrived = []
    for table in TABLES:
        sent = _Digest()
        for rows in _rows(old, table):
            sent.add(rows)
            new.execute(sa.insert(_plain(table)), [dict(zip(table.columns.keys(), row, strict=True)) for row in rows])
        received = _Digest()
        for rows in _rows(new, table):
            received.add(rows)
        if (sent.rows, sent.value) != (received.rows, received.value):
            raise StoreError("digest", user_text=_UNDONE.format(reason=f"the table {table.name} arrived changed"))
        _go_on_counting(new, table)
        arrived.append(Moved(table.name, received.rows, received.value))
    return arrived


def _take(new: sa.Connection) -> None:
    """Have the database for this transaction alone; it must be empty of ours."""
    present = set(sa.inspect(new).get_table_names())
    ours = [table for table in (*TABLES, *PASSING) if table.name in present]
    if ours:
        new.execute(sa.text(f"LOCK TABLE {', '.join(table.name for table in ours)} IN ACCESS EXCLUSIVE MODE NOWAIT"))
    if any(new.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() for table in ours):
        raise ConfigurationError(
            "--to",
            "a bot works or worked on that database: it is not empty",
            "Name a new database, made with CREATE DATABASE.",
        )


def _plain(table: sa.Table) -> sa.TableClause:
    """The table as the database sees it: texts as they are stored, not what they stand for."""
    columns = [
        sa.column(column.name, sa.Text() if isinstance(column.type, Words | Packed) else column.type)
        for column in table.columns
    ]
    return sa.table(table.name, *columns)


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[list[tuple[Any, ...]]]:
    """All rows, some at a time, in no order. What no database may hold in a text is left out, as at its writing."""
    found = connection.execute(sa.select(_plain(table)), execution_options={"yield_per": _TOGETHER})
    for some in found.partitions():
        yield [tuple(storable(value) if isinstance(value, str) else value for value in row) for row in some]


class _Digest:
    """Of a set of rows: their digests added up."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            written = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
            self._sum += int.from_bytes(hashlib.blake2b(written, digest_size=16).digest())
            self.rows += 1

    @property
    def value(self) -> str:
        return f"{self._sum % 2**128:032x}"


def _go_on_counting(new: sa.Connection, table: sa.Table) -> None:
    """The next row gets a number that no moved one has."""
    own = table.autoincrement_column
    if own is None:
        return
    last = new.execute(sa.select(sa.func.max(sa.column(own.name))).select_from(_plain(table))).scalar()
    if last is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, own.name)
        new.execute(sa.select(sa.func.setval(sequence, last)))


_UNDONE = (
    "The move failed and was undone ({reason}): the new database is as it was before, and the file was not touched. "
    "Mend the reason and run the same command again."
)


def _undone(error: Exception) -> Exception:
    code = code_of(error) or type(error).__name__
    if code == "55P03":
        return ConfigurationError("--to", "another program works on that database", "Stop it first.")
    return StoreError(code, user_text=_UNDONE.format(reason=code))
