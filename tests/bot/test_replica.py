"""A process among others: it notices what it missed, gives up what it lost, and heeds what people want elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from bot.errors import StoreBusy, Superseded
from bot.halt import Halt, Reason
from bot.lanes import Lanes
from bot.lease import PART, Lease
from bot.observe.metrics import Metrics
from bot.ports import Claim, Outcome, Signal, SignalKind, Store
from bot.replica import Replica
from bot.storage import SqlStore, open_store, turns
from bot.turn import Turns
from tests.contracts.store import asked, begin, place
from tests.postgres import Server

PATIENCE = 30.0
LEASE = 4.0


class Plays:
    """Turns that play until they are told to end. ``begun``: (message, attempt); ``ended``: (message, why)."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.ended: list[tuple[str, Reason | None]] = []
        self.curtain = asyncio.Event()

    async def run(self, claim: Claim, halt: Halt) -> Outcome:
        self.begun.append((claim.message_id, claim.attempts))
        await halt.guard(asyncio.create_task(self.curtain.wait()))
        self.ended.append((claim.message_id, halt.reason))
        if halt.lost:
            raise Superseded
        return Outcome.ANSWERED


class Home:
    """A store, its lanes and its place among the others."""

    def __init__(self, store: Store, lease: float = LEASE) -> None:
        self.store = store
        self.plays = Plays()
        self.lease = Lease(lease)
        self.lanes = Lanes(store, cast(Turns, self.plays), Metrics())
        self.forgot = 0
        self.replica = Replica(store=store, lanes=self.lanes, lease=self.lease, platforms={"web"}, forget=self._forget)

    def _forget(self) -> None:
        self.forgot += 1

    async def asks(self, message: str) -> Claim:
        claim = await begin(self.store, asked(message))
        self.lanes.start(claim)
        await until(lambda: (message, 1) in self.plays.begun)
        return claim


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
async def home(postgresql: Server) -> AsyncIterator[Home]:
    async with postgresql.database() as url:
        store, _ = await open_store(url, Path("nowhere"))
        it = Home(store)
        await it.replica.enter()
        yield it
        it.plays.curtain.set()
        await it.lanes.finish(PATIENCE)
        await it.replica.leave()
        await store.close()


async def write(home: Home, statement: str, **values: object) -> None:
    """Behind the process's back."""
    assert isinstance(home.store, SqlStore)
    await home.store._db.tx(lambda connection: connection.execute(text(statement), values))


async def test_a_turn_that_was_accepted_without_our_hearing_of_it_is_played_all_the_same(home: Home) -> None:
    assert isinstance(home.store, SqlStore)
    await home.store._db.tx(turns.accept, home.store._me, asked("m1"), 1.0)
    await until(lambda: home.plays.begun == [("m1", 2)])


async def test_a_lane_that_is_somebody_elses_now_is_given_up(home: Home) -> None:
    await home.asks("m1")
    await write(home, "INSERT INTO replicas VALUES ('other', 1e12)")
    await write(home, "UPDATE conversations SET owner = 'other', epoch = epoch + 1")
    await until(lambda: home.plays.ended == [("m1", Reason.LOST)])
    await until(lambda: not len(home.lanes))


async def test_who_comes_too_late_gives_up_its_lanes_and_takes_them_up_again_under_another_name(home: Home) -> None:
    await home.asks("m1")
    await write(home, "UPDATE replicas SET until = 0")
    await until(lambda: home.plays.begun == [("m1", 1), ("m1", 2)])
    assert home.plays.ended == [("m1", Reason.LOST)]
    assert home.lease.stands


async def test_wishes_left_in_the_rows_are_heeded_without_any_signal(home: Home) -> None:
    first = await home.asks("m1")
    await write(home, "UPDATE turns SET stop = true")
    await until(lambda: home.plays.ended == [("m1", Reason.PERSON)])
    await until(lambda: not home.lanes.is_busy(first.conversation))
    await home.asks("m2")
    await write(home, "UPDATE messages SET deleted = true")
    await until(lambda: home.plays.ended[1:] == [("m2", Reason.DELETED)])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (SignalKind.STOP, Reason.PERSON),
        (SignalKind.NEWER, Reason.NEWER),
        (SignalKind.EDITED, Reason.EDITED),
        (SignalKind.DELETED, Reason.DELETED),
    ],
)
async def test_a_signal_ends_the_turn_that_it_names_and_no_other(home: Home, kind: SignalKind, reason: Reason) -> None:
    claim = await home.asks("m1")
    home.replica.hear(Signal(kind, claim.conversation, claim.seq + 1))
    home.replica.hear(Signal(kind, claim.conversation + 1, claim.seq))
    assert home.plays.ended == []
    home.replica.hear(Signal(kind, claim.conversation, claim.seq))
    await until(lambda: home.plays.ended == [("m1", reason)])


