"""One bucket as this process sees it: what may go out now, who waits, and how long.

A pure machine. Where other processes write too, its tokens are in a pool (``bot.budgets``), and only those of this
process's slice, the ``hand``, may be spent. What the pool holds and this process's part of its rate are an estimate
between two trades: waits are foretold by it, nothing is spent on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from bot.budgets import Level
from bot.ports import Need, Slice
from bot.replies import Budget

PREVIEW_SHARE = 0.8  # of a bucket's rate; the rest is for first and final writes
AHEAD = 3.0  # previews of a conversation that a slice is to hold
_SPARE = 3  # first and final writes that nobody announced, for which a slice is to have tokens
MOMENT = 0.02  # seconds until a slice that is being fetched is looked for, the first time
_LONGEST_LOOK = 1.0
_SOON = 0.3  # seconds that a write waits for what flows to it, for which nothing is fetched
_CLOSE = 0.05  # tokens by which an estimate may be wrong
_LASTING = 5.0  # seconds for which a preview tells that more will come
_LINGERING = 2.5  # the same of first and final writes; less than a regular trade, so that no part is kept for nothing
_PLENTY = 2.0  # tokens in the pool for which a preview does not wait for the next regular trade
NO_WAIT = 1e-6  # seconds: shorter waits are rounding
_ROUNDING = 1e-6  # tokens
_NEWS = 0.1  # seconds by which two processes may know one and the same rest differently


@dataclass(slots=True)
class Place:
    """A place in a bucket's queue: ``rank`` orders it (lowest first), after ``until`` it has lapsed."""

    rank: float
    until: float


