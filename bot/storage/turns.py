"""Accepting events and keeping what becomes of their turns.

``accept`` is the hot path: three statements in one transaction, no read. The conversation's row is always the
first one touched, which orders all writers of a conversation on every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, case, exists, func, select, update

from bot.errors import Superseded
from bot.ports import Accepted, Claim, NewTurn, Outcome, TurnKind, TurnState, TurnView
from bot.storage.claims import mark_of, read_claim
from bot.storage.database import Undo
from bot.storage.inserts import Insert, insert_into
from bot.storage.schema import FIRST_SEQ, conversations, dealt, messages, turns

_c, _t = conversations.c, turns.c


def _seat(tail: Any, own: Any) -> dict[str, Any]:
    """The conversation's columns when one more turn takes a place: it leads the lane if nobody owns it."""
    free = _c.owner.is_(None)
    return {
        "tail_turn": _c.tail_seq + 1,
        "tail_seq": _c.tail_seq + tail,
        "owner": func.coalesce(_c.owner, own),
        "epoch": case((free, _c.epoch + 1), else_=_c.epoch),
        "leased_seq": case((free, _c.tail_seq + 1), else_=_c.leased_seq),
    }


_SEATED = (_c.id, _c.tail_turn, _c.leased_seq, _c.epoch)


@cache
def _take_seat(dialect: str) -> Any:
    statement = insert_into(dialect, conversations)
    return statement.on_conflict_do_update(index_elements=[_c.key], set_=_seat(2, statement.excluded.owner)).returning(
        *_SEATED
    )


_TAKE_SEAT_AGAIN = (
    update(conversations)
    .where(_c.id == bindparam("conversation"))
    .values(_seat(1, bindparam("own")))
    .returning(*_SEATED)
)


_GIVEN = (
    *("conversation_id", "seq", "reply_seq", "event_key", "mark", "kind", "state", "author", "direct", "message_id"),
    *("overrides", "attempts", "parts", "notes", "receipt", "received_at", "started_at"),
)


@cache
def _insert_turn(dialect: str) -> Any:
    """Nothing is inserted for an event that is known, as a turn or as dealt with."""
    given = {name: bindparam(name, type_=_t[name].type) for name in _GIVEN}
    fresh = select(*given.values()).where(~exists().where(dealt.c.event_key == given["event_key"]))
    statement = insert_into(dialect, turns).from_select(list(given), fresh)
    return statement.on_conflict_do_nothing(index_elements=[_t.event_key]).returning(_t.seq)


@cache
def _insert_question(dialect: str) -> Insert:
    """A message that was recorded before it became a question moves to its turn's place; a deleted one stays gone."""
    statement = insert_into(dialect, messages)
    moved = ("seq", "author_id", "author_name", "text", "files")
    return statement.on_conflict_do_update(
        index_elements=[messages.c.platform_id, messages.c.conversation_id],
        set_={name: statement.excluded[name] for name in moved},
        where=messages.c.deleted.is_(False),
    )


def accept(connection: Connection, owner: str, turn: NewTurn, now: float) -> Accepted | None:
    """See ``Store.accept``; ``None`` when there is no such target. Raises ``Undo`` for a duplicate."""
    if turn.kind is TurnKind.AGAIN:
        return _accept_again(connection, owner, turn, now)
    dialect = connection.dialect.name
    address = turn.address
    seat = connection.execute(
        _take_seat(dialect),
        {
            "key": address.key,
            "platform": address.platform,
            "workspace": address.workspace,
            "channel": address.channel,
            "thread": address.thread,
            "owner": owner,
            "epoch": 1,
            "leased_seq": FIRST_SEQ,
            "tail_seq": FIRST_SEQ + 1,
            "tail_turn": FIRST_SEQ,
            "created_at": now,
        },
    ).one()
    head = _queue(connection, turn, seat, seat.tail_turn, now)
    connection.execute(
        _insert_question(dialect),
        {
            "conversation_id": seat.id,
            "seq": seat.tail_turn,
            "role": "user",
            "author_id": turn.author.id,
            "author_name": turn.author.name,
            "text": turn.text,
            "platform_id": turn.message_id,
            "files": turn.files,
            "created_at": turn.sent_at,
        },
    )
    claim = None
    if head:
        claim = Claim(
            conversation=seat.id,
            seq=seat.tail_turn,
            answer_seq=seat.tail_turn + 1,
            epoch=seat.epoch,
            kind=turn.kind,
            address=address,
            author=turn.author,
            direct=turn.direct,
            message_id=turn.message_id,
            mark=mark_of(turn.event_key),
            attempts=1,
            received_at=now,
            overrides=dict(turn.overrides),
        )
    return Accepted(seat.id, seat.tail_turn, claim, first=seat.tail_turn == FIRST_SEQ)