async def test_what_is_remembered_is_dropped_when_others_change_it_and_whenever_nobody_can_be_heard(home: Home) -> None:
    await until(lambda: home.replica._hears)
    for kind in (SignalKind.SETTINGS, SignalKind.FORGOTTEN, SignalKind.DEAF):
        before = home.forgot
        home.replica.hear(Signal(kind))
        assert home.forgot > before
    before = home.forgot
    await until(lambda: home.forgot > before)


async def test_who_is_about_to_leave_takes_nothing_more(home: Home) -> None:
    home.replica.stop_taking()
    await write(home, "INSERT INTO replicas VALUES ('other', 1e12)")
    claim = await begin(home.store, asked("m1"))
    await write(home, "UPDATE conversations SET owner = 'gone'")
    home.replica.hear(Signal(SignalKind.SWEEP))
    await asyncio.sleep(LEASE / 2)
    assert home.plays.begun == []
    conversation = await home.store.conversation(place())
    assert conversation is not None
    assert conversation.id == claim.conversation


# --- the lease, by this process's own clock


def test_a_lease_ends_before_the_others_think_so_and_counts_from_when_its_beat_began() -> None:
    now = 100.0
    lease = Lease(10.0, lambda: now)
    before = lease.stands
    lease.renew(95.0)
    begun = lease.stands
    now = 95.0 + 10.0 * PART + 0.1
    assert (before, begun, lease.stands) == (False, True, False)


def test_where_nobody_could_take_over_a_lease_never_ends() -> None:
    assert Lease().stands
    assert not Lease().is_limited


class Deaf:
    """A database that takes a question and does not answer it."""

    shared = True

    def __init__(self) -> None:
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.asked = self.left = 0

    async def join(self, lease: float) -> None: ...

    async def resume(self, now: float, platforms: object = None) -> list[Claim]:
        return []

    async def running(self) -> list[object]:
        return []

    async def listen(self, hear: object) -> None: ...

    async def leave(self) -> None:
        self.left += 1
        raise StoreBusy

    async def beat(self) -> bool:
        self.asked += 1
        return await asyncio.shield(self.answer)


async def test_a_beat_without_an_answer_ends_the_lease_and_is_not_asked_twice_at_once() -> None:
    store = Deaf()
    home = Home(cast(Store, store), lease=3.0)
    await home.replica.enter()
    assert home.lease.stands
    await until(lambda: not home.lease.stands)
    assert store.asked == 1
    store.answer.set_result(True)
    await until(lambda: store.asked > 1 and home.lease.stands)
    await home.replica.leave()


class Losing(Deaf):
    """One that turns the first cancellation of whoever reads it into an error of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.lost = asyncio.Event(), 0

    async def running(self) -> list[object]:
        self.reading.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.lost += 1
            if self.lost == 1:
                raise StoreBusy from None
            raise
        return []


async def test_a_cancellation_that_is_lost_in_the_database_keeps_nobody_from_leaving() -> None:
    store = Losing()
    home = Home(cast(Store, store), lease=3.0)
    await home.replica.enter()
    await store.reading.wait()
    async with asyncio.timeout(PATIENCE):
        await home.replica.leave()
    assert (store.lost, store.left) == (2, 1)


# --- lanes


async def test_an_older_claim_of_a_conversation_lets_go_before_a_newer_one_plays(home: Home) -> None:
    older = await home.asks("m1")
    newer = await home.store.restart(older.conversation, older.epoch, 2.0)
    assert newer is not None
    home.lanes.start(newer)
    home.lanes.start(older)  # came late: not played
    await until(lambda: home.plays.begun == [("m1", 1), ("m1", 2)])
    assert home.plays.ended == [("m1", Reason.LOST)]


async def test_that_a_turn_was_lost_counts_more_than_any_other_reason() -> None:
    halt = Halt()
    halt.ask(Reason.PERSON)
    halt.ask(Reason.NEWER)
    assert halt.reason is Reason.PERSON
    halt.ask(Reason.LOST)
    halt.ask(Reason.PERSON)
    assert halt.lost
    with contextlib.suppress(asyncio.CancelledError):
        assert await halt.guard(asyncio.create_task(asyncio.sleep(60)))
