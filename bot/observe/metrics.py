"""The numbers of a running bot, for Prometheus. Labels come from small fixed sets: never ids, names or texts.

One ``Metrics`` has its own registry, so that tests and several bots in one process do not share counts. What other
parts know at any time (write budgets, the provider's limits, lanes) is read when the numbers are asked for
(``bot.observe.gauges``), not written on every change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from bot.errors import CompletionFailed
from bot.observe.gauges import Gauges, PacingState
from bot.ports import Finished, LimitState, Outcome
from bot.replies import Receipt

CONTENT_TYPE = CONTENT_TYPE_LATEST

_QUICK = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_PATIENT = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 30, 60)


class Metrics:
    """What the other parts tell; cheap enough for the hot path (no call is made per delta)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._events = Counter(
            "parley_events", "Events by kind and what was done", ("kind", "result"), registry=registry
        )
        self._turns = Counter("parley_turns_settled", "Turns settled by outcome", ("outcome",), registry=registry)
        self._calls = Counter("parley_completions", "Calls of the model by result", ("result",), registry=registry)
        self._tokens = Counter("parley_tokens", "Tokens by kind", ("kind",), registry=registry)
        self._writes = Counter(
            "parley_writes", "Writes by platform, kind and result", ("platform", "kind", "result"), registry=registry
        )
        self._slowed = Counter("parley_slow_downs", "Times a platform asked to rest", ("platform",), registry=registry)
        self._stored = Gauge("parley_stored", "Rows in the database", ("kind",), registry=registry)
        self._unanswered = Gauge("parley_unanswered", "Questions accepted and not yet settled", registry=registry)
        self._asked = Histogram(
            "parley_event_to_request_seconds",
            "From a question's arrival to the call",
            buckets=_QUICK,
            registry=registry,
        )
        self._first_text = Histogram(
            "parley_first_text_seconds", "From a question's arrival to text", buckets=_PATIENT, registry=registry
        )
        self._tail = Histogram(
            "parley_tail_seconds", "From the model's last text to the final write", buckets=_QUICK, registry=registry
        )
        self._gauges = Gauges(clock)
        registry.register(self._gauges)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def received(self, kind: str, receipt: Receipt) -> None:
        """``bot.desk`` took an event. ``kind``: the event's class name."""
        self._events.labels(kind, _result(receipt)).inc()

    def asked(self, waited: float | None) -> None:
        """A completion was requested ``waited`` seconds after the question came; ``None`` after a restart."""
        if waited is not None:
            self._asked.observe(max(waited, 0.0))

    def completed(self, finished: Finished | None, failure: CompletionFailed | None) -> None:
        """A completion ended; neither is given when it was stopped."""
        if failure is not None:
            self._calls.labels(failure.kind).inc()
        else:
            self._calls.labels("ok" if finished is not None else "stopped").inc()
        usage = finished.usage if finished is not None else None
        if usage is not None:
            self._tokens.labels("in").inc(max(usage.prompt_tokens, 0))
            self._tokens.labels("out").inc(max(usage.completion_tokens, 0))
            self._tokens.labels("cached").inc(max(usage.cached_tokens, 0))
            self._tokens.labels("reasoning").inc(max(usage.reasoning_tokens, 0))

    def shown(self, *, first_text: float, tail: float) -> None:
        """An answer stands. Seconds from the question's arrival to text, and from the last text to the final write."""
        self._first_text.observe(max(first_text, 0.0))
        self._tail.observe(max(tail, 0.0))

    def settled(self, outcome: Outcome) -> None:
        self._turns.labels(outcome.value).inc()

    def wrote(self, platform: str, kind: str, result: str) -> None:
        """A write was tried. ``kind``: first, preview or final; ``result``: ok, slow_down, unsent or gone."""
        self._writes.labels(platform, kind, result).inc()

    def slowed(self, platform: str) -> None:
        """A platform asked one of its buckets to rest."""
        self._slowed.labels(platform).inc()

    def counted(self, counts: Mapping[str, int]) -> None:
        """What ``Store.counts`` says now."""
        for kind, number in counts.items():
            self._stored.labels(kind).set(number)
        self._unanswered.set(counts.get("unsettled", 0))

    def watch(
        self,
        *,
        pacing: PacingState | None = None,
        limits: Callable[[], Sequence[LimitState]] | None = None,
        lanes: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        """What to ask whenever the numbers are asked for. ``lanes`` gives (running, known)."""
        self._gauges.pacing, self._gauges.limits, self._gauges.lanes = pacing, limits, lanes

    def exposition(self) -> bytes:
        """The numbers in Prometheus' text format (``CONTENT_TYPE``)."""
        return generate_latest(self.registry)


def _result(receipt: Receipt) -> str:
    if receipt.duplicate:
        return "duplicate"
    if receipt.accepted:
        return "accepted"
    if receipt.field_errors or (receipt.notice is not None and receipt.notice.error):
        return "refused"
    return "ignored"
