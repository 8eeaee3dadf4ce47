"""Wishes that a running turn end, left where its process finds them, whichever it is."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, or_, select, update

from bot.ports import SignalKind, TurnKind, TurnState
from bot.storage.schema import IS_RUNNING, conversations, messages, turns
from bot.storage.signals import notify

_c, _t = conversations.c, turns.c
_asked, _question = turns.alias("asked"), messages.alias("question")

QUESTION_STANDS = (
    select(_asked.c.seq)
    .join(_question, (_question.c.conversation_id == _asked.c.conversation_id) & (_question.c.seq == _asked.c.seq))
    .where(
        _asked.c.conversation_id == _t.conversation_id,
        _asked.c.reply_seq == _t.reply_seq,
        _asked.c.kind == TurnKind.ANSWER,
        _question.c.deleted.is_(False),
    )
    .correlate(turns)
    .exists()
)
_RUNS = (
    select(_t.seq, _t.reply_seq, _c.owner)
    .join(conversations, _c.id == _t.conversation_id)
    .where(_t.conversation_id == bindparam("conversation"), IS_RUNNING)
)
_STOP_REPLY = (
    update(turns)
    .where(
        _t.conversation_id == bindparam("conversation"),
        or_(_t.seq == bindparam("place"), _t.reply_seq == bindparam("place")),
        _t.state != TurnState.SETTLED,
    )
    .values(stop=True)
)
_STOP_RUN = (
    update(turns)
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("place"), IS_RUNNING)
    .values(stop=True)
)


def is_busy(connection: Connection, conversation: int) -> bool:
    """See ``Store.is_busy``."""
    return connection.execute(_RUNS, {"conversation": conversation}).first() is not None


def ask_stop(connection: Connection, me: str, conversation: int, seq: int) -> None:
    """See ``Store.ask_stop``. Signalled only where the turn runs in another process."""
    connection.execute(_STOP_REPLY, {"conversation": conversation, "place": seq})
    run = connection.execute(_RUNS, {"conversation": conversation}).first()
    if run is not None and run.owner != me and seq in (run.seq, run.reply_seq):
        notify(connection, SignalKind.STOP, conversation, run.seq)


def ask_halt(connection: Connection, conversation: int, why: SignalKind, reply: int, before: int) -> bool:
    """See ``Store.ask_halt``. That a question is gone is told by its own row."""
    run = connection.execute(_RUNS, {"conversation": conversation}).first()
    if run is None or (reply and run.reply_seq != reply) or (before and run.seq >= before):
        return False
    if why is not SignalKind.DELETED:
        still = connection.execute(_STOP_RUN, {"conversation": conversation, "place": run.seq})
        if still.rowcount == 0:
            return False
    notify(connection, why, conversation, run.seq)
    return True
