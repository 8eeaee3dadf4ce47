"""When a write may go out: one budget per bucket of a platform, shared by every conversation that uses it.

A pure machine: it is told the time and answers how long to wait. Each bucket holds tokens, as its ``Budget`` says.
First and final writes may use every token, and wait in the order of their tickets: a reply draws that of its first
write when it begins, those of later ones when they are asked for. Previews get what is left above a floor (the reserve,
or one token for each live conversation if that is more), the conversation whose last write is oldest first, and the
emptier the bucket, the longer each one's interval. A 429 empties its own bucket and lowers that bucket's rate for a
while.

Whoever is told to wait keeps its place by asking again when the wait is over; a place not asked for lapses.

Where other processes write too, this one spends from slices: ``needs`` says what to trade for, ``supply`` takes what
came, and ``expect`` makes sure that it has come before a write is due. ``expect`` also lets younger replies wait for a
moment before they take the last tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from math import inf

from bot.budgets import Level
from bot.ports import Need, Slice
from bot.replies import Budget, Toll, Way
from bot.reply.bucket import NO_WAIT, Bucket, Place

GRACE = 2.0  # seconds a place in the queue outlives the wait that was promised
COURTESY = 0.02  # seconds that a first write waits for that of an older reply, where the second of them must wait long
LONGEST_GUESS = 2.0  # seconds a preview waits on an estimate of what other processes will leave
_FEW = 2.0  # tokens; with fewer, who comes second waits for the rate, always where a bucket holds one
_SWEEP_EVERY = 256


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


class Pacing:
    """All buckets. ``conversation`` names whatever has one reply at a time; time is any clock that does not go back.

    ``fetch`` is called when slices should be traded soon; ``None`` where nobody else writes and all is at hand.
    """

    def __init__(self, fetch: Callable[[], None] | None = None) -> None:
        self._fetch = fetch
        self._buckets: dict[str, Bucket] = {}
        self._tickets = count()
        self._ticket: dict[str, int] = {}
        self._polite: dict[str, float] = {}  # since when a first write waits out of courtesy
        self._last: dict[str, float] = {}
        self._open: dict[str, set[str]] = {}
        self._asked = 0

    def open(self, conversation: str) -> None:
        """A reply begins: it counts as live in every bucket it asks for. No effect on one that has begun."""
        if conversation not in self._open:
            self._open[conversation] = set()
            self._ticket[conversation] = next(self._tickets)

    def closed(self, conversation: str) -> None:
        """The reply is over: it leaves every bucket and queue."""
        self._ticket.pop(conversation, None)
        self._polite.pop(conversation, None)
        self._last.pop(conversation, None)
        for key in self._open.pop(conversation, ()):
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.leave(conversation)

    @property
    def shared(self) -> bool:
        """Other processes write too."""
        return self._fetch is not None

    def expect(self, now: float, ways: Sequence[Way], conversation: str) -> None:
        """A first or final write will come by one of ``ways``: have its tokens at hand, and its place kept."""
        self.open(conversation)
        way = next((way for way in ways if self._may_carry(now, way)), ways[0])
        for toll in way.tolls:
            self._open[conversation].add(toll.key)
            self._bucket(now, toll).expect(conversation)
        self._fetch_if_hungry([way])

    def _may_carry(self, now: float, way: Way) -> bool:
        """There are tokens for one more than those that are expected."""
        for toll in way.tolls:
            bucket = self._bucket(now, toll)
            bucket.advance(now)
            if bucket.tokens < 1 + len(bucket.urgent.keys() | bucket.expected):
                return False
        return True

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
        if best.wait <= 0 and urgency is not Urgency.PREVIEW:
            best = Grant(best.way, self._courtesy(now, best.way, conversation))
        self._leave_queues(conversation)
        if best.wait > 0:
            self._queue(now, best, conversation, urgency)
        else:
            self._take(now, best.way, conversation, urgency)
        self._fetch_if_hungry([best.way])
        if urgency is Urgency.PREVIEW and self.shared and best.wait > LONGEST_GUESS:
            return Grant(best.way, LONGEST_GUESS)
        return best

    def slowed(self, now: float, key: str, retry_after: float) -> None:
        """The platform refused a write of bucket ``key``: nothing goes through it for ``retry_after`` seconds."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(key, Budget(key, 1.0, 1, 0), Level(1.0, now))
        bucket.refuse(now, retry_after)
        if bucket.hungry and self._fetch is not None:
            self._fetch()

    def state(self, now: float) -> Mapping[str, tuple[float, int, str]]:
        """For metrics, by bucket: (tokens left, writes waiting, name of its budget)."""
        for bucket in self._buckets.values():
            bucket.advance(now)
        return {
            key: (
                0.0 if now < bucket.level.rests_until else max(0.0, bucket.mine),
                len(bucket.urgent) + len(bucket.previews),
                bucket.budget.name,
            )
            for key, bucket in self._buckets.items()
        }

    # --- trading with the pools

    def needs(self, now: float, ending: bool = False) -> Sequence[Need]:
        """What to say to the pools, in one trade. ``ending``: nothing more is written."""
        found = [bucket.need(now, ending) for bucket in self._buckets.values() if bucket.shared]
        return [need for need in found if need is not None]

    def supply(
        self, now: float, began: float, needs: Sequence[Need], slices: Mapping[str, Slice], ahead: float, lease: float
    ) -> None:
        """What came of ``needs`` told at ``began``. From then they flow for ``ahead`` and count for ``lease``."""
        for need in needs:
            bucket = self._buckets.get(need.key)
            if bucket is not None and need.key in slices:
                bucket.supply(now, began, need, slices[need.key], ahead)
                bucket.until = began + lease

    def regular(self, following: float) -> None:
        """When the next trade will be if nothing happens."""
        for bucket in self._buckets.values():
            bucket.following = following

    # --- steps of ``due``

    def _wait(self, now: float, way: Way, conversation: str, urgency: Urgency, spacing: float) -> float:
        is_preview = urgency is Urgency.PREVIEW
        wait = self._last.get(conversation, float("-inf")) + spacing - now if is_preview else 0.0
        for toll in way.tolls:
            bucket = self._bucket(now, toll)
            bucket.advance(now)
            if is_preview:
                bucket.live.setdefault(conversation, float("-inf"))
                wait = max(wait, bucket.preview_wait(conversation, now))
            else:
                rank = self._ticket.get(conversation, inf)
                wait = max(wait, bucket.urgent_wait(conversation, rank, now))
            self._open[conversation].add(toll.key)
        return wait if wait > NO_WAIT else 0.0

    def _courtesy(self, now: float, way: Way, conversation: str) -> float:
        """What a first write that may go now by ``way`` waits for that of an older reply."""
        rank = self._ticket.get(conversation, -inf)
        for toll in way.tolls:
            bucket = self._buckets[toll.key]
            if bucket.tokens < _FEW and any(self._ticket.get(name, inf) < rank for name in bucket.expected):
                wait = self._polite.setdefault(conversation, now) + COURTESY - now
                return wait if wait > NO_WAIT else 0.0
        return 0.0

    def _bucket(self, now: float, toll: Toll) -> Bucket:
        bucket = self._buckets.get(toll.key)
        if bucket is None:
            bucket = self._buckets[toll.key] = Bucket(toll.key, toll.budget, Level(float(toll.budget.burst), now))
        bucket.budget = toll.budget
        if self.shared and not bucket.shared and not toll.budget.private:
            bucket.hand = 0.0
        return bucket

    def _queue(self, now: float, grant: Grant, conversation: str, urgency: Urgency) -> None:
        until = now + grant.wait + GRACE
        if urgency is not Urgency.PREVIEW and conversation not in self._ticket:
            self._ticket[conversation] = next(self._tickets)
        for toll in grant.way.tolls:
            bucket = self._buckets[toll.key]
            if urgency is Urgency.PREVIEW:
                bucket.previews[conversation] = Place(bucket.live[conversation], until)
            else:
                bucket.urgent[conversation] = Place(self._ticket[conversation], until)

    def _take(self, now: float, way: Way, conversation: str, urgency: Urgency) -> None:
        self._ticket.pop(conversation, None)
        self._polite.pop(conversation, None)
        self._last[conversation] = now
        for key in self._open[conversation]:
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.expected.discard(conversation)
        for toll in way.tolls:
            self._buckets[toll.key].take(now, conversation, is_preview=urgency is Urgency.PREVIEW)

    def _fetch_if_hungry(self, ways: Sequence[Way]) -> None:
        if self._fetch is not None and any(self._buckets[toll.key].hungry for way in ways for toll in way.tolls):
            self._fetch()

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
            if bucket.is_idle(now):
                del self._buckets[key]
