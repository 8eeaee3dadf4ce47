"""How a bucket of a platform's writes is counted, and how processes share one.

A pure machine. ``Level`` is the count itself: tokens that fill up by the budget's rate, slowed by refusals. ``Pool``
is a bucket that several processes use: the tokens that nobody has reserved, and each process's slice. A slice has
tokens of its own and a flow, a part of the rate, for some seconds ahead; a process spends from its slice alone. So
the pool and all slices together never hold more than the burst and never gain more than the rate, whoever dies, is
late or spends what it has. A slice whose time has passed is taken as spent.

First and final writes get whatever the pool has, previews an even part of what is above the reserve. Flows are even
parts too: nobody starves, and who is alone with a bucket has all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.ports import Need, Slice

SLOWED = 0.8  # the rate after a 429, as a part of what it was
SLOWEST = 0.25
RECOVERY = 1 / 120  # of the full rate, regained per second without a 429
_ROUNDING = 1e-6


@dataclass(slots=True)
class Level:
    """Tokens at the time ``updated``. ``factor``: what refusals have left of the rate."""

    tokens: float
    updated: float
    rests_until: float = float("-inf")
    factor: float = 1.0

    def advance(self, now: float, gain: float, most: float) -> None:
        """Fill up to ``most`` by ``gain`` a second. Time that stands or goes back gives nothing."""
        if now <= self.updated:
            return
        self.tokens = min(most, self.tokens + (now - self.updated) * gain)
        if now > self.rests_until:
            rested = now - max(self.updated, self.rests_until)
            self.factor = min(1.0, self.factor + rested * RECOVERY)
        self.updated = now

    def refuse(self, now: float, rate: float, seconds: float) -> None:
        """The platform refused a write: nothing goes for ``seconds``, and less than before for a while."""
        if now >= self.rests_until:  # several refusals of one rest count once
            self.factor = max(SLOWEST, self.factor * SLOWED)
        self.rests_until = max(self.rests_until, now + seconds)
        # What was refused was not counted: one write may try when the rest is over, if the budget allows that much.
        self.tokens = min(self.tokens + 1.0, 1.0 - (self.rests_until - now) * rate * self.factor)


@dataclass(frozen=True, slots=True)
class Part:
    """One process's slice: at most so many tokens, a flow that ``ends``; after ``until`` nothing of it counts."""

    most: float
    flow: float
    ends: float
    until: float


@dataclass(slots=True)
class Pool:
    """A shared bucket: what nobody has reserved, and the slices by the names of their processes."""

    level: Level
    parts: dict[str, Part] = field(default_factory=dict)

    def trade(self, me: str, need: Need, now: float, ahead: float, lease: float) -> Slice:
        """Take back what ``me`` can spare and give it a new slice, which flows for ``ahead`` and ends in ``lease``."""
        budget, level = need.budget, self.level
        self._advance(now, budget.rate, budget.burst)
        self.parts = {name: part for name, part in self.parts.items() if part.until > now}
        former = self.parts.pop(me, None)
        others = sum(part.most for part in self.parts.values())
        back = max(0.0, min(need.back, (former.most if former else 0.0) - need.hand))
        level.tokens += back
        if need.rest > 0:
            level.refuse(now, budget.rate, need.rest)
        level.tokens = min(level.tokens, max(0.0, budget.burst - others - need.hand))

        sharers = len(self.parts) + need.is_wanting
        even = (budget.burst - budget.reserve) / max(1, sharers)
        # Where that is less than a whole write, nobody could write: then each has room for one, and nothing is kept.
        reserve = budget.reserve if even >= 1 else 0
        rest = max(0.0, level.rests_until - now)
        urgent = 0.0 if rest else max(0.0, min(need.now, level.tokens))
        level.tokens -= urgent
        spare = 0.0 if rest else max(0.0, level.tokens - reserve)
        preview = max(0.0, min(need.soon, spare, max(1.0, even) - need.hand - urgent))
        level.tokens -= preview
        flow, hand = 0.0, need.hand + urgent + preview
        most = hand
        is_short = need.now > urgent or (need.soon > preview and level.tokens >= reserve - _ROUNDING)
        if is_short and not rest:
            rate = budget.rate * level.factor
            flow = max(0.0, min(rate / sharers, rate - self._flows(now)))
            room = min(even, budget.burst - level.tokens - others) if even >= 1 else 1.0
            most = max(hand, min(hand + flow * ahead, room))
        if need.is_wanting:
            self.parts[me] = Part(most, flow, now + ahead, now + lease)
        return Slice(urgent + preview, flow, most, level.tokens, max(1, sharers), rest, level.factor)

    def _advance(self, now: float, rate: float, burst: float) -> None:
        """The pool gains what of the rate flows to nobody, up to what of the burst nobody has."""
        changes = {moment for part in self.parts.values() for moment in (part.ends, part.until)}
        for moment in sorted({moment for moment in changes if moment < now} | {now}):
            since = self.level.updated
            held = sum(part.most for part in self.parts.values() if part.until > since)
            gain = rate * self.level.factor - self._flows(since)
            self.level.advance(moment, max(0.0, gain), max(0.0, burst - held))

    def _flows(self, at: float) -> float:
        return sum(part.flow for part in self.parts.values() if part.ends > at)
