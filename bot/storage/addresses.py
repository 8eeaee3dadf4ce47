"""Conversations and their addresses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, select, update

from bot.events import Address
from bot.ports import Conversation
from bot.storage.schema import FIRST_SEQ, conversations, messages

_c, _m = conversations.c, messages.c
_IN_SIGHT = 2_000  # messages


def address_of(row: Any) -> Address:
    """The address in a row that holds the conversation's four address columns."""
    return Address(row.platform, row.workspace, row.channel, row.thread)


_FIRST_SAID = select(_m.created_at).where(_m.conversation_id == _c.id, _m.seq == FIRST_SEQ).scalar_subquery()
_BY_KEY = select(
    _c.id, _c.tail_turn, _c.trimmed_before, _c.cleared_before, func.coalesce(_FIRST_SAID, _c.created_at).label("began")
).where(_c.key == bindparam("key"))
_newest = select(_m.id, _m.conversation_id, _m.created_at).order_by(_m.id.desc()).limit(_IN_SIGHT).subquery()
_LIVELY = (
    select(_c.platform, _c.workspace, _c.channel, _c.thread)
    .join(_newest, _newest.c.conversation_id == _c.id)
    .where(_c.platform == bindparam("platform"), _newest.c.created_at > bindparam("since"))
    .group_by(_c.id)
    .order_by(func.max(_newest.c.id).desc())
    .limit(bindparam("most", type_=Integer))
)


def conversation(connection: Connection, address: Address) -> Conversation | None:
    """See ``Store.conversation``. Only an accepted question makes one, so the bot takes part in each."""
    row = connection.execute(_BY_KEY, {"key": address.key}).first()
    if row is None:
        return None
    return Conversation(row.id, address, row.tail_turn > 0, row.trimmed_before, row.cleared_before, row.began)


def lively(connection: Connection, platform: str, since: float, limit: int) -> list[Address]:
    """See ``Store.lively``. The newest messages are looked at, for nothing else says when a conversation was lively."""
    found = connection.execute(_LIVELY, {"platform": platform, "since": since, "most": limit})
    return [address_of(row) for row in found]


def clear(connection: Connection, address: Address) -> bool:
    """See ``Store.clear``."""
    done = connection.execute(update(conversations).where(_c.key == address.key).values(cleared_before=_c.tail_seq + 1))
    return done.rowcount > 0
