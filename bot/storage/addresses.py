"""Conversations and their addresses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from bot.events import Address
from bot.ports import Conversation
from bot.storage.schema import conversations

_c = conversations.c


def address_of(row: Any) -> Address:
    """The address in a row that holds the conversation's four address columns."""
    return Address(row.platform, row.workspace, row.channel, row.thread)


_BY_KEY = select(_c.id, _c.tail_turn, _c.trimmed_before, _c.cleared_before).where(_c.key == bindparam("key"))


def conversation(connection: Connection, address: Address) -> Conversation | None:
    """See ``Store.conversation``. Only an accepted question makes one, so the bot takes part in each."""
    row = connection.execute(_BY_KEY, {"key": address.key}).first()
    if row is None:
        return None
    return Conversation(row.id, address, row.tail_turn > 0, row.trimmed_before, row.cleared_before)


def clear(connection: Connection, address: Address) -> bool:
    """See ``Store.clear``."""
    done = connection.execute(update(conversations).where(_c.key == address.key).values(cleared_before=_c.tail_seq + 1))
    return done.rowcount > 0
