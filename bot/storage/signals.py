"""Signals between processes: PostgreSQL's NOTIFY, sent with the transaction that they tell of.

A notifying commit takes a lock of the whole server, so none is sent where a turn is accepted or settled. A signal
may be lost; what it says is in a row too.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from bot.ports import Signal, SignalKind

CHANNEL = "parley"


def notify(connection: Connection, kind: SignalKind, conversation: int = 0, seq: int = 0) -> None:
    """Tell every process when this transaction commits; nobody where there is only this one."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, f"{kind}:{conversation}:{seq}")))


def say(connection: Connection, payload: str) -> None:
    """Send words that are no signal."""
    connection.execute(select(func.pg_notify(CHANNEL, payload)))


def read_signal(payload: str) -> Signal | None:
    """What was told; ``None`` for words of a newer version."""
    kind, _, place = payload.partition(":")
    conversation, _, seq = place.partition(":")
    try:
        return Signal(SignalKind(kind), int(conversation), int(seq))
    except ValueError:
        return None