@dataclass(slots=True)
class Bucket:
    """``level``: all tokens; of a shared bucket, those thought to be in the pool.

    ``hand``: those that may be spent now, all of them where nobody else writes. ``hungry``: more should be fetched.
    """

    key: str
    budget: Budget
    level: Level
    live: dict[str, float] = field(default_factory=dict)
    urgent: dict[str, Place] = field(default_factory=dict)
    previews: dict[str, Place] = field(default_factory=dict)
    hand: float = inf
    most: float = inf
    flow: float = 0.0
    ends: float = inf  # of the flow
    until: float = inf  # of the slice
    share: float = 1.0  # of the rate
    following: float = -inf  # when the next regular trade is
    expected: set[str] = field(default_factory=set)
    wanting: dict[str, float] = field(default_factory=dict)  # by their last preview
    written: dict[str, float] = field(default_factory=dict)  # by their last first or final write
    hungry: bool = False
    is_known: bool = False  # the pool has a slice of ours
    _looked: float | None = None
    _rest_told: float = -inf

    @property
    def shared(self) -> bool:
        return self.hand != inf

    @property
    def rate(self) -> float:
        return self.budget.rate * self.share * self.level.factor

    @property
    def tokens(self) -> float:
        """What a first or final write may count on."""
        return self.level.tokens + self.hand if self.shared else self.level.tokens

    @property
    def mine(self) -> float:
        """What previews may count on. The reserve stays in the pool, and others want their part of the rest."""
        if not self.shared:
            return self.level.tokens
        return self.hand + max(0.0, self.level.tokens - self.budget.reserve) * self.share

    @property
    def burst(self) -> float:
        """The most that ``mine`` can be. Every process has room for one write."""
        if not self.shared:
            return float(self.budget.burst)
        return max(1.0, (self.budget.burst - self.budget.reserve) * self.share)

    def advance(self, now: float) -> None:
        if self.shared:
            self._flow(min(now, self.ends))
            if now > self.until:
                self.hand = 0.0
        self.level.advance(now, self.rate, self.budget.burst)
        for queue in (self.urgent, self.previews):
            for name in [name for name, place in queue.items() if place.until < now]:
                del queue[name]

    def _flow(self, moment: float) -> None:
        seconds = moment - self.level.updated
        if seconds > 0:
            self.hand = max(self.hand, min(self.most, self.hand + seconds * self.flow))
            self.level.advance(moment, self.rate - self.flow, self.budget.burst)

    # --- waits

    def urgent_wait(self, conversation: str, rank: float, now: float) -> float:
        ahead = sum(place.rank < rank for name, place in self.urgent.items() if name != conversation)
        wait = max(0.0, self.level.rests_until - now, self._until(1 + ahead, self.tokens))
        return wait if wait > NO_WAIT else self._at_hand(1 + ahead, now, is_urgent=True)

    def preview_wait(self, conversation: str, now: float) -> float:
        last = self.live.get(conversation, -inf)
        ahead = sum(place.rank < last for name, place in self.previews.items() if name != conversation)
        burst, floor = self.burst, self.floor
        free = self.mine - floor - len(self.urgent)
        spare = min(1.0, max(0.0, free / max(1.0, burst - floor)))
        fair = last + len(self.live) / (self.rate * PREVIEW_SHARE) * (1 - spare) ** 2
        needed = min(floor + 1.0, burst) + len(self.urgent) + ahead
        wait = max(0.0, self.level.rests_until - now, fair - now, self._until(needed, self.mine))
        return wait if wait > NO_WAIT else self._at_hand(1 + len(self.urgent), now, is_urgent=False)

    @property
    def floor(self) -> float:
        """Tokens that previews leave: every live conversation has a final write to come."""
        if self.shared:  # the reserve is in the pool, and a slice is seldom as full as it may be
            return min(len(self.live), self.burst / 2)
        return min(max(self.budget.reserve, len(self.live)), self.burst - 1)

    def _until(self, needed: float, tokens: float) -> float:
        missing = needed - tokens - (_CLOSE if self.shared else 0.0)
        return max(0.0, missing) / self.rate

    def _at_hand(self, needed: float, now: float, *, is_urgent: bool) -> float:
        """Seconds until so many tokens are at hand, where the bucket as a whole has them."""
        if self.hand >= needed - _ROUNDING:
            return 0.0
        flowing = inf
        if self.flow and now < self.ends and self.most >= needed - _ROUNDING:
            flowing = max(MOMENT, (needed - self.hand) / self.flow)
            if flowing < _SOON:
                return flowing
        if self.is_known and not (is_urgent or self.is_plenty):
            regular = self.following - now
            return min(flowing, max(MOMENT, regular) if regular > 0 else self._look(now))
        self.hungry = True
        return min(flowing, self._look(now))

    @property
    def is_plenty(self) -> bool:
        return (self.level.tokens - self.budget.reserve) * self.share >= _PLENTY

    def _look(self, now: float) -> float:
        """When to look whether the slice has come: the longer it takes, the less often."""
        if self._looked is None:
            self._looked = now
        return min(_LONGEST_LOOK, max(MOMENT, now - self._looked))

    # --- what happens

    def expect(self, conversation: str) -> None:
        """A first or final write of it will come."""
        self.expected.add(conversation)
        needed = len(self.urgent.keys() | self.expected)
        if self.hand < needed and (self.tokens >= 1 + self.hand or not self.is_known):
            self.hungry = True

    def take(self, now: float, conversation: str, *, is_preview: bool) -> None:
        if not self.shared:
            self.level.tokens -= 1
        else:
            self.hand -= 1
            if is_preview:
                self.wanting[conversation] = now
                self.hungry = self.hungry or (self.hand < len(self.wanting) and self.is_plenty)
            else:
                self.written[conversation] = now
        self.live[conversation] = now

    def leave(self, conversation: str) -> None:
        """The conversation's reply is over."""
        self.live.pop(conversation, None)
        self.urgent.pop(conversation, None)
        self.previews.pop(conversation, None)
        self.expected.discard(conversation)
        self.wanting.pop(conversation, None)

    def refuse(self, now: float, seconds: float) -> None:
        self.advance(now)
        self.level.refuse(now, self.budget.rate * self.share, seconds)
        if self.shared:
            self.hand = self.flow = 0.0
            self.hungry = True

    def is_idle(self, now: float) -> bool:
        """It is as good as a new one."""
        if self.live or self.urgent or self.previews or self.expected or now < self.level.rests_until:
            return False
        if self.shared:
            return not self.is_known and not self.hand and self._rest_told >= self.level.rests_until - _NEWS
        return self.level.tokens >= self.budget.burst and self.level.factor >= 1.0

    # --- trading

    def need(self, now: float, ending: bool = False) -> Need | None:
        """What to ask the pool for; ``None`` when there is nothing to say. ``ending``: everything is given back.

        What is given back is gone at once, and the flow stops until the answer: nobody knows when the pool hears of it.
        """
        self.advance(now)
        self.hungry = False
        self.wanting = {name: at for name, at in self.wanting.items() if now - at < _LASTING}
        self.written = {name: at for name, at in self.written.items() if now - at < _LINGERING}
        urgent = float(len(self.urgent.keys() | self.expected))
        # Some more may come as those did that wrote just now: they should not need a trade each.
        spare = min(_SPARE, len(self.written))
        ahead = AHEAD * len(self.wanting.keys() | self.previews.keys()) + spare
        if ending:
            urgent = ahead = 0.0
        keep = min(self.hand, max(urgent, min(urgent + ahead, self.burst)))
        rest = self.level.rests_until - now
        need = Need(
            self.key,
            self.budget,
            hand=max(0.0, keep),
            back=self.hand - keep,
            now=max(0.0, urgent - keep),
            soon=ahead - max(0.0, keep - urgent),
            rest=rest if rest > 0 and self.level.rests_until > self._rest_told + _NEWS else 0.0,
        )
        if not (need.is_wanting or need.rest or self.is_known):
            return None
        self.hand, self.flow, self.is_known = keep, 0.0, True
        return need

    def supply(self, now: float, began: float, need: Need, slice_: Slice, ahead: float) -> None:
        """What the pool gave when it was asked, at ``began`` or later; spending has gone on meanwhile."""
        self.advance(now)
        self._looked = None
        self.hand = min(slice_.most, self.hand + slice_.tokens)
        self.share, self.flow, self.most, self.ends = 1 / slice_.sharers, slice_.flow, slice_.most, began + ahead
        self.is_known = need.is_wanting
        rests_until = now + slice_.rest if slice_.rest > 0 else -inf
        self._rest_told = max(self._rest_told, rests_until)
        if self.level.rests_until > max(now, rests_until) + _NEWS:  # refused while the pool was asked
            self.hand = self.flow = 0.0
            return
        if rests_until > self.level.rests_until + _NEWS:  # another process was refused: what we hold counts no more
            self.hand = self.flow = 0.0
        self.level.tokens, self.level.factor = slice_.left, slice_.factor
        self.level.rests_until = max(self.level.rests_until, rests_until)