_TARGET = (
    select(_c.id, _t.reply_seq)
    .join(conversations, _c.id == _t.conversation_id)
    .where(_c.key == bindparam("key"), _t.seq == bindparam("target"), _t.kind == TurnKind.ANSWER)
)


_WAITS_TO_BE_MADE = (
    select(_t.seq)
    .where(
        _t.conversation_id == bindparam("conversation"),
        _t.reply_seq == bindparam("reply"),
        _t.kind == TurnKind.AGAIN,
        _t.state.in_((TurnState.RECEIVED, TurnState.GENERATING)),
    )
    .limit(1)
)


def _accept_again(connection: Connection, owner: str, turn: NewTurn, now: float) -> Accepted | None:
    target = connection.execute(_TARGET, {"key": turn.address.key, "target": turn.target}).first()
    if target is None:
        return None
    seat = connection.execute(_TAKE_SEAT_AGAIN, {"conversation": target.id, "own": owner}).one()
    if not turn.overrides:  # pressed twice in a moment means once; an edit is always answered
        about = {"conversation": target.id, "reply": target.reply_seq}
        if connection.execute(_WAITS_TO_BE_MADE, about).first() is not None:
            raise Undo
    head = _queue(connection, turn, seat, target.reply_seq, now)
    claim = read_claim(connection, target.id) if head else None
    return Accepted(target.id, seat.tail_turn, claim)


def _queue(connection: Connection, turn: NewTurn, seat: Any, reply_seq: int, now: float) -> bool:
    """Insert the turn in its seat; True when it leads the lane and so runs at once."""
    head = bool(seat.leased_seq == seat.tail_turn)
    fresh = connection.execute(
        _insert_turn(connection.dialect.name),
        {
            "conversation_id": seat.id,
            "seq": seat.tail_turn,
            "reply_seq": reply_seq,
            "event_key": turn.event_key,
            "mark": mark_of(turn.event_key),
            "kind": turn.kind,
            "state": TurnState.GENERATING if head else TurnState.RECEIVED,
            "author": turn.author,
            "direct": turn.direct,
            "message_id": turn.message_id,
            "overrides": dict(turn.overrides),
            "attempts": 1 if head else 0,
            "parts": (),
            "notes": (),
            "receipt": {},
            "received_at": now,
            "started_at": now if head else None,
        },
    ).first()
    if fresh is None:
        raise Undo
    return head


# The row is locked in the same statement: whoever takes the lane over meanwhile is waited for, and then seen.
_MINE = (
    select(_c.id)
    .where(_c.id == bindparam("conversation"), _c.owner == bindparam("owner"), _c.epoch == bindparam("epoch"))
    .with_for_update()
    .cte("mine")
)
_SHOWN = (
    update(turns)
    .where(_t.conversation_id.in_(select(_MINE.c.id)), _t.seq == bindparam("reply"))
    .values(parts=bindparam("ids"))
    .returning(_t.seq)
)


_later = turns.alias("later")
_MOVED = (
    update(turns)
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("reply"))
    .where(
        ~exists().where(
            _later.c.conversation_id == bindparam("conversation"),
            _later.c.reply_seq == bindparam("reply"),
            _later.c.state != TurnState.SETTLED,
        )
    )
    .values(parts=bindparam("ids"))
)


def moved(connection: Connection, reply: TurnView, parts: Sequence[str]) -> bool:
    """See ``Store.moved``. The conversation is locked first: what is accepted there meanwhile is waited for."""
    connection.execute(select(_c.id).where(_c.id == reply.conversation).with_for_update())
    done = connection.execute(_MOVED, {"conversation": reply.conversation, "reply": reply.seq, "ids": tuple(parts)})
    return done.rowcount > 0


def shown(connection: Connection, owner: str, claim: Claim, parts: Sequence[str]) -> None:
    """See ``Store.shown``."""
    done = connection.execute(
        _SHOWN,
        {
            "conversation": claim.conversation,
            "owner": owner,
            "epoch": claim.epoch,
            "reply": claim.target or claim.seq,
            "ids": tuple(parts),
        },
    )
    if done.first() is None:
        raise Superseded


def drop_waiting(connection: Connection, conversation: int, now: float) -> int:
    """See ``Store.drop_waiting``."""
    connection.execute(select(_c.id).where(_c.id == conversation).with_for_update())
    return connection.execute(
        update(turns)
        .where(_t.conversation_id == conversation, _t.state == TurnState.RECEIVED)
        .values(state=TurnState.SETTLED, outcome=Outcome.CANCELLED, settled_at=now)
    ).rowcount
