"""The gauges that are read from their owners at the moment somebody asks for the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.ports import LimitState


class PacingState(Protocol):
    """``bot.reply.pacing.Pacing``, as far as the numbers need it."""

    def state(self, now: float) -> Mapping[str, tuple[float, int, str]]:
        """Bucket key → (writes left now, writes waiting, name of its budget)."""
        ...


class Gauges(Collector):
    """Collected anew each time. Buckets are told by their platform (what their key begins with) and budget."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.pacing: PacingState | None = None
        self.limits: Callable[[], Sequence[LimitState]] | None = None
        self.lanes: Callable[[], tuple[int, int]] | None = None

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing at registration: the owners are not known yet."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield from self._budgets()
        yield from self._limits()
        running, known = self.lanes() if self.lanes is not None else (0, 0)
        lanes = GaugeMetricFamily("parley_lanes", "Conversations answered now, and known here", labels=("state",))
        lanes.add_metric(("running",), running)
        lanes.add_metric(("known",), known)
        yield lanes

    def _budgets(self) -> Iterable[GaugeMetricFamily]:
        left: dict[tuple[str, str], float] = {}
        queued: dict[tuple[str, str], int] = {}
        buckets = self.pacing.state(self._clock()) if self.pacing is not None else {}
        for key, (remaining, waiting, budget) in buckets.items():
            labels = (key.partition(":")[0], budget)
            left[labels] = min(remaining, left.get(labels, remaining))
            queued[labels] = waiting + queued.get(labels, 0)
        names = ("platform", "method")
        remaining_family = GaugeMetricFamily("parley_write_budget", "Writes left in the emptiest bucket", labels=names)
        waiting_family = GaugeMetricFamily("parley_writes_waiting", "Writes waiting for budget", labels=names)
        for labels, least in left.items():
            remaining_family.add_metric(labels, least)
            waiting_family.add_metric(labels, queued[labels])
        yield remaining_family
        yield waiting_family

    def _limits(self) -> Iterable[GaugeMetricFamily]:
        names = ("model", "kind")
        remaining = GaugeMetricFamily(
            "parley_provider_limit_remaining", "What the provider's limit leaves", labels=names
        )
        resets = GaugeMetricFamily(
            "parley_provider_limit_reset_seconds", "Seconds until it is full again", labels=names
        )
        for limit in self.limits() if self.limits is not None else ():
            remaining.add_metric((limit.model, limit.kind), limit.remaining)
            resets.add_metric((limit.model, limit.kind), limit.reset_in)
        yield remaining
        yield resets
