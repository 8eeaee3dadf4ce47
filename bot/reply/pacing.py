"""When a write may go out: one budget per bucket of a platform, shared by every conversation that uses it.

A pure machine: it is told the time and answers how long to wait. Each bucket holds tokens, as its ``Budget`` says.
First and final writes are served in the order they were asked for and may use every token. Previews get what is
left above a floor (the reserve, or one token for each live conversation if that is more), the conversation whose
last write is oldest first, and the emptier the bucket, the longer each one's interval. A 429 empties its own bucket
and lowers that bucket's rate for a while.

Whoever is told to wait keeps its place by asking again when the wait is over; a place not asked for lapses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

from bot.replies import Budget, Way

PREVIEW_SHARE = 0.8  # of a bucket's rate; the rest is for first and final writes
SLOWED = 0.8  # the rate after a 429, as a part of what it was
SLOWEST = 0.25
RECOVERY = 1 / 120  # of the full rate, regained per second without a 429
GRACE = 2.0  # seconds a place in the queue outlives the wait that was promised
_SWEEP_EVERY = 256
_NO_WAIT = 1e-6  # seconds: shorter waits are rounding


class Urgency(IntEnum):
    """First and final writes are what people wait for; previews fill what is left."""

    PREVIEW = 0
    FIRST = 1
    FINAL = 2


@dataclass(frozen=True, slots=True)
class Grant:
    """``wait`` 0: go now by ``way``, the tokens are taken. Otherwise ask again after ``wait`` seconds."""

    way: Way
    wait: float


@dataclass(slots=True)
class _Place:
    """A place in a bucket's queue: ``rank`` orders it (lowest first), after ``until`` it has lapsed."""

    rank: float
    until: float


@dataclass(slots=True)
class _Bucket:
    budget: Budget
    tokens: float
    updated: float
    rests_until: float = float("-inf")
    factor: float = 1.0
    live: dict[str, float] = field(default_factory=dict)
    urgent: dict[str, _Place] = field(default_factory=dict)
    previews: dict[str, _Place] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.budget.rate * self.factor

    def advance(self, now: float) -> None:
        if now <= self.updated:
            return
        self.tokens = min(float(self.budget.burst), self.tokens + (now - self.updated) * self.rate)
        if now > self.rests_until:
            rested = now - max(self.updated, self.rests_until)
            self.factor = min(1.0, self.factor + rested * RECOVERY)
        self.updated = now
        for queue in (self.urgent, self.previews):
            for name in [name for name, place in queue.items() if place.until < now]:
                del queue[name]

    def urgent_wait(self, conversation: str, rank: float, now: float) -> float:
        ahead = sum(place.rank < rank for name, place in self.urgent.items() if name != conversation)
        return max(self.rests_until - now, self._until_tokens(1 + ahead))

    def preview_wait(self, conversation: str, now: float) -> float:
        last = self.live.get(conversation, float("-inf"))
        ahead = sum(place.rank < last for name, place in self.previews.items() if name != conversation)
        free = self.tokens - self.floor - len(self.urgent)
        spare = min(1.0, max(0.0, free / max(1.0, self.budget.burst - self.floor)))
        fair = last + len(self.live) / (self.rate * PREVIEW_SHARE) * (1 - spare) ** 2
        needed = min(self.floor + 1.0, self.budget.burst) + len(self.urgent) + ahead
        return max(self.rests_until - now, fair - now, self._until_tokens(needed))

    @property
    def floor(self) -> float:
        """Tokens that previews leave: every live conversation has a final write to come."""
        return float(min(max(self.budget.reserve, len(self.live)), self.budget.burst - 1))

    def _until_tokens(self, needed: float) -> float:
        return max(0.0, needed - self.tokens) / self.rate

    def is_idle(self) -> bool:
        full = self.tokens >= self.budget.burst and self.factor >= 1.0
        return full and not (self.live or self.urgent or self.previews) and self.updated >= self.rests_until


