"""Buckets of writes shared on one PostgreSQL: no token is given twice, whoever asks at the same time or dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.ports import Need, Slice
from bot.replies import Budget
from bot.storage import SqlStore, open_store
from tests.postgres import Server

LONG = 300.0  # seconds of a lease that does not pass in a test
AHEAD = 6.0
STILL = Budget("still", rate=1e-9, burst=10, reserve=2)  # it does not fill up again while a test looks


@pytest.fixture
async def url(postgresql: Server) -> AsyncIterator[str]:
    async with postgresql.database() as it:
        yield it


@contextlib.asynccontextmanager
async def stores(url: str, count: int = 2) -> AsyncIterator[list[SqlStore]]:
    several = [(await open_store(url, Path("nowhere")))[0] for _ in range(count)]
    for store in several:
        await store.join(LONG)
    yield several
    for store in several:
        await store.close()


async def share(store: SqlStore, key: str = "k", budget: Budget = STILL, **need: Any) -> Slice:
    return (await store.share([Need(key, budget, **need)], AHEAD))[key]


async def execute(store: SqlStore, statement: str) -> Any:
    return await store._db.tx(lambda connection: connection.exec_driver_sql(statement).rowcount)


async def test_what_one_has_reserved_nobody_else_gets_and_what_it_gives_back_they_do(url: str) -> None:
    async with stores(url) as (one, two):
        assert (await share(one, now=7)).tokens == pytest.approx(7)
        assert (await share(two, now=7)).tokens == pytest.approx(3)
        await share(one, hand=1.0, back=4.0)  # it has spent two
        slice_ = await share(two, hand=3.0, now=9)
        assert slice_.tokens == pytest.approx(4)
        assert slice_.sharers == 2


async def test_previews_leave_the_reserve_and_share_what_is_above_it(url: str) -> None:
    async with stores(url) as (one, two):
        assert (await share(one, soon=20)).tokens == pytest.approx(8)
        assert (await share(two, soon=20)).tokens == 0
        assert (await share(two, now=5)).tokens == pytest.approx(2)


async def test_who_asks_at_the_same_time_gets_no_token_that_another_one_got(url: str) -> None:
    needs = [Need(f"k{number}", STILL, now=1.0) for number in range(40)]
    async with stores(url, 4) as several:
        rounds = [store.share(order, AHEAD) for store in several for order in (needs, needs[::-1], needs[20:])]
        got = await asyncio.gather(*rounds)
    for number in range(40):
        assert sum(slices[f"k{number}"].tokens for slices in got if f"k{number}" in slices) <= 10 + 1e-6


async def test_the_slice_of_one_that_died_counts_until_its_lease_has_passed(url: str) -> None:
    flowing = Budget("flowing", rate=1e6, burst=10, reserve=0)
    async with stores(url) as (one, two):
        await share(one, budget=flowing, now=10)
        assert (await share(two, budget=flowing, now=10)).tokens < 1
        await execute(
            two, "UPDATE buckets SET parts = regexp_replace(parts, '\"until\":[0-9.e+]+', '\"until\":1', 'g')"
        )
        assert (await share(two, budget=flowing, now=10)).tokens == pytest.approx(10)


async def test_a_refusal_reaches_the_others_with_their_next_trade_and_counts_once(url: str) -> None:
    async with stores(url) as (one, two):
        await share(one, now=1)
        told = await share(one, rest=30.0)
        heard = await share(two, now=1)
        again = await share(two, now=1, rest=30.0)
        assert told.factor == heard.factor == again.factor == pytest.approx(0.8)
        assert heard.rest == pytest.approx(30.0, abs=5.0)
        assert (heard.tokens, heard.flow) == (0, 0)


async def test_a_trade_of_many_buckets_is_two_statements(url: str) -> None:
    async with stores(url, 1) as (store,):
        seen: list[str] = []
        await share(store, now=1)  # the first one sweeps as well
        engine = store._db._writer._engine.sync_engine  # type: ignore[attr-defined]  # of the PostgreSQL kind
        event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        await store.share([Need(f"k{number}", STILL, now=1.0) for number in range(500)], AHEAD)
        assert [statement.split()[0] for statement in seen] == ["INSERT", "UPDATE"]


async def test_buckets_that_nobody_uses_any_more_are_removed(url: str) -> None:
    async with stores(url) as (one, two):
        await share(one, "slack:T1:old", now=1)
        await share(one, "slack:T1:new", now=1)
        await execute(one, "UPDATE buckets SET updated = updated - 7200 WHERE key = 'slack:T1:old'")
        await share(two, "slack:T1:new", now=1)  # the first trade of a process
        assert await execute(two, "DELETE FROM buckets") == 1
