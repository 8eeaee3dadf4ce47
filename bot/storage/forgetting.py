"""Removing what is kept of a workspace, some conversations a transaction: nobody waits long behind it."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, or_, select

from bot.ports import SignalKind
from bot.storage import dealt
from bot.storage.schema import conversations, feedback, settings, turns
from bot.storage.signals import notify

_TOGETHER = 50  # conversations a transaction


def forget_some(connection: Connection, platform: str, workspace: str) -> int:
    """Remove some conversations with all that hangs on them; returns how many, 0 when none was left."""
    c = conversations.c
    chosen = select(c.id).where(c.platform == platform, c.workspace == workspace).limit(_TOGETHER)
    ids = list(connection.execute(chosen).scalars())
    marks = select(turns.c.mark).where(turns.c.conversation_id.in_(ids))
    connection.execute(delete(feedback).where(feedback.c.mark.in_(marks)))
    connection.execute(delete(conversations).where(c.id.in_(ids)))
    return len(ids)


def forget_rest(connection: Connection, platform: str, workspace: str) -> None:
    """Remove what was set for the workspace and everything in it, and which events were dealt with there."""
    place = f"{platform}:{workspace}"
    inside = func.substr(settings.c.scope, 1, len(place) + 1) == f"{place}:"
    connection.execute(delete(settings).where(or_(settings.c.scope == place, inside)))
    dealt.forget_place(connection, f"{place}:")
    notify(connection, SignalKind.FORGOTTEN)
