"""Several stores on one PostgreSQL: leases, take-over, fences, races and signals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from bot.errors import StoreBusy, StoreDamaged, Superseded
from bot.ports import Level, Outcome, Scope, Signal, SignalKind
from bot.storage import Db, SqlStore, open_store
from bot.storage.migrations import alembic_run, upgrade
from tests.contracts.store import accept, again, asked, begin, place, play, read_all, said, texts
from tests.postgres import Server

PATIENCE = 30.0
LONG = 300.0  # seconds of a lease that does not pass in a test
Open = Callable[..., AbstractAsyncContextManager[SqlStore]]


@pytest.fixture
async def url(postgresql: Server) -> AsyncIterator[str]:
    async with postgresql.database() as it:
        yield it


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Open:
    @contextlib.asynccontextmanager
    async def one(lease: float = LONG, folder: str = "nowhere") -> AsyncIterator[SqlStore]:
        store, _ = await open_store(url, tmp_path / folder)
        await store.join(lease)
        yield store
        await store.close()

    return one


async def died(store: SqlStore) -> None:
    """Its lease has passed."""
    await store._db.tx(
        lambda connection: connection.execute(text("UPDATE replicas SET until = 0 WHERE id = :me"), {"me": store._me})
    )


@pytest.mark.parametrize("state", ["XX001", "XX002"])
async def test_what_the_server_finds_damaged_is_said_and_is_not_well_again_because_other_things_are(
    url: str, state: str
) -> None:
    store, db = await open_store(url, Path("nowhere"))
    await store.check()
    with pytest.raises(StoreDamaged):
        await db.read(lambda it: it.execute(text(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{state}'; END $$")).rowcount)
    assert (await store.counts())["accepted"] == 0
    with pytest.raises(StoreDamaged):
        await store.check()
    await store.close()


# --- leases and take-over


async def test_a_lane_of_a_living_process_is_nobody_elses(opened: Open) -> None:
    async with opened() as one, opened() as two:
        claim = await begin(one, asked("m1"))
        assert await two.resume(2.0) == []
        assert (await accept(two, asked("m2"))).claim is None
        upcoming = await play(one, claim)
        assert upcoming is not None
        assert upcoming.message_id == "m2"
        assert await play(one, upcoming) is None


async def test_a_lease_that_has_passed_is_final_and_its_lanes_are_taken_over_with_what_they_have_shown(
    opened: Open,
) -> None:
    async with opened() as one, opened() as two:
        claim = await begin(one, asked("m1"))
        await one.shown(claim, ["p1"])
        assert await one.beat()
        await died(one)
        assert not await one.beat()
        (taken,) = await two.resume(2.0)
        assert not await one.beat()
        assert (taken.attempts, taken.parts, taken.resumed, taken.epoch > claim.epoch) == (2, ("p1",), True, True)
        for write in (one.shown(claim, ["p2"]), one.answered(claim, said(), 3.0)):
            with pytest.raises(Superseded):
                await write
        with pytest.raises(Superseded):
            await one.settle(claim, Outcome.ANSWERED, 3.0)
        assert await play(two, taken) is None


async def test_a_process_that_came_too_late_lives_on_under_a_new_name_and_takes_up_its_own_lanes(opened: Open) -> None:
    async with opened() as one:
        claim = await begin(one, asked("m1"))
        await died(one)
        assert not await one.beat()
        await one.join(LONG)
        assert await one.beat()
        with pytest.raises(Superseded):
            await one.answered(claim, said(), 3.0)
        (taken,) = await one.resume(4.0)
        assert await play(one, taken) is None


async def test_what_was_claimed_under_a_name_given_up_meanwhile_is_not_played(opened: Open) -> None:
    async with opened() as one:
        await died(one)
        accepting = asyncio.create_task(one.accept(asked("m1"), 1.0))
        await asyncio.sleep(0)
        one._me = "another"
        accepted = await accepting
        assert accepted is not None
        assert accepted.claim is None


async def test_a_question_for_a_lane_whose_process_died_waits_and_is_taken_over_behind_its_head(opened: Open) -> None:
    async with opened() as one, opened() as two:
        await begin(one, asked("m1"))
        await died(one)
        assert (await accept(two, asked("m2"))).claim is None
        (head,) = await two.resume(2.0)
        assert head.message_id == "m1"
        upcoming = await play(two, head)
        assert upcoming is not None
        assert (upcoming.message_id, upcoming.resumed) == ("m2", False)


async def test_a_beat_at_the_very_end_of_a_lease_wins_over_a_take_over_that_comes_at_the_same_time(
    opened: Open, url: str
) -> None:
    async with opened() as one, opened() as two:
        await begin(one, asked("m1"))
        await died(one)
        late = await asyncpg.connect(url)
        transaction = late.transaction()
        await transaction.start()
        await late.execute("UPDATE replicas SET until = extract(epoch FROM now()) + 300 WHERE id = $1", one._me)
        assert await two.resume(2.0) == []
        await transaction.commit()
        await late.close()
        assert await two.resume(3.0) == []
        assert await one.beat()


async def test_lanes_that_are_let_go_are_taken_at_once_and_the_run_counts_as_no_attempt(opened: Open) -> None:
    async with opened() as first:
        await begin(first, asked("m1"))
        for _ in range(4):
            async with opened() as following:
                await first.leave()
                (taken,) = await following.resume(2.0)
                assert (taken.attempts, taken.resumed) == (1, True)
                await first.join(LONG)
                await following.leave()
                (claim,) = await first.resume(3.0)
        assert claim.attempts == 1


async def test_only_lanes_of_platforms_served_here_are_taken_and_count_an_attempt(opened: Open) -> None:
    async with opened() as one, opened() as two:
        await begin(one, asked("m1"))
        await died(one)
        assert await two.resume(2.0, ["slack", "discord"]) == []
        (taken,) = await two.resume(3.0, ["slack", "web"])
        assert taken.attempts == 2


async def test_more_lanes_than_one_transaction_takes_are_taken_each_by_one(opened: Open) -> None:
    async with opened() as dead, opened() as one, opened() as two, opened() as three:
        await asyncio.gather(*(begin(dead, asked(f"m{n}", f"t{n}")) for n in range(70)))
        await died(dead)
        taken = await asyncio.gather(*(store.resume(2.0) for store in (one, two, three)))
        threads = [claim.address.thread for claims in taken for claim in claims]
        assert sorted(threads) == sorted(f"t{n}" for n in range(70))


async def test_a_lane_with_nobody_on_it_is_claimed_anew_once(opened: Open) -> None:
    async with opened() as one, opened() as two:
        claim = await begin(one, asked("m1"))
        (running,) = await one.running()
        assert (running.conversation, running.epoch, running.seq) == (claim.conversation, claim.epoch, claim.seq)
        assert (running.stop, running.stands) == (False, True)
        assert await two.running() == []
        assert await two.restart(claim.conversation, claim.epoch, 2.0) is None
        anew = await one.restart(claim.conversation, claim.epoch, 2.0)
        assert anew is not None
        assert (anew.attempts, anew.resumed) == (2, True)
        assert await one.restart(claim.conversation, claim.epoch, 2.0) is None
        assert await play(one, anew) is None


async def test_among_three_processes_every_turn_is_played_once_and_in_order(opened: Open) -> None:
    """Lanes are taken and freed all the time; now and then a process comes too late and starts anew."""
    turns_, threads = 120, ("t1", "t2", "t3")
    played: dict[str, list[str]] = {thread: [] for thread in threads}

    async def ask(store: SqlStore, number: int) -> None:
        thread = threads[number % len(threads)]
        accepted = await accept(store, asked(f"m{number}", thread))
        claim = accepted.claim
        while claim is not None:
            await asyncio.sleep(0)
            try:
                await store.answered(claim, said(f"answer {claim.message_id}"), 2.0)
                following = await store.settle(claim, Outcome.ANSWERED, 3.0, merge=False)
            except Superseded:
                return
            played[thread].append(claim.message_id)
            claim = following

    async with opened() as one, opened() as two, opened() as three:
        stores = (one, two, three)
        for start in range(0, turns_, 30):
            await asyncio.gather(*(ask(stores[n % 3], n) for n in range(start, start + 30)))
        conversations = [await one.conversation(place(thread)) for thread in threads]
        assert (await one.counts())["unsettled"] == 0
        for thread, conversation in zip(threads, conversations, strict=True):
            assert conversation is not None
            answers = [m for m in await read_all(one, conversation.id, 500) if m.role == "assistant"]
            assert len(played[thread]) == len(set(played[thread])) == turns_ // 3
            assert [f"answer {message}" for message in played[thread]] == texts(answers)


# --- starting


async def test_processes_that_start_together_on_an_empty_database_migrate_it_once(postgresql: Server) -> None:
    async with postgresql.database(empty=True) as url:
        several = [await Db.open(url) for _ in range(3)]
        assert sorted(await asyncio.gather(*(upgrade(db) for db in several))) == [True, True, True]
        for db in several:
            assert await upgrade(db) is False
            await db.close()


async def test_who_starts_where_a_process_died_need_not_wait_for_its_lease(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "seat").mkdir()
    async with opened(folder="seat") as one:
        claim = await begin(one, asked("m1"))
        async with opened(folder="seat") as beside:  # the seat is taken: it may be alive
            assert await beside.resume(2.0) == []
    async with opened(folder="seat") as following:
        (taken,) = await following.resume(3.0)
        assert taken.seq == claim.seq


async def test_a_folder_copied_from_another_machine_tells_nothing(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "seat").mkdir()
    async with opened() as one:
        await begin(one, asked("m1"))
        (tmp_path / "seat" / "replica").write_text(f"{one._me}\nanother-machine")
        async with opened(folder="seat") as two:
            assert await two.resume(2.0) == []
        assert await one.beat()


async def test_connections_that_died_at_rest_are_made_anew_and_nobody_notices(opened: Open, url: str) -> None:
    async with opened() as one:
        await asyncio.gather(*(one.counts() for _ in range(20)))
        door = await asyncpg.connect(url)
        await door.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await door.close()
        await asyncio.sleep(0.5)
        await asyncio.gather(*(one.check() for _ in range(20)))


# --- signals


class Ear:
    """What a store heard."""

    def __init__(self, store: SqlStore) -> None:
        self.heard: list[Signal] = []
        self._news = asyncio.Event()
        self.task = asyncio.create_task(store.listen(self._hear))

    def _hear(self, signal: Signal) -> None:
        self.heard.append(signal)
        self._news.set()

    async def until(self, signal: Signal) -> None:
        async with asyncio.timeout(PATIENCE):
            while signal not in self.heard:
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def ear(store: SqlStore) -> AsyncIterator[Ear]:
    it = Ear(store)
    await it.until(Signal(SignalKind.LISTENING))
    yield it
    it.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await it.task


async def test_a_wish_for_a_turn_that_runs_elsewhere_is_kept_and_signalled(opened: Open) -> None:
    async with opened() as one, opened() as two, ear(one) as heard:
        claim = await begin(one, asked("m1"))
        where = claim.conversation
        assert await two.is_busy(where)
        await two.ask_stop(where, claim.seq)
        await heard.until(Signal(SignalKind.STOP, where, claim.seq))
        assert [row.stop for row in await one.running()] == [True]
        later = await accept(two, asked("m2"))
        assert await two.ask_halt(where, SignalKind.NEWER, before=later.seq)
        await heard.until(Signal(SignalKind.NEWER, where, claim.seq))
        assert not await two.ask_halt(where, SignalKind.NEWER, before=claim.seq)
        assert not await two.ask_halt(where, SignalKind.EDITED, reply=later.seq)
        assert await two.delete_message(place(), "m1") is not None
        assert await two.ask_halt(where, SignalKind.DELETED, reply=claim.seq)
        await heard.until(Signal(SignalKind.DELETED, where, claim.seq))
        assert [row.stands for row in await one.running()] == [False]


async def test_a_wish_for_what_does_not_run_is_refused(opened: Open) -> None:
    async with opened() as one, opened() as two:
        claim = await begin(one, asked("m1"))
        assert await play(one, claim) is None
        assert not await two.is_busy(claim.conversation)
        assert not await two.ask_halt(claim.conversation, SignalKind.STOP)
        anew = await begin(one, again("a1", claim.seq))
        assert await two.ask_halt(claim.conversation, SignalKind.STOP, reply=claim.seq)
        assert [(row.seq, row.stop) for row in await one.running()] == [(anew.seq, True)]


async def test_settings_removals_and_goodbyes_are_signalled_and_turns_are_not(opened: Open) -> None:
    async with opened() as one, opened() as two, ear(one) as heard:
        claim = await begin(two, asked("m1"))
        await two.ask_stop(claim.conversation, claim.seq)  # it runs there: nobody else need know
        assert await play(two, claim) is None
        await two.set_settings(Scope(Level.CHANNEL, "web:w1:c1"), {"seed": 1}, "U1", 1.0)
        await heard.until(Signal(SignalKind.SETTINGS))
        await two.forget_workspace("web", "w9")
        await heard.until(Signal(SignalKind.FORGOTTEN))
        await two.leave()
        await heard.until(Signal(SignalKind.SWEEP))
        kinds = [signal.kind for signal in heard.heard]
        assert kinds == [SignalKind.LISTENING, SignalKind.SETTINGS, SignalKind.FORGOTTEN, SignalKind.SWEEP]


async def test_a_listener_that_was_cut_off_says_so_and_listens_again(opened: Open, url: str) -> None:
    async with opened() as one, ear(one) as heard:
        door = await asyncpg.connect(url)
        await door.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND query ILIKE 'LISTEN%' AND pid <> pg_backend_pid()"
        )
        await heard.until(Signal(SignalKind.DEAF))
        heard.heard.clear()
        await heard.until(Signal(SignalKind.LISTENING))
        await door.execute("SELECT pg_notify('parley', 'words of a newer version')")
        await door.execute("SELECT pg_notify('parley', 'sweep:0:0')")
        await heard.until(Signal(SignalKind.SWEEP))
        await door.close()


@contextlib.asynccontextmanager
async def held(url: str, statement: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody's transaction that has carried this out, and stands still."""
    door = await asyncpg.connect(url)
    try:
        async with door.transaction():
            await door.execute(statement)
            yield door
    finally:
        await door.close()


