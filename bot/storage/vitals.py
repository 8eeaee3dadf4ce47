"""What health and metrics ask of the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from bot.errors import StoreDamaged
from bot.storage.schema import IS_UNSETTLED, conversations, messages, replicas, turns

_COUNTS = select(
    select(func.count()).select_from(turns).scalar_subquery().label("accepted"),
    select(func.count()).select_from(turns).where(IS_UNSETTLED).scalar_subquery().label("unsettled"),
    select(func.count()).select_from(messages).scalar_subquery().label("messages"),
    select(func.count()).select_from(conversations).scalar_subquery().label("conversations"),
)


def counts(connection: Connection) -> dict[str, int]:
    """See ``Store.counts``."""
    return dict(connection.execute(_COUNTS).one()._mapping)


def look_through(connection: Connection) -> None:
    """Raise ``StoreDamaged`` when a SQLite file does not hold together. PostgreSQL has no such look."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise StoreDamaged("quick_check")


def check(connection: Connection, owner: str) -> None:
    """See ``Store.check``. The row is written to the log on disk, then gone before anyone sees it."""
    row = f"{owner} checks"
    connection.execute(insert(replicas), {"id": row, "until": 0.0})
    connection.execute(select(replicas.c.until).where(replicas.c.id == row)).one()
    connection.execute(delete(replicas).where(replicas.c.id == row))
