"""The only package that opens the database. This is its front door."""

from __future__ import annotations

from pathlib import Path

from bot.storage.database import LEASE, Db
from bot.storage.migrations import upgrade
from bot.storage.seat import Seat
from bot.storage.shelf import SqlShelf
from bot.storage.store import SqlStore

__all__ = ["Db", "SqlShelf", "SqlStore", "open_store"]


async def open_store(url: str, data_dir: Path, lease: float = LEASE) -> tuple[SqlStore, Db]:
    """Open the database at ``url`` (empty: a SQLite file in ``data_dir``) and bring its tables up to date.

    ``lease``: seconds after which others take over from this process, where there may be some.

    Raises ``ConfigurationError`` or ``StoreDamaged`` when that cannot be done.
    """
    db = await Db.open(url or f"sqlite:///{data_dir / 'parley.db'}", lease)
    try:
        await upgrade(db)
    except BaseException:
        await db.close()
        raise
    return SqlStore(db, Seat(data_dir) if db.shared else None), db
