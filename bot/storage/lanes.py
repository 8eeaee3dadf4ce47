"""Handing a lane from one turn to the next, and taking lanes over after a crash.

A lane is free (no ``owner``) or has exactly one running turn, ``leased_seq``. Every hand-over raises ``epoch``,
so a claim handed out before is worth nothing afterwards. Whether somebody waits is told by ``tail_turn`` in the
row that is locked already: a turn that arrives meanwhile is either seen here or finds the lane free.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby, takewhile
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, or_, select, update

from bot.errors import Superseded
from bot.ports import Claim, Outcome, TurnKind, TurnState
from bot.storage.claims import read_claim
from bot.storage.replicas import sweep
from bot.storage.schema import IS_UNSETTLED, conversations, replicas, turns

_c, _t = conversations.c, turns.c

MOST_MERGED = 100  # questions that one turn answers; what waits behind them comes next

_HAND_OVER = (
    update(conversations)
    .where(_c.id == bindparam("conversation"), _c.owner == bindparam("own"), _c.epoch == bindparam("fence"))
    .values(epoch=_c.epoch + 1, owner=case((_c.tail_turn == _c.leased_seq, None), else_=_c.owner))
    .returning(_c.owner, _c.leased_seq)
)
_SETTLE = (
    update(turns)
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("place"))
    .values(state=TurnState.SETTLED, outcome=bindparam("ended"), settled_at=bindparam("at"), answer="", notes=())
)
_WAITING = (
    select(_t.seq, _t.kind, _t.overrides)
    .where(
        _t.conversation_id == bindparam("conversation"),
        _t.seq > bindparam("after"),
        _t.state == TurnState.RECEIVED,
    )
    .order_by(_t.seq)
    .limit(MOST_MERGED)
)
_FREE = update(conversations).where(_c.id == bindparam("conversation")).values(owner=None)
_LEASE = (
    update(conversations)
    .where(_c.id == bindparam("conversation"))
    .values(leased_seq=bindparam("place"), owner=bindparam("own"))
)
_START = (
    update(turns)
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("place"))
    .values(
        state=TurnState.GENERATING, attempts=_t.attempts + 1, started_at=bindparam("at"), merged=bindparam("together")
    )
)


def settle(connection: Connection, owner: str, claim: Claim, outcome: Outcome, now: float, merge: bool) -> Claim | None:
    """See ``Store.settle``."""
    lane = {"conversation": claim.conversation}
    row = connection.execute(_HAND_OVER, {**lane, "own": owner, "fence": claim.epoch}).first()
    if row is None:
        raise Superseded
    connection.execute(_SETTLE, {**lane, "place": row.leased_seq, "ended": outcome, "at": now})
    if row.owner is None:
        return None
    waiting = connection.execute(_WAITING, {**lane, "after": row.leased_seq}).all()
    if not waiting:  # those that waited were cancelled
        connection.execute(_FREE, lane)
        return None
    group = _together(waiting, merge)
    carrier = group[-1]
    if len(group) > 1:
        _merge(connection, claim.conversation, group[:-1], carrier, now)
    connection.execute(_START, {**lane, "place": carrier, "at": now, "together": len(group)})
    connection.execute(_LEASE, {**lane, "place": carrier, "own": owner})
    inherited = claim.inherited if group[0] <= claim.inherited else 0
    return read_claim(connection, claim.conversation, inherited=inherited)


def _together(waiting: Sequence[Any], merge: bool) -> list[int]:
    """The places at the head of the queue that become one turn: questions asked with the same overrides."""
    head = waiting[0]
    if not merge or head.kind != TurnKind.ANSWER:
        return [head.seq]
    alike = takewhile(lambda row: row.kind == TurnKind.ANSWER and row.overrides == head.overrides, waiting)
    return [row.seq for row in alike]


def _merge(connection: Connection, conversation: int, earlier: list[int], carrier: int, now: float) -> None:
    connection.execute(
        update(turns)
        .where(_t.conversation_id == conversation, _t.seq.in_(earlier))
        .values(state=TurnState.SETTLED, outcome=Outcome.MERGED, settled_at=now)
    )
    # Also what waits to make one of these replies again now means the carrier's.
    connection.execute(
        update(turns).where(_t.conversation_id == conversation, _t.reply_seq.in_(earlier)).values(reply_seq=carrier)
    )


_LIVES = select(replicas.c.id).where(replicas.c.id == _c.owner).exists()
_NOBODYS = or_(_c.owner.is_(None), and_(_c.owner != bindparam("own"), ~_LIVES))
_UNSETTLED_SOMEWHERE = select(_t.conversation_id).where(IS_UNSETTLED)


def left(platforms: Collection[str] | None, most: int) -> Any:
    """Select the conversations to take over, ``most`` of them, and lock them; those that somebody has locked wait."""
    statement = select(_c.id).where(_c.id.in_(_UNSETTLED_SOMEWHERE), _NOBODYS).order_by(_c.id).limit(most)
    if platforms is not None:
        statement = statement.where(_c.platform.in_(sorted(platforms)))
    return statement.with_for_update(of=conversations, skip_locked=True)


_HEADS = (
    select(_t.conversation_id, _t.seq, _t.state, _c.tail_turn)
    .join(conversations, _c.id == _t.conversation_id)
    .where(IS_UNSETTLED, _c.id.in_(bindparam("found", expanding=True)), _NOBODYS)
    .order_by(_t.conversation_id, case((_t.state == TurnState.RECEIVED, 1), else_=0), _t.seq)
)
_TAKE_OVER = (
    update(conversations)
    .where(_c.id == bindparam("conversation"))
    .values(owner=bindparam("own"), epoch=_c.epoch + 1, leased_seq=bindparam("place"))
)
_RESTART = (
    update(turns)
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("place"))
    .values(
        state=case((_t.state == TurnState.RECEIVED, TurnState.GENERATING.value), else_=_t.state),
        attempts=_t.attempts + 1,
        started_at=bindparam("at"),
    )
)


def take_over(
    connection: Connection, owner: str, now: float, platforms: Collection[str] | None, most: int
) -> list[Claim]:
    """Own ``most`` of the conversations that no living process owns, and claim the head of each.

    PostgreSQL looks at a row again after it has waited for it, but at other tables as they were before: so what
    was found is asked for once more under its lock.
    """
    sweep(connection)
    found = list(connection.execute(left(platforms, most), {"own": owner}).scalars())
    if not found:
        return []
    rows = connection.execute(_HEADS, {"own": owner, "found": found}).all()
    heads = [next(each) for _, each in groupby(rows, key=lambda row: row.conversation_id)]
    if not heads:
        return []
    places = [{"conversation": head.conversation_id, "place": head.seq, "own": owner, "at": now} for head in heads]
    connection.execute(_TAKE_OVER, [{k: place[k] for k in ("conversation", "place", "own")} for place in places])
    connection.execute(_RESTART, [{k: place[k] for k in ("conversation", "place", "at")} for place in places])
    return [
        read_claim(
            connection,
            head.conversation_id,
            resumed=head.state != TurnState.RECEIVED,
            inherited=head.tail_turn,
        )
        for head in heads
    ]


_RENEW = (
    update(conversations)
    .where(_c.id == bindparam("conversation"), _c.owner == bindparam("own"), _c.epoch == bindparam("fence"))
    .values(epoch=_c.epoch + 1)
    .returning(_c.leased_seq, _c.tail_turn)
)


def restart(connection: Connection, owner: str, conversation: int, epoch: int, now: float) -> Claim | None:
    """See ``Store.restart``."""
    lane = connection.execute(_RENEW, {"conversation": conversation, "own": owner, "fence": epoch}).first()
    if lane is None:
        return None
    connection.execute(_RESTART, {"conversation": conversation, "place": lane.leased_seq, "at": now})
    return read_claim(connection, conversation, resumed=True, inherited=lane.tail_turn)