async def test_who_waits_for_a_lock_gives_up_before_a_frozen_holder_of_it_is_ended(url: str) -> None:
    """Else one frozen process could keep a row for as long as that twice: what waits in it inherits the lock."""
    store, db = await open_store(url, Path("nowhere"), lease=2.0)
    claim = await begin(store, asked("one"))
    async with held(url, "SELECT 1 FROM conversations FOR UPDATE"):
        began = asyncio.get_running_loop().time()
        with pytest.raises(StoreBusy):
            await store.shown(claim, ("1",))
        took = asyncio.get_running_loop().time() - began
    setting = text("SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'")
    ended = int(await db.read(lambda it: it.execute(setting).scalar_one())) / 1000
    assert took < ended < 2.0
    await store.shown(claim, ("1",))
    await store.close()


async def test_a_start_waits_for_as_long_as_another_one_migrates(postgresql: Server) -> None:
    async with postgresql.database(empty=True) as url, asyncio.timeout(PATIENCE):
        async with held(url, f"SELECT pg_advisory_xact_lock({alembic_run._LOCK})"):
            opening = asyncio.create_task(open_store(url, Path("nowhere"), lease=1.0))
            done, _ = await asyncio.wait({opening}, timeout=1.5)
            assert not done
        store, _ = await opening
        await store.close()
