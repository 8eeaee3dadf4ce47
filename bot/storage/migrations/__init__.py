"""Alembic's history of the tables, run by the program itself at every start.

A database that is at ``HEAD`` already is recognised by one query, without loading Alembic: a warm start has no
time for that.
"""

from __future__ import annotations

import importlib

from sqlalchemy import Connection, inspect, text

from bot.errors import ConfigurationError, StoreDamaged, StoreError
from bot.storage.database import Db

HEAD = "0004"


async def upgrade(db: Db) -> bool:
    """Bring the tables up to date; True when there was something to do.

    Raises ``ConfigurationError`` or ``StoreDamaged``.
    """
    if await db.read(_revision) == HEAD:
        return False
    migrate = importlib.import_module("bot.storage.migrations.alembic_run").migrate
    try:
        await db.tx(migrate)
    except StoreDamaged:
        raise
    except StoreError as error:
        raise ConfigurationError(
            "DATABASE_URL", f"its tables could not be brought up to date ({error})", "Check the disk and the file."
        ) from error
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
