"""Slices are there when a write wants them, given back in the end, and asked for seldom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import pytest

from bot.budgets import Level, Pool
from bot.errors import StoreBusy
from bot.lease import Lease
from bot.ports import Need, Slice, Store
from bot.replies import Budget, Toll, Way
from bot.reply.pacing import Pacing, Urgency
from bot.slices import Slices

PATIENCE = 30.0
BUDGET = Budget("b", rate=0.001, burst=10, reserve=2)
WAYS = [Way("edit", (Toll(BUDGET, "k"),))]
PRIVATE = [Way("edit", (Toll(Budget("own", rate=0.001, burst=10, private=True), "own"),))]


class Pools:
    """The store's side, in memory. ``away``: it does not answer; ``broken``: it answers with nonsense."""

    def __init__(self) -> None:
        self.pool = Pool(Level(10.0, 0.0))
        self.trades: list[Sequence[Need]] = []
        self.answered = 0
        self.away = self.broken = False

    async def share(self, needs: Sequence[Need], ahead: float) -> Mapping[str, Slice]:
        self.trades.append(needs)
        await asyncio.sleep(0)
        if self.away:
            raise StoreBusy("away")
        if self.broken:
            raise KeyError
        now = asyncio.get_running_loop().time()
        self.answered += 1
        return {need.key: self.pool.trade("me", need, now, ahead, 15.0) for need in needs}


class Home:
    """A process that writes."""

    def __init__(self) -> None:
        self.pools = Pools()
        needed = asyncio.Event()
        self.pacing = Pacing(needed.set)
        self.slices = Slices(cast(Store, self.pools), self.pacing, Lease(300.0), needed)

    async def writes(self, name: str, ways: Sequence[Way] = WAYS) -> None:
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(PATIENCE):
            while (wait := self.pacing.due(clock(), ways, name, Urgency.FINAL).wait) > 0:
                await asyncio.sleep(wait)
        self.pacing.closed(name)


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    it = Home()
    it.slices.start()
    yield it
    with contextlib.suppress(asyncio.CancelledError):
        await it.slices.close()


async def test_a_write_that_finds_nothing_at_hand_has_it_fetched_at_once(home: Home) -> None:
    await home.writes("one")
    assert [[need.now for need in trade] for trade in home.pools.trades] == [[1.0]]


async def test_what_is_expected_is_at_hand_when_it_is_due(home: Home) -> None:
    clock = asyncio.get_running_loop().time
    for name in ("one", "two"):
        home.pacing.expect(clock(), WAYS, name)
    async with asyncio.timeout(PATIENCE):
        while not home.pools.answered:
            await asyncio.sleep(0.01)
    for name in ("one", "two"):
        assert home.pacing.due(clock(), WAYS, name, Urgency.FIRST).wait == 0
    assert len(home.pools.trades) == 1


async def test_what_nobody_else_writes_to_is_not_traded(home: Home) -> None:
    clock = asyncio.get_running_loop().time
    home.pacing.expect(clock(), PRIVATE, "one")
    assert home.pacing.due(clock(), PRIVATE, "one", Urgency.FINAL).wait == 0
    assert not home.pacing.needs(clock())


@pytest.mark.parametrize("trouble", ["away", "broken"])
async def test_a_store_in_trouble_is_asked_again_and_then_the_write_goes(home: Home, trouble: str) -> None:
    setattr(home.pools, trouble, True)
    writing = asyncio.create_task(home.writes("one"))
    async with asyncio.timeout(PATIENCE):
        while len(home.pools.trades) < 3:
            await asyncio.sleep(0.01)
    assert not writing.done()
    setattr(home.pools, trouble, False)
    await writing


async def test_in_the_end_everything_is_given_back_and_a_store_that_is_away_does_not_matter() -> None:
    home = Home()
    home.slices.start()
    for name in ("one", "two"):
        home.pacing.expect(asyncio.get_running_loop().time(), WAYS, name)
    await home.writes("one")
    home.pacing.closed("two")
    await home.slices.close()
    assert home.pools.pool.parts == {}
    assert home.pools.pool.level.tokens == pytest.approx(9.0, abs=0.1)
    home.pacing.expect(asyncio.get_running_loop().time(), WAYS, "three")
    home.pools.away = True
    await home.slices.close()