class Pacing:
    """All buckets. ``conversation`` names whatever has one reply at a time; time is any clock that does not go back."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._tickets = count()
        self._ticket: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._open: dict[str, set[str]] = {}
        self._asked = 0

    def open(self, conversation: str) -> None:
        """A reply begins: it counts as live in every bucket it asks for."""
        self._open.setdefault(conversation, set())

    def closed(self, conversation: str) -> None:
        """The reply is over: it leaves every bucket and queue."""
        self._ticket.pop(conversation, None)
        self._last.pop(conversation, None)
        for key in self._open.pop(conversation, ()):
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.live.pop(conversation, None)
                bucket.urgent.pop(conversation, None)
                bucket.previews.pop(conversation, None)

    def due(self, now: float, ways: Sequence[Way], conversation: str, urgency: Urgency, spacing: float = 0.0) -> Grant:
        """Which of ``ways`` carries the next write, and in how many seconds.

        The first way that can go now is taken, else the one with the shortest wait, the earlier one on a tie.
        ``spacing``: least seconds since the conversation's last write, for previews only.
        """
        self._sweep(now)
        self.open(conversation)
        best: Grant | None = None
        for way in ways:
            wait = self._wait(now, way, conversation, urgency, spacing)
            if best is None or wait < best.wait:
                best = Grant(way, wait)
            if wait <= 0:
                break
        if best is None:
            raise ValueError("a write needs at least one way")
        self._leave_queues(conversation)
        if best.wait > 0:
            self._queue(now, best, conversation, urgency)
            return best
        self._take(now, best.way, conversation)
        return Grant(best.way, 0.0)

    def slowed(self, now: float, key: str, retry_after: float) -> None:
        """The platform refused a write of bucket ``key``: nothing goes through it for ``retry_after`` seconds."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(Budget(key, 1.0, 1, 0), 1.0, now)
        bucket.advance(now)
        if now >= bucket.rests_until:  # several refusals of one rest count once
            bucket.factor = max(SLOWEST, bucket.factor * SLOWED)
        bucket.rests_until = max(bucket.rests_until, now + retry_after)
        # What was refused was not counted: one write may try when the rest is over, if the budget allows that much.
        bucket.tokens = min(bucket.tokens + 1.0, 1.0 - (bucket.rests_until - now) * bucket.rate)

    def state(self, now: float) -> Mapping[str, tuple[float, int]]:
        """For metrics, by bucket: (tokens left, writes waiting)."""
        for bucket in self._buckets.values():
            bucket.advance(now)
        return {
            key: (
                0.0 if now < bucket.rests_until else max(0.0, bucket.tokens),
                len(bucket.urgent) + len(bucket.previews),
            )
            for key, bucket in self._buckets.items()
        }

    # --- steps of ``due``

    def _wait(self, now: float, way: Way, conversation: str, urgency: Urgency, spacing: float) -> float:
        is_preview = urgency is Urgency.PREVIEW
        wait = self._last.get(conversation, float("-inf")) + spacing - now if is_preview else 0.0
        for toll in way.tolls:
            bucket = self._buckets.get(toll.key)
            if bucket is None:
                bucket = self._buckets[toll.key] = _Bucket(toll.budget, float(toll.budget.burst), now)
            bucket.budget = toll.budget
            bucket.advance(now)
            if is_preview:
                bucket.live.setdefault(conversation, float("-inf"))
                wait = max(wait, bucket.preview_wait(conversation, now))
            else:
                rank = self._ticket.get(conversation, float("inf"))
                wait = max(wait, bucket.urgent_wait(conversation, rank, now))
            self._open[conversation].add(toll.key)
        return wait if wait > _NO_WAIT else 0.0

    def _queue(self, now: float, grant: Grant, conversation: str, urgency: Urgency) -> None:
        until = now + grant.wait + GRACE
        if urgency is not Urgency.PREVIEW and conversation not in self._ticket:
            self._ticket[conversation] = next(self._tickets)
        for toll in grant.way.tolls:
            bucket = self._buckets[toll.key]
            if urgency is Urgency.PREVIEW:
                bucket.previews[conversation] = _Place(bucket.live[conversation], until)
            else:
                bucket.urgent[conversation] = _Place(self._ticket[conversation], until)

    def _take(self, now: float, way: Way, conversation: str) -> None:
        self._ticket.pop(conversation, None)
        self._last[conversation] = now
        for toll in way.tolls:
            bucket = self._buckets[toll.key]
            bucket.tokens -= 1
            bucket.live[conversation] = now

    def _leave_queues(self, conversation: str) -> None:
        for key in self._open[conversation]:
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.urgent.pop(conversation, None)
                bucket.previews.pop(conversation, None)

    def _sweep(self, now: float) -> None:
        """Forget buckets that are as good as new."""
        self._asked += 1
        if self._asked % _SWEEP_EVERY:
            return
        for key, bucket in list(self._buckets.items()):
            bucket.advance(now)
            if bucket.is_idle():
                del self._buckets[key]
