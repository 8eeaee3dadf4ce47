"""Writes keep to the platform's budgets, finals find room, previews share what is left."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.budgets import SLOWED, SLOWEST
from bot.replies import Budget, Toll, Way
from bot.reply.pacing import COURTESY, Grant, Pacing, Urgency


def way(key: str, rate: float = 1.0, burst: int = 5, reserve: int = 1, name: str = "edit") -> Way:
    return Way(name, (Toll(Budget(key, rate, burst, reserve), key),))


@dataclass
class Crowd:
    """Conversations that ask again exactly when they were told to, in virtual time."""

    pacing: Pacing
    ways: list[Way]
    spacing: float = 0.0
    granted: list[tuple[float, str, Urgency]] = field(default_factory=list)
    asks: int = 0
    refusals: list[tuple[float, float]] = field(default_factory=list)

    def run(self, streams: Iterable[str], urgent: Iterable[tuple[float, str, Urgency]], until: float) -> None:
        queue = [(0.0, index, name, Urgency.PREVIEW) for index, name in enumerate(streams)]
        queue += [(at, 1_000 + index, name, urgency) for index, (at, name, urgency) in enumerate(urgent)]
        heapq.heapify(queue)
        order = 10_000
        while queue and queue[0][0] <= until:
            now, _, name, urgency = heapq.heappop(queue)
            self.asks += 1
            while self.refusals and self.refusals[0][0] <= now:
                at, rest = self.refusals.pop(0)
                self.pacing.slowed(at, self.ways[0].tolls[0].key, rest)
            grant = self.pacing.due(now, self.ways, name, urgency, self.spacing)
            order += 1
            if grant.wait > 0:
                heapq.heappush(queue, (now + grant.wait, order, name, urgency))
                continue
            self.granted.append((now, name, urgency))
            if urgency is Urgency.PREVIEW:
                heapq.heappush(queue, (now, order, name, urgency))
            else:
                self.pacing.closed(name)


budgets = st.tuples(st.floats(0.2, 20), st.integers(1, 20), st.integers(0, 3))


@given(
    budgets,
    st.integers(0, 8),
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from([Urgency.FIRST, Urgency.FINAL])), max_size=30),
    st.floats(0, 3),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=3),
)
def test_no_window_ever_holds_more_than_burst_and_rate_allow(
    budget: tuple[float, int, int],
    streams: int,
    urgent: list[tuple[float, Urgency]],
    spacing: float,
    refusals: list[tuple[float, float]],
) -> None:
    rate, burst, reserve = budget
    crowd = Crowd(Pacing(), [way("k", rate, burst, reserve)], spacing, refusals=sorted(refusals))
    asks = [(at, f"u{index}", urgency) for index, (at, urgency) in enumerate(urgent)]
    crowd.run((f"s{index}" for index in range(streams)), asks, until=40.0)
    times = [at for at, _, _ in crowd.granted]
    for first in range(len(times)):
        for last in range(first, min(len(times), first + 60)):
            # What was refused did not count, and may be written once more.
            allowed = burst + len(refusals) + rate * (times[last] - times[first])
            assert last - first + 1 <= allowed + 1e-6


@given(budgets, st.integers(1, 30), st.integers(1, 30))
def test_waiting_finals_are_served_in_order_each_as_soon_as_the_rate_allows(
    budget: tuple[float, int, int], streams: int, finals: int
) -> None:
    rate, burst, reserve = budget
    crowd = Crowd(Pacing(), [way("k", rate, burst, reserve)])
    crowd.run(
        (f"s{index}" for index in range(streams)),
        [(10.0, f"f{index}", Urgency.FINAL) for index in range(finals)],
        until=11.0 + finals / rate + 1,
    )
    served = [(at, name) for at, name, urgency in crowd.granted if urgency is Urgency.FINAL]
    assert [name for _, name in served] == [f"f{index}" for index in range(finals)]
    for index, (at, _) in enumerate(served):
        assert at <= 10.0 + (index + 1) / rate + 1e-6


@given(budgets.filter(lambda budget: budget[1] > budget[2] + 1), st.integers(1, 12))
def test_previews_always_leave_the_reserve(budget: tuple[float, int, int], streams: int) -> None:
    rate, burst, reserve = budget
    pacing = Pacing()
    now = 0.0
    for step in range(200):
        grant = pacing.due(now, [way("k", rate, burst, reserve)], f"s{step % streams}", Urgency.PREVIEW)
        assert pacing.state(now)["k"][0] >= reserve - 1e-6
        now += min(grant.wait, 0.3)


@given(budgets, st.integers(1, 12))
def test_previews_are_shared_fairly_and_nobody_starves(budget: tuple[float, int, int], streams: int) -> None:
    rate, burst, reserve = budget
    names = [f"s{index}" for index in range(streams)]
    crowd = Crowd(Pacing(), [way("k", rate, burst, reserve)], spacing=0.2)
    crowd.run(names, [], until=30 * streams / rate)
    shares = Counter(name for _, name, _ in crowd.granted)
    assert set(shares) == set(names)
    assert max(shares.values()) - min(shares.values()) <= 2 + burst
    assert sum(shares.values()) >= min(0.5 * 30 * streams, 30 * streams / rate / 0.2 * 0.5)
    assert crowd.asks <= 5 * len(crowd.granted) + 10 * streams


def test_a_lone_preview_keeps_its_spacing_and_uses_the_burst() -> None:
    crowd = Crowd(Pacing(), [way("k", rate=1.0, burst=10)], spacing=0.5)
    crowd.run(["s"], [], until=2.0)
    assert [at for at, _, _ in crowd.granted[:4]] == pytest.approx([0.0, 0.5, 1.0, 1.5])


def test_a_refusal_empties_its_own_bucket_and_no_other() -> None:
    pacing = Pacing()
    pacing.due(0.0, [way("a")], "one", Urgency.FIRST)
    pacing.due(0.0, [way("b")], "two", Urgency.FIRST)
    pacing.slowed(0.0, "a", 30.0)
    assert pacing.due(0.0, [way("a")], "one", Urgency.FINAL).wait == pytest.approx(30.0)
    assert pacing.due(0.0, [way("b")], "two", Urgency.FINAL).wait == 0.0


def test_another_way_is_taken_while_the_preferred_one_rests() -> None:
    pacing = Pacing()
    ways = [way("stream", name="append"), way("update")]
    assert pacing.due(0.0, ways, "one", Urgency.PREVIEW).way.name == "append"
    pacing.slowed(0.0, "stream", 60.0)
    grant = pacing.due(0.1, ways, "one", Urgency.FINAL)
    assert (grant.way.name, grant.wait) == ("edit", 0.0)


def test_repeated_refusals_lower_the_rate_and_quiet_restores_it() -> None:
    def spaced(pacing: Pacing, now: float) -> float:
        while pacing.due(now, [way("k")], "one", Urgency.FINAL).wait == 0.0:
            pass
        return pacing.due(now, [way("k")], "one", Urgency.FINAL).wait

    pacing = Pacing()
    full = spaced(pacing, 0.0)
    pacing.slowed(0.0, "k", 1.0)
    pacing.slowed(0.5, "k", 1.0)  # the same rest: counts once
    assert spaced(pacing, 1.5) == pytest.approx(full / SLOWED, rel=0.05)
    for refusal in range(20):
        pacing.slowed(2.0 + refusal, "k", 0.5)
    assert full / spaced(pacing, 22.5) >= SLOWEST
    assert spaced(pacing, 1_000.0) == pytest.approx(full)


def test_when_the_rest_is_over_one_write_goes_first_not_a_burst() -> None:
    pacing = Pacing()
    pacing.due(0.0, [way("k")], "one", Urgency.FIRST)
    pacing.slowed(0.0, "k", 3.0)
    waits = [pacing.due(3.0, [way("k")], name, Urgency.FINAL).wait for name in ("one", "two", "three")]
    assert waits[0] == 0.0
    assert 0.0 < waits[1] < waits[2]


def test_a_write_that_is_refused_again_and_again_waits_no_longer_than_it_is_told() -> None:
    pacing, ways = Pacing(), [way("k")]
    for second in range(9):
        assert pacing.due(float(second), ways, "one", Urgency.FINAL).wait == 0.0
        pacing.slowed(float(second), "k", 1.0)
        assert pacing.due(second + 0.5, ways, "one", Urgency.FINAL).wait == pytest.approx(0.5)


def test_a_place_that_nobody_comes_back_for_lapses() -> None:
    pacing = Pacing()
    while pacing.due(0.0, [way("k")], "drain", Urgency.FINAL).wait == 0.0:
        pass
    pacing.due(0.0, [way("k")], "lost", Urgency.FINAL)
    assert pacing.state(0.0)["k"][1] == 2
    assert pacing.state(60.0)["k"][:2] == (5.0, 0)


def test_replies_that_wait_for_their_first_write_go_in_the_order_in_which_they_began() -> None:
    pacing = Pacing()
    for name in "abc":
        pacing.open(name)
    crowd = Crowd(pacing, [way("k", burst=1)])
    crowd.run((), [(0.0, "before", Urgency.FINAL), (0.1, "c", Urgency.FIRST), (0.2, "b", Urgency.FINAL),
                   (0.3, "a", Urgency.FIRST)], until=10.0)  # fmt: skip
    assert [name for _, name, _ in crowd.granted] == ["before", "a", "b", "c"]


def test_a_first_write_lets_that_of_an_older_reply_go_first_if_it_comes_within_a_moment() -> None:
    def order(*, older_after: float, burst: int = 1) -> list[tuple[str, float]]:
        pacing, ways = Pacing(), [way("k", burst=burst)]
        for name in ("older", "younger"):
            pacing.expect(0.0, ways, name)
        crowd = Crowd(pacing, ways)
        crowd.run((), [(5.0, "younger", Urgency.FIRST), (5.0 + older_after, "older", Urgency.FIRST)], until=10.0)
        return [(name, at) for at, name, _ in crowd.granted]

    assert order(older_after=0.01) == [("older", 5.01), ("younger", pytest.approx(6.01))]
    assert order(older_after=0.5) == [("younger", 5.0 + COURTESY), ("older", pytest.approx(6.0 + COURTESY))]
    assert order(older_after=0.01, burst=2) == [("younger", 5.0), ("older", 5.01)]  # it makes nobody wait


def test_courtesy_costs_a_moment_and_never_the_better_way_nor_a_final_write() -> None:
    pacing = Pacing()
    ways = [way("stream", burst=1, name="start"), way("post", burst=9, name="post")]
    pacing.expect(0.0, ways, "older")
    pacing.expect(0.0, ways[:1], "younger")
    assert pacing.due(0.0, ways, "younger", Urgency.FIRST) == Grant(ways[0], COURTESY)
    assert pacing.due(COURTESY, ways, "younger", Urgency.FIRST) == Grant(ways[0], 0.0)
    assert pacing.due(9.0, ways, "younger", Urgency.FINAL) == Grant(ways[0], 0.0)


def test_after_its_first_write_a_reply_waits_behind_what_was_asked_for_before() -> None:
    pacing = Pacing()
    pacing.open("old")
    ways = [way("k", burst=1)]
    assert pacing.due(0.0, ways, "old", Urgency.FIRST).wait == 0.0
    assert pacing.due(0.0, ways, "one", Urgency.FINAL).wait == pytest.approx(1.0)
    assert pacing.due(0.0, ways, "old", Urgency.FINAL).wait == pytest.approx(2.0)


def test_a_closed_conversation_frees_its_place() -> None:
    pacing = Pacing()
    while pacing.due(0.0, [way("k")], "drain", Urgency.FINAL).wait == 0.0:
        pass
    pacing.closed("drain")
    first = pacing.due(0.0, [way("k")], "one", Urgency.FINAL).wait
    pacing.closed("one")
    assert pacing.due(0.0, [way("k")], "two", Urgency.FINAL).wait == first


def test_idle_buckets_are_forgotten() -> None:
    pacing = Pacing()
    for index in range(5_000):
        pacing.due(index * 10.0, [way(f"k{index}")], f"c{index}", Urgency.FINAL)
        pacing.closed(f"c{index}")
    assert len(pacing.state(50_000.0)) < 600


def test_time_that_stands_or_goes_back_gives_nothing() -> None:
    pacing = Pacing()
    for now in (100.0, 50.0, 100.0, 0.0, 100.0):
        pacing.due(now, [way("k")], "one", Urgency.FINAL)
    assert pacing.due(100.0, [way("k")], "one", Urgency.FINAL).wait > 0


def test_a_write_that_pays_in_two_buckets_waits_for_both() -> None:
    both = Way("create", (*way("channel", 1.0, 1).tolls, *way("global", 50.0, 50).tolls))
    pacing = Pacing()
    assert pacing.due(0.0, [both], "one", Urgency.FIRST).wait == 0.0
    assert pacing.due(0.0, [both], "two", Urgency.FIRST).wait == pytest.approx(1.0)
    assert pacing.state(0.0)["global"][0] == 49.0
