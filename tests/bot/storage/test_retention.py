"""What is old goes, in small steps and on both engines; what is at work or young stays whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import pytest
from sqlalchemy import Connection, func, select, update

from bot.events import Author
from bot.ports import AnswerRecord, Claim, EarlierMessage, Outcome, Usage
from bot.storage import retention
from bot.storage.retention import sweep, tend
from bot.storage.schema import conversations, dealt, feedback, messages, metadata, turns, usage, versions
from tests.bot.storage.houses import SqlHouse
from tests.contracts.store import again, asked, begin, place, read_all, said, texts

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DAY = 86_400.0
TODAY = 1_000 * DAY
USED = Usage(10, 20, 3, 4, 0.1, 0.5)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_PAUSE", 0.0)


async def answer(house: SqlHouse, claim: Claim, at: float, text: str = "") -> None:
    record = AnswerRecord(text or f"answer to {claim.message_id}", Outcome.ANSWERED, usage=USED, model="m")
    await house.store.answered(claim, record, at)
    assert await house.store.settle(claim, Outcome.ANSWERED, at) is None


async def ask(house: SqlHouse, message: str, days: float, thread: str = "t1") -> Claim:
    """A question and its answer, so many days ago, with a version and feedback."""
    at = TODAY - days * DAY
    claim = await begin(house.store, asked(message, thread, sent_at=at), at)
    await answer(house, claim, at)
    await house.store.feedback(claim.mark, 1, "U1", True, at)
    return claim


async def count(house: SqlHouse, table: Any) -> int:
    return await house.db.read(
        lambda connection: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
    )


async def test_what_is_older_goes_with_all_that_hangs_on_it_and_the_young_stays(house: SqlHouse) -> None:
    old = await ask(house, "m1", days=40)
    run = await begin(house.store, again("again1", old.seq), TODAY - 39 * DAY)
    await answer(house, run, TODAY - 39 * DAY, "another answer")
    young = await ask(house, "m2", days=20)
    assert await sweep(house.db, 30, TODAY) == 2 + 2 + 2  # messages, entries of the ledger, turns
    assert texts(await read_all(house.store, old.conversation)) == ["question m2", "answer to m2"]
    assert [await count(house, table) for table in (turns, usage, feedback, versions)] == [1, 1, 1, 0]
    assert await house.store.turn(old.mark) is None
    assert (await house.store.turn(young.mark)) is not None
    assert await sweep(house.db, 30, TODAY) == 0


async def test_the_bot_still_takes_part_in_a_thread_of_which_nothing_is_left(house: SqlHouse) -> None:
    claim = await ask(house, "m1", days=40)
    await sweep(house.db, 30, TODAY)
    known = await house.store.conversation(place())
    assert known is not None
    assert known.answers
    assert await house.store.newest_turn(place()) is None
    following = await ask(house, "m2", days=0)
    assert following.seq > claim.seq
    assert texts(await read_all(house.store, claim.conversation)) == ["question m2", "answer to m2"]


async def test_messages_without_a_turn_go_by_their_own_age(house: SqlHouse) -> None:
    claim = await ask(house, "m1", days=1)
    ann = Author("U1", "Ann")
    await house.store.backfill(
        claim.conversation,
        [EarlierMessage("e1", ann, "old", TODAY - 50 * DAY), EarlierMessage("e2", ann, "young", TODAY - 2 * DAY)],
    )
    await house.store.record(place(), ann, "r1", "recorded", (), TODAY - 31 * DAY)
    assert await sweep(house.db, 30, TODAY) == 2
    assert texts(await read_all(house.store, claim.conversation)) == ["young", "question m1", "answer to m1"]


async def test_a_conversation_that_is_at_work_is_left_alone_until_it_is_done(house: SqlHouse) -> None:
    await ask(house, "m1", days=40)
    claim = await begin(house.store, asked("m2", sent_at=TODAY - 35 * DAY), TODAY - 35 * DAY)
    other = await ask(house, "m3", days=40, thread="t2")
    await house.store.accept(asked("m4", sent_at=TODAY), TODAY)
    assert await sweep(house.db, 30, TODAY) == 2 + 1 + 1
    assert len(await read_all(house.store, claim.conversation)) == 4
    assert await read_all(house.store, other.conversation) == []
    await house.store.answered(claim, said(), TODAY)
    upcoming = await house.store.settle(claim, Outcome.ANSWERED, TODAY)
    assert upcoming is not None
    await house.store.answered(upcoming, said(), TODAY)
    await house.store.settle(upcoming, Outcome.ANSWERED, TODAY)
    assert await sweep(house.db, 30, TODAY) == 2 + 1 + 1
    kept = texts(await read_all(house.store, claim.conversation))
    assert kept == ["question m2", "an answer", "question m4", "an answer"], "the old question was answered today"


async def test_a_question_stays_while_a_younger_run_answers_it_merged_ones_too(house: SqlHouse) -> None:
    at = TODAY - 40 * DAY
    first = await begin(house.store, asked("m1", sent_at=at), at)
    for message in ("m2", "m3"):
        await house.store.accept(asked(message, sent_at=at), at)
    await house.store.answered(first, said("one"), at)
    both = await house.store.settle(first, Outcome.ANSWERED, at)
    assert both is not None
    await answer(house, both, at, "two and three")
    run = await begin(house.store, again("again1", both.seq), TODAY - DAY)
    await answer(house, run, TODAY - DAY, "better")
    await sweep(house.db, 30, TODAY)
    assert texts(await read_all(house.store, first.conversation)) == ["question m2", "question m3", "better"]
    view = await house.store.turn(both.mark)
    assert view is not None
    assert (view.newest, view.versions, view.text) == (True, 2, "better")


async def test_an_event_of_the_last_days_is_known_again_however_short_the_retention(house: SqlHouse) -> None:
    claim = await ask(house, "m1", days=2)
    assert await house.store.claim_event("web:w1:c1:command", TODAY - 2 * DAY)
    assert await sweep(house.db, 1, TODAY) == 2 + 1  # messages and the entry of the ledger
    assert await read_all(house.store, claim.conversation) == []
    assert await house.store.accept(asked("m1"), TODAY) is None
    assert not await house.store.claim_event("web:w1:c1:command", TODAY)
    view = await house.store.turn(claim.mark)
    assert view is not None
    assert (view.text, view.newest) == ("", False)
    assert await sweep(house.db, 1, TODAY + 2 * DAY) == 1 + 1  # the turn and the command
    assert await count(house, turns) == await count(house, dealt) == 0


async def test_a_turn_that_gets_to_work_while_it_is_looked_at_is_passed_over(house: SqlHouse) -> None:
    claim = await ask(house, "m1", days=40)
    limits = retention._Limits(TODAY - 30 * DAY, TODAY - 30 * DAY)
    found = await house.db.read(retention._look, 0, claim.conversation, limits)
    assert found is not None
    assert (len(found.messages), len(found.usage), len(found.turns)) == (2, 1, 1)
    run = await begin(house.store, again("again1", claim.seq), TODAY)
    assert await house.db.tx(retention._remove, found, limits) == 0
    await answer(house, run, TODAY, "again")
    assert await house.db.tx(retention._remove, found, limits) == 1  # the entry of the ledger, nothing of the reply
    assert texts(await read_all(house.store, claim.conversation)) == ["question m1", "again"]


async def much(house: SqlHouse, rows: int) -> int:
    """One conversation of so many old messages; its id."""
    claim = await ask(house, "m1", days=40)

    def fill(connection: Connection) -> None:
        row = {"conversation_id": claim.conversation, "role": "user", "author_id": "U1", "author_name": "Ann"}
        words = {"text": "word " * 100, "files": (), "created_at": TODAY - 40 * DAY}
        connection.execute(
            messages.insert(), [{**row, **words, "seq": 5_000 + n, "platform_id": f"x{n}"} for n in range(rows)]
        )
        connection.execute(update(conversations).values(tail_seq=9_000))

    await house.db.tx(fill)
    return claim.conversation


async def test_much_goes_in_small_transactions_and_questions_are_taken_in_between(
    house: SqlHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await much(house, 2_300)
    removed: list[int] = []
    taken: list[int] = []
    whole = house.db.tx

    async def watched(function: Callable[[Connection, *Ts], T], *arguments: *Ts) -> T:
        found = await whole(function, *arguments)
        if isinstance(found, int) and found:
            removed.append(found)
        return found

    async def people() -> None:
        while len(removed) < 3:
            await asyncio.sleep(0)
        taken.append(len(removed))
        await ask(house, "new", days=0, thread="t2")
        taken.append(len(removed))

    monkeypatch.setattr(house.db, "tx", watched)
    asking = asyncio.create_task(people())
    total = await sweep(house.db, 30, TODAY)
    await asking
    assert total == sum(removed) == 2_300 + 4
    assert max(removed) == 500
    assert len(removed) == 5
    assert taken[0] < 5
    assert await count(house, messages) == 2


async def test_the_task_in_the_bot_sweeps_by_itself_and_gives_the_pages_back(
    house: SqlHouse, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) if engine == "sqlite" else 0

    await much(house, 4_000)
    before = await house.db.read(pages)
    monkeypatch.setattr(retention, "_FIRST", 0.0)
    task = asyncio.create_task(tend(house.db, 30, lambda: TODAY))
    async with asyncio.timeout(30):
        while await count(house, messages) or (engine == "sqlite" and await house.db.read(pages) > before - 300):
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_every_table_of_words_is_swept_or_named_here(house: SqlHouse) -> None:
    await ask(house, "m1", days=40)
    await house.store.claim_event("web:w1:c1:command", TODAY - 40 * DAY)
    await sweep(house.db, 30, TODAY)
    left = {table.name for table in metadata.sorted_tables if await count(house, table)}
    assert left == {"conversations"}
