"""A reply as its controls and "why" see it: the question's turn, the newest run, the version shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bot.events import Address
from bot.ports import Outcome, TurnKind, TurnState, TurnView
from bot.storage.addresses import address_of
from bot.storage.schema import conversations, messages, turns

_c, _m, _t = conversations.c, messages.c, turns.c

_NEWEST = (
    select(_t.reply_seq)
    .join(messages, (_m.conversation_id == _t.conversation_id) & (_m.seq == _t.seq))
    .where(_t.conversation_id == bindparam("conversation"), _t.kind == TurnKind.ANSWER, _m.deleted.is_(False))
    .order_by(_t.seq.desc())
    .limit(1)
)
_REPLY = (
    select(
        _t.seq,
        _t.author,
        _t.direct,
        _t.message_id,
        _t.mark,
        _t.parts,
        _m.text,
        _m.version,
        _m.versions,
        _c.platform,
        _c.workspace,
        _c.channel,
        _c.thread,
    )
    .join(conversations, _c.id == _t.conversation_id)
    .outerjoin(
        messages,
        (_m.conversation_id == _t.conversation_id) & (_m.seq == _t.seq + 1) & _m.deleted.is_(False),
    )
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("place"))
)
_RUNS = (
    select(_t.state, _t.outcome, _t.version, _t.receipt)
    .where(_t.conversation_id == bindparam("conversation"), _t.reply_seq == bindparam("place"))
    .order_by(_t.seq.desc())
    .limit(50)
)
_MARKED = select(_t.conversation_id, _t.reply_seq).where(_t.mark == bindparam("mark"))
_AT = select(_c.id).where(_c.key == bindparam("key"))


def newest_reply(connection: Connection, conversation: int) -> int | None:
    """The place of the turn that carries the reply to the newest question that still stands."""
    return connection.execute(_NEWEST, {"conversation": conversation}).scalar()


def view(connection: Connection, conversation: int, seq: int) -> TurnView:
    """The reply of turn ``seq``. State and outcome are those of its newest run, text is that of the version shown."""
    where = {"conversation": conversation, "place": seq}
    reply = connection.execute(_REPLY, where).one()
    runs = connection.execute(_RUNS, where).all()
    version = reply.version or 1
    return TurnView(
        conversation=conversation,
        seq=seq,
        answer_seq=seq + 1,
        address=address_of(reply),
        author=reply.author,
        direct=reply.direct,
        message_id=reply.message_id,
        mark=reply.mark,
        state=TurnState(runs[0].state),
        outcome=Outcome(runs[0].outcome) if runs[0].outcome else None,
        parts=reply.parts,
        newest=newest_reply(connection, conversation) == seq,
        version=version,
        versions=reply.versions or 1,
        text=reply.text or "",
        ended=next((Outcome(run.outcome) for run in runs if run.version == version and run.outcome), None),
        receipt=_receipt(runs, version),
    )


def _receipt(runs: Sequence[Any], version: int) -> Mapping[str, Any]:
    """That of the run which made the version shown, else the newest there is."""
    for run in runs:
        if run.version == version and run.receipt:
            return dict(run.receipt)
    return next((dict(run.receipt) for run in runs if run.receipt), {})


def turn(connection: Connection, mark: str) -> TurnView | None:
    """See ``Store.turn``."""
    found = connection.execute(_MARKED, {"mark": mark}).first()
    return None if found is None else view(connection, found.conversation_id, found.reply_seq)


def newest_turn(connection: Connection, address: Address) -> TurnView | None:
    """See ``Store.newest_turn``."""
    conversation = connection.execute(_AT, {"key": address.key}).scalar()
    seq = None if conversation is None else newest_reply(connection, conversation)
    return None if conversation is None or seq is None else view(connection, conversation, seq)
