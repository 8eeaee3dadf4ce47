"""Events that were dealt with without a turn: commands carried out, questions refused or declined."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from bot.storage.inserts import insert_into
from bot.storage.schema import dealt, turns

_KEY: Any = bindparam("event")
_ASKED = select(turns.c.seq).where(turns.c.event_key == _KEY)
_RELEASE = delete(dealt).where(dealt.c.event_key == _KEY)


@cache
def _insert(dialect: str) -> Any:
    return insert_into(dialect, dealt).on_conflict_do_nothing(index_elements=[dealt.c.event_key])


def claim(connection: Connection, event_key: str, now: float) -> bool:
    """See ``Store.claim_event``."""
    if connection.execute(_ASKED, {"event": event_key}).first() is not None:
        return False
    done = connection.execute(
        _insert(connection.dialect.name).returning(dealt.c.event_key), {"event_key": event_key, "at": now}
    )
    return done.first() is not None


def release(connection: Connection, event_key: str) -> None:
    """See ``Store.release_event``."""
    connection.execute(_RELEASE, {"event": event_key})


def forget_before(connection: Connection, limit: float, most: int) -> int:
    """Remove ``most`` of those that are older than ``limit``; returns how many there were."""
    old = select(dealt.c.event_key).where(dealt.c.at < limit).limit(most)
    return connection.execute(delete(dealt).where(dealt.c.event_key.in_(old))).rowcount


def forget_place(connection: Connection, place: str) -> None:
    """Remove those whose key begins with ``place``."""
    connection.execute(delete(dealt).where(func.substr(dealt.c.event_key, 1, len(place)) == place))
