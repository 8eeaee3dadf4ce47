"""``bot.ports.Shelf`` in the database: rows that belong to one adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from bot.storage.database import Db
from bot.storage.inserts import upsert
from bot.storage.schema import shelf

_s = shelf.c
_HERE = (_s.platform == bindparam("platform"), _s.kind == bindparam("kind"))
_GET = select(_s.value).where(*_HERE, _s.id == bindparam("id"))
_LIST = (
    select(_s.id, _s.value)
    .where(*_HERE, _s.position > bindparam("after"))
    .order_by(_s.position, _s.id)
    .limit(bindparam("most"))
)


@cache
def _put(dialect: str) -> Any:
    return upsert(dialect, shelf, ["value", "position"])


def put(connection: Connection, platform: str, kind: str, id: str, value: Mapping[str, Any], position: int) -> None:
    connection.execute(
        _put(connection.dialect.name),
        {"platform": platform, "kind": kind, "id": id, "value": dict(value), "position": position},
    )


def get(connection: Connection, platform: str, kind: str, id: str) -> Mapping[str, Any] | None:
    value: Mapping[str, Any] | None = connection.execute(_GET, {"platform": platform, "kind": kind, "id": id}).scalar()
    return value


def remove(connection: Connection, platform: str, kind: str, id: str) -> None:
    connection.execute(delete(shelf).where(_s.platform == platform, _s.kind == kind, _s.id == id))


def rows(
    connection: Connection, platform: str, kind: str, after: int, limit: int
) -> list[tuple[str, Mapping[str, Any]]]:
    found = connection.execute(_LIST, {"platform": platform, "kind": kind, "after": after, "most": limit})
    return [(row.id, row.value) for row in found]


class SqlShelf:
    """The shelf of one platform."""

    def __init__(self, db: Db, platform: str) -> None:
        self._db = db
        self._platform = platform

    async def put(self, kind: str, id: str, value: Mapping[str, Any], position: int = 0) -> None:
        await self._db.tx(put, self._platform, kind, id, value, position)

    async def get(self, kind: str, id: str) -> Mapping[str, Any] | None:
        return await self._db.read(get, self._platform, kind, id)

    async def remove(self, kind: str, id: str) -> None:
        await self._db.tx(remove, self._platform, kind, id)

    async def list(self, kind: str, after: int = -1, limit: int = 1_000) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return await self._db.read(rows, self._platform, kind, after, limit)
