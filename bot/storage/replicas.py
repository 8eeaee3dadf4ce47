"""The processes that work on this database: one row each, by the database's clock.

A row is a lease. One whose time has passed is removed by whoever looks for lanes to take over, and its process cannot
bring it back: it has to come under a new name. So whether a process lives is whether its row is there, and a late
beat and a take-over, which lock that row, never both succeed. A process without a row is dead to all others: on
SQLite, where there is one process at a time, nobody has one.
"""

from __future__ import annotations

from sqlalchemy import Connection, Double, bindparam, cast, delete, extract, func, insert, select, update

from bot.ports import Running, SignalKind, TurnState
from bot.storage.schema import conversations, replicas, turns
from bot.storage.signals import notify
from bot.storage.wishes import QUESTION_STANDS

_c, _r, _t = conversations.c, replicas.c, turns.c

RUNNING = (TurnState.GENERATING, TurnState.SHOWING)

# Of the statement's moment: the time of the transaction would be earlier than what it waited for.
_NOW = cast(extract("epoch", func.clock_timestamp()), Double)
_PASSED = select(_r.id).where(_r.until < _NOW).with_for_update(skip_locked=True)
_BEAT = (
    update(replicas)
    .where(_r.id == bindparam("me"), _r.until >= _NOW)
    .values(until=_NOW + bindparam("lease", type_=Double))
)
_MINE = select(_c.id).where(_c.id == _t.conversation_id, _c.owner == bindparam("own")).exists()
_GIVE_BACK = update(turns).where(_t.state.in_(RUNNING), _MINE).values(attempts=_t.attempts - 1)
_RUNNING = (
    select(_t.conversation_id, _c.epoch, _t.seq, _t.stop, QUESTION_STANDS.label("stands"))
    .join(conversations, _c.id == _t.conversation_id)
    .where(_t.state.in_(RUNNING), _c.owner == bindparam("own"))
)


def join(connection: Connection, me: str, lease: float, former: str) -> None:
    """Make this process known, and another one's death if it is."""
    connection.execute(delete(replicas).where(_r.id == former))
    connection.execute(insert(replicas).values(id=me, until=_NOW + lease))


def beat(connection: Connection, me: str, lease: float) -> bool:
    """See ``Store.beat``."""
    return connection.execute(_BEAT, {"me": me, "lease": lease}).rowcount == 1


def sweep(connection: Connection) -> None:
    """Remove the processes whose time has passed. One that beats at this very moment is left alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(delete(replicas).where(_r.id.in_(_PASSED)))


def leave(connection: Connection, me: str) -> None:
    """See ``Store.leave``."""
    connection.execute(_GIVE_BACK, {"own": me})
    if connection.execute(delete(replicas).where(_r.id == me)).rowcount:
        notify(connection, SignalKind.SWEEP)


def running(connection: Connection, me: str) -> list[Running]:
    """See ``Store.running``. An owned lane always has exactly one running turn."""
    return [Running(*row) for row in connection.execute(_RUNNING, {"own": me})]
