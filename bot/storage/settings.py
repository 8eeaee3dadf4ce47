"""Settings as rows: one for each key that somebody set at some place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from bot.ports import Level, Scope, SettingRow, SignalKind
from bot.storage.inserts import upsert
from bot.storage.schema import settings
from bot.storage.signals import notify

_s = settings.c

_SELECT = select(_s.level, _s.scope, _s.key, _s.value, _s.set_by, _s.set_at).where(
    _s.scope.in_(bindparam("places", expanding=True))
)


@cache
def _upsert(dialect: str) -> Any:
    return upsert(dialect, settings, ["value", "set_by", "set_at"])


def read(connection: Connection, scopes: Sequence[Scope]) -> list[SettingRow]:
    """See ``Store.settings``."""
    wanted = set(scopes)
    rows = connection.execute(_SELECT, {"places": sorted({scope.id for scope in scopes})}).all()
    found = [SettingRow(Scope(Level(r.level), r.scope), r.key, r.value, r.set_by, r.set_at) for r in rows]
    return [row for row in found if row.scope in wanted]


def write(connection: Connection, scope: Scope, values: Mapping[str, Any], set_by: str, now: float) -> None:
    """See ``Store.set_settings``."""
    place = {"level": scope.level, "scope": scope.id}
    cleared = [key for key, value in values.items() if value is None]
    kept = [
        {**place, "key": key, "value": value, "set_by": set_by, "set_at": now}
        for key, value in values.items()
        if value is not None
    ]
    if cleared:
        connection.execute(delete(settings).where(_s.level == scope.level, _s.scope == scope.id, _s.key.in_(cleared)))
    if kept:
        connection.execute(_upsert(connection.dialect.name), kept)
    notify(connection, SignalKind.SETTINGS)


def reset(connection: Connection, scope: Scope) -> int:
    """See ``Store.reset_settings``."""
    notify(connection, SignalKind.SETTINGS)
    return connection.execute(delete(settings).where(_s.level == scope.level, _s.scope == scope.id)).rowcount
