"""Processes that share a bucket write no more together than one could alone, and none of them starves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.budgets import SLOWED
from bot.replies import Budget
from bot.reply.pacing import Pacing, Urgency
from tests.bot.sharing import GAP, PERIOD, Process, World

budgets = st.builds(Budget, st.just("b"), st.floats(0.25, 5), st.integers(1, 20), st.integers(0, 3)).filter(
    lambda budget: budget.reserve < budget.burst
)
trips = st.lists(st.tuples(st.floats(0.001, 4), st.floats(0.001, 4)), min_size=1, max_size=5)
SLOWLY = Budget("slowly", rate=0.5, burst=10, reserve=2)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Two or three processes that do anything, on a store that answers late or never."""
    world = World(draw(budgets), draw(trips), draw(st.frozensets(st.integers(0, 20), max_size=5)))
    for name in draw(st.sampled_from(["ab", "abc"])):
        process = Process(world, name, draw(st.floats(-100, 100)))
        for index in range(draw(st.integers(0, 3))):
            process.streams(f"s{index}", draw(st.floats(0, 15)), draw(st.floats(10, 30)))
        for index, at in enumerate(draw(st.lists(st.floats(0, 30), max_size=15))):
            process.writes(f"f{index}", at)
        for at, seconds in draw(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=2)):
            process.is_refused(at, seconds)
        if draw(st.booleans()):
            process.dies(draw(st.floats(1, 30)))
    return world


@given(worlds())
def test_no_window_ever_holds_more_of_all_processes_than_one_might_write_alone(world: World) -> None:
    world.run(until=32.0)
    times = world.times()
    for first in range(len(times)):
        for last in range(first, min(len(times), first + 60)):
            # What was refused did not count, and may be written once more.
            allowed = world.burst + world.refusals + world.budget.rate * (times[last] - times[first])
            assert last - first + 1 <= allowed + 1e-6


@given(budgets, st.integers(1, 4), st.integers(1, 20))
def test_who_is_alone_with_a_bucket_has_all_of_it(budget: Budget, streams: int, finals: int) -> None:
    world = World(budget)
    one, other = Process(world, "a"), Process(world, "b")
    other.writes("early", 0.0)  # it used the bucket, and does not any more
    for index in range(streams):
        one.streams(f"s{index}", since=5.0)
    start = 25.0
    for index in range(finals):
        one.writes(f"f{index}", start)
    world.run(until=start + finals / budget.rate + 1)
    served = world.times("a", Urgency.FINAL)
    assert len(served) == finals
    late = 2 * GAP + 0.1  # a trade or two, and a moment for each
    for index, at in enumerate(served):
        assert at <= start + 1.2 * (index + 1) / budget.rate + late

    simple = World(budget)
    lone = Process(simple, "a", pacing=Pacing())
    for index in range(streams):
        lone.streams(f"s{index}", since=5.0)
    simple.run(until=start)
    assert len([at for at in world.times("a") if at < start]) >= 0.75 * len(simple.times("a")) - 2


@given(budgets, st.integers(1, 5))
def test_everybody_who_wants_previews_gets_an_even_part_of_them(budget: Budget, streams: int) -> None:
    world = World(budget)
    for name in "abc":
        process = Process(world, name)
        for index in range(streams):
            process.streams(f"s{index}")
    seconds = 60 / budget.rate + 30
    world.run(until=seconds)
    shares = [len(world.times(name)) for name in "abc"]
    assert min(shares) >= 0.5 * max(shares) - 2
    assert sum(shares) >= 0.4 * seconds * budget.rate


@given(budgets, st.integers(1, 30))
def test_a_final_write_does_not_wait_for_the_queue_of_another_process(budget: Budget, finals: int) -> None:
    world = World(budget)
    one, other = Process(world, "a"), Process(world, "b")
    for index in range(finals):
        one.writes(f"f{index}", 1.0)
    other.writes("f", 2.0)
    world.run(until=2.0 + (finals + 2) / budget.rate + 20)
    assert len(world.times("a")) == finals
    (at,) = world.times("b")
    assert at <= 2.0 + 4 / budget.rate + 2 * PERIOD + 1


def test_what_a_dead_process_had_reserved_comes_back() -> None:
    world = World(SLOWLY)
    one, other = Process(world, "a"), Process(world, "b")
    for index in range(4):
        one.streams(f"s{index}")
    one.dies(0.5)
    world.run(until=60.0)
    for index in range(SLOWLY.burst):
        other.writes(f"f{index}", 60.0)
    world.run(until=61.0)
    assert len(world.times("b")) == SLOWLY.burst


def test_a_refusal_in_one_process_slows_the_others_too() -> None:
    world = World(SLOWLY)
    one, other = Process(world, "a"), Process(world, "b")
    one.streams("s")
    other.streams("s")
    one.is_refused(10.0, 20.0)
    world.run(until=60.0)
    assert not [at for at in world.times("a") if 10.0 < at < 30.0]
    assert not [at for at in world.times("b") if 10.0 + PERIOD + 0.1 < at < 30.0]
    assert [at for at in world.times("b") if at > 30.0]
    after = [at for at in world.times() if 30.0 <= at < 35.0]
    assert len(after) <= 1 + 5.0 * SLOWLY.rate * (SLOWED + 0.1)


def test_while_the_store_is_away_what_is_at_hand_is_spent_and_no_more() -> None:
    world = World(Budget("b", rate=2.0, burst=10, reserve=2), lost=frozenset(range(3, 1_000)))
    process = Process(world, "a")
    process.streams("s")
    world.run(until=100.0)
    assert world.trades > 10
    assert world.times()[-1] < 30.0


def test_trades_are_few_however_much_is_written() -> None:
    world = World(Budget("b", rate=20.0, burst=20, reserve=3))
    for name in "ab":
        process = Process(world, name)
        for index in range(30):
            process.streams(f"s{index}")
    world.run(until=120.0)
    assert len(world.times()) > 1_500
    assert world.trades < 120 / PERIOD * 2 * 1.5


def test_previews_of_one_process_leave_the_reserve_to_the_others() -> None:
    world = World(SLOWLY)
    one, other = Process(world, "a"), Process(world, "b")
    for index in range(9):
        one.streams(f"s{index}")
    other.writes("f1", 50.0)
    other.writes("f2", 50.0)
    world.run(until=60.0)
    assert world.times("b") == pytest.approx([50.0, 50.0], abs=0.2)


def test_flows_are_smooth() -> None:
    world = World(SLOWLY)
    for name in "ab":
        Process(world, name).streams("s")
    world.run(until=200.0)
    for name in "ab":
        late = [at for at in world.times(name) if at > 60.0]
        assert max(b - a for a, b in pairwise(late)) < 4 / SLOWLY.rate
