"""Processes that share one bucket, in virtual time: each with its own clock, asking when it was told to."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from bot.budgets import Level, Pool
from bot.ports import Need, Slice
from bot.replies import Budget, Toll, Way
from bot.reply.pacing import Pacing, Urgency

LEASE, PERIOD, AHEAD, GAP = 15.0, 3.0, 6.0, 0.1
KEY = "bucket"


@dataclass
class World:
    """What happens, in order. ``trips``: seconds to the store and back, used in turn; ``lost`` trades by number."""

    budget: Budget
    trips: Sequence[tuple[float, float]] = ((0.004, 0.004),)
    lost: frozenset[int] = frozenset()
    now: float = 0.0
    granted: list[tuple[float, str, Urgency]] = field(default_factory=list)
    trades: int = 0
    refusals: int = 0
    processes: list[str] = field(default_factory=list)
    pool: Pool = field(init=False)
    _queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.pool = Pool(Level(float(self.budget.burst), 0.0))

    @property
    def burst(self) -> float:
        """The most that may be written at once: where there is less than one write for each, each has one."""
        n, budget = len(self.processes), self.budget
        return budget.burst + (n if budget.burst - budget.reserve < n else 0)

    @property
    def ways(self) -> list[Way]:
        return [Way("edit", (Toll(self.budget, KEY),))]

    def at(self, when: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), do))

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.now, _, do = heapq.heappop(self._queue)
            do()
        self.now = until

    def times(self, process: str = "", urgency: Urgency | None = None) -> list[float]:
        return [at for at, name, kind in self.granted if name.startswith(process) and urgency in (None, kind)]


class Process:
    """One of them. ``offset``: how far its clock is from the store's."""

    def __init__(self, world: World, name: str, offset: float = 0.0, pacing: Pacing | None = None) -> None:
        self.world, self.name, self.offset = world, name, offset
        self.pacing = pacing or Pacing(self._fetch)
        self.alive = True
        world.processes.append(name)
        self._trading = False
        self._last = -GAP
        self._regular = 0
        self._plan(PERIOD)

    @property
    def clock(self) -> float:
        return self.world.now + self.offset

    def streams(self, name: str, since: float = 0.0, until: float = 1e9, spacing: float = 0.0) -> None:
        """A conversation that wants a preview all the time."""
        self._asks(since, f"{self.name}{name}", Urgency.PREVIEW, until, spacing)

    def writes(self, name: str, at: float, urgency: Urgency = Urgency.FINAL) -> None:
        self._asks(at, f"{self.name}{name}", urgency)

    def is_refused(self, at: float, seconds: float) -> None:
        self.world.refusals += 1
        self.world.at(at, lambda: self.pacing.slowed(self.clock, KEY, seconds))

    def dies(self, at: float) -> None:
        def die() -> None:
            self.alive = False

        self.world.at(at, die)

    # --- asking

    def _asks(self, when: float, name: str, urgency: Urgency, until: float = 1e9, spacing: float = 0.0) -> None:
        def ask() -> None:
            if not self.alive:
                return
            if self.world.now > until:
                self.pacing.closed(name)
                return
            grant = self.pacing.due(self.clock, self.world.ways, name, urgency, spacing)
            again = self.world.now + grant.wait
            if grant.wait <= 0:
                self.world.granted.append((self.world.now, name, urgency))
                if urgency is not Urgency.PREVIEW:
                    self.pacing.closed(name)
                    return
            self._asks(again, name, urgency, until, spacing)

        self.world.at(when, ask)

    # --- trading

    def _fetch(self) -> None:
        if not self._trading:
            self._plan(max(self.world.now, self._last + GAP))

    def _plan(self, when: float) -> None:
        self._regular += 1
        number = self._regular
        self.world.at(when, lambda: self._trade() if number == self._regular else None)

    def _trade(self) -> None:
        if not self.alive or self._trading:
            return
        self._trading = True
        began = self.clock
        needs = self.pacing.needs(began)
        there, back = self.world.trips[self.world.trades % len(self.world.trips)]
        lost = self.world.trades in self.world.lost
        self.world.trades += bool(needs)
        slices: dict[str, Slice] = {}
        self.world.at(self.world.now + there, lambda: slices.update(self._give(needs)))
        self.world.at(self.world.now + there + back, lambda: self._end(began, needs, {} if lost else slices))

    def _give(self, needs: Sequence[Need]) -> dict[str, Slice]:
        """The store's side, by its own clock."""
        pool = self.world.pool
        given = {need.key: pool.trade(self.name, need, self.world.now, AHEAD, LEASE) for need in needs}
        held = pool.level.tokens + sum(part.most for part in pool.parts.values())
        assert held <= self.world.burst + 1e-6
        return given

    def _end(self, began: float, needs: Sequence[Need], slices: dict[str, Slice]) -> None:
        self._trading = False
        self._last = self.world.now
        if self.alive:
            self.pacing.supply(self.clock, began, needs, slices, AHEAD, 0.8 * LEASE)
            self.pacing.regular(self.clock + PERIOD)
            self._plan(self.world.now + PERIOD)
