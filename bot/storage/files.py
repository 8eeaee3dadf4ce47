"""A SQLite database seen as a file, beside the bot that may have it open: for moving, copying and shrinking it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url

from bot.errors import ConfigurationError


def file_of(url: str) -> Path | None:
    """The file of a ``sqlite…:///path``; ``None`` for a database on a server."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def existing_file(url: str, otherwise: str) -> Path:
    """The SQLite file of ``url``. Raises ``ConfigurationError``: not there, or a server's, and then ``otherwise``
    says what to do instead."""
    path = file_of(url)
    if path is None:
        raise ConfigurationError("DATABASE_URL", "the database is not a SQLite file", otherwise)
    if not path.is_file():
        raise ConfigurationError(
            "DATABASE_URL", f"there is no file {path}", "Correct it, or DATA_DIR; `parley migrate` makes a new one."
        )
    return path


@contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write and sees the file as it is now, whatever the bot writes meanwhile; in the
    write-ahead log's mode neither waits for the other. Raises ``sqlite3.Error``."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=30.0)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection
