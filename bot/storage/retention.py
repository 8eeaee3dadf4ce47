"""Removing what is older than the deployment wants to keep, a little at a time, so that no reply waits behind it.

What goes: messages with their versions, the ledger, settled turns with the feedback on them. What stays: everything
of a conversation that is at work; a question and its older answer while a run for it is younger; turns of the last
days, and events dealt with without one, by which an event delivered twice is known; settings; and the conversation's
row, which holds no words: the bot still takes part in the thread when somebody comes back to it.

What may go is looked for by reading. The transaction that removes it locks the conversations first, as every writer
does, passes over those that are at work, and looks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, and_, bindparam, delete, exists, func, or_, select, tuple_, update

from bot.errors import StoreError
from bot.ports import TurnState
from bot.storage import dealt
from bot.storage.database import Db
from bot.storage.schema import conversations, feedback, messages, turns, usage
from bot.storage.vacuum import give_back

log = structlog.get_logger("retention")

_DAY = 86_400.0
_TOGETHER = 500  # rows a transaction
_SIGHT = 50  # conversations looked at together
_PAUSE = 0.05  # seconds between two transactions, for those who wait
_KNOWN_AGAIN = 3 * _DAY  # seconds for which a turn stays, whatever is set: platforms repeat events for up to a day
_FIRST, _EVERY = 300.0, 6 * 3_600.0  # seconds from the start to the first sweep, and between two

_c, _m, _t, _u = conversations.c, messages.c, turns.c, usage.c
_own, _run = turns.alias("own"), turns.alias("run")


@dataclass(frozen=True, slots=True)
class _Limits:
    """What is older than these goes; Unix seconds."""

    words: float
    turns: float


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows that may go."""

    conversations: frozenset[int]
    messages: list[int]
    usage: list[int]
    turns: list[tuple[int, int]]


async def sweep(db: Db, days: float, now: float) -> int:
    """Remove what is older than ``days`` before ``now``; returns how many rows. Raises ``StoreError``."""
    limits = _Limits(now - days * _DAY, now - max(days * _DAY, _KNOWN_AGAIN))
    count, first = 0, 0
    while (last := await db.read(_last_in_sight, first)) is not None:
        while found := await db.read(_look, first, last, limits):
            removed = await db.tx(_remove, found, limits)
            count += removed
            await asyncio.sleep(_PAUSE)
            if not removed:  # they are at work; the next sweep meets them again
                break
        first = last
    while some := await db.tx(dealt.forget_before, limits.turns, _TOGETHER):
        count += some
        await asyncio.sleep(_PAUSE)
    return count


async def tend(db: Db, days: float, wall: Callable[[], float] = time.time) -> None:
    """Sweep now and then, until cancelled."""
    await asyncio.sleep(_FIRST)
    while True:
        try:
            count = await sweep(db, days, wall())
            pages = await give_back(db) if count else 0
            log.info("old rows removed", rows=count, pages=pages)
        except StoreError as error:
            log.warning("old rows not removed", why=str(error))
        await asyncio.sleep(_EVERY)


def _last_in_sight(connection: Connection, after: int) -> int | None:
    """The last of the next few conversations after this one."""
    some = select(_c.id).where(_c.id > after).order_by(_c.id).limit(_SIGHT).subquery()
    last: int | None = connection.execute(select(func.max(some.c.id))).scalar()
    return last


def _is_alive(conversation: Any, reply: Any) -> Any:
    """A run for this reply is not settled, or was not long ago."""
    return exists().where(
        _run.c.conversation_id == conversation,
        _run.c.reply_seq == reply,
        or_(_run.c.state != TurnState.SETTLED, _run.c.settled_at >= bindparam("limit")),
    )


# A message is a question at its turn's place, or an answer behind it.
_OLD_WORDS = and_(
    _m.created_at < bindparam("limit"),
    ~exists().where(
        _own.c.conversation_id == _m.conversation_id,
        or_(_own.c.seq == _m.seq, _own.c.seq == _m.seq - 1),
        _is_alive(_own.c.conversation_id, _own.c.reply_seq).correlate(_own),
    ),
)
_OLD_TURN = and_(
    _t.state == TurnState.SETTLED,
    _t.settled_at < bindparam("limit"),
    ~_is_alive(_t.conversation_id, _t.reply_seq).correlate(turns),
)


def _look(connection: Connection, after: int, last: int, limits: _Limits) -> _Found | None:
    """Some of what may go in the conversations up to ``last``; ``None`` when there is nothing."""

    idle = select(_c.id).where(_c.id > after, _c.id <= last, _c.owner.is_(None))

    def some(key: Any, conversation: Any, old: Any, limit: float, room: int) -> list[Any]:
        statement = select(conversation, key).where(conversation.in_(idle), old).limit(room)
        return list(connection.execute(statement, {"limit": limit}).all()) if room else []

    words = some(_m.id, _m.conversation_id, _OLD_WORDS, limits.words, _TOGETHER)
    spent = some(_u.id, _u.conversation_id, _u.at < bindparam("limit"), limits.words, _TOGETHER - len(words))
    settled = some(_t.seq, _t.conversation_id, _OLD_TURN, limits.turns, _TOGETHER - len(words) - len(spent))
    if not (words or spent or settled):
        return None
    places = frozenset(row.conversation_id for row in (*words, *spent, *settled))
    return _Found(places, [row.id for row in words], [row.id for row in spent], [tuple(row) for row in settled])


def _remove(connection: Connection, found: _Found, limits: _Limits) -> int:
    """Remove what of it may still go; returns how many rows."""
    waits = exists().where(_t.conversation_id == _c.id, _t.state != TurnState.SETTLED)
    free = select(_c.id).where(_c.id.in_(found.conversations), _c.owner.is_(None), ~waits).order_by(_c.id)
    idle = list(connection.execute(free.with_for_update(of=conversations, skip_locked=True)).scalars())
    count = connection.execute(
        delete(messages).where(_m.id.in_(found.messages), _m.conversation_id.in_(idle), _OLD_WORDS),
        {"limit": limits.words},
    ).rowcount
    if count:  # what the platform still shows of it is not to be read in again
        emptied = (_c.id.in_(idle), _c.backfilled.is_(False))
        connection.execute(update(conversations).where(*emptied).values(backfilled=True))
    count += connection.execute(delete(usage).where(_u.id.in_(found.usage), _u.conversation_id.in_(idle))).rowcount
    wanted = (tuple_(_t.conversation_id, _t.seq).in_(found.turns), _t.conversation_id.in_(idle), _OLD_TURN)
    marks = list(connection.execute(select(_t.mark).where(*wanted), {"limit": limits.turns}).scalars())
    if marks:
        connection.execute(delete(feedback).where(feedback.c.mark.in_(marks)))
        count += connection.execute(delete(turns).where(*wanted), {"limit": limits.turns}).rowcount
    return count
