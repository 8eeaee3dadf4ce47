"""Rate limits as Discord counts them: fixed windows per bucket that open with their first request, and a global one.

Pure: takes ``now``, returns how long to wait. A refused request does not count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tests.emulators.discord.limits import Rates


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait``: seconds, 0 when allowed. The rest is what the headers say of the bucket."""

    wait: float
    limit: int
    remaining: int
    reset_after: float


class Buckets:
    """``on``: limits are kept. Rests that were asked for are remembered either way."""

    def __init__(self, rates: Rates) -> None:
        self.rates, self.on = rates, True
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._global: deque[float] = deque()
        self._rests: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, kind: str, major: str, now: float) -> Verdict:
        """Spend one request of the bucket ``kind`` of ``major`` (a channel, guild or webhook)."""
        limit, seconds = self.rates.of(kind)
        opened, used = self._windows.get((kind, major), (now, 0))
        if now >= opened + seconds:
            opened, used = now, 0
        reset = opened + seconds - now
        if self.on and used >= limit:
            self.rest(kind, major, reset, now)
            return Verdict(reset, limit, 0, reset)
        self._windows[kind, major] = (opened, used + 1)
        if not self.on:
            return Verdict(0.0, limit, limit - 1, reset)
        return Verdict(0.0, limit, limit - used - 1, reset)

    def take_global(self, now: float) -> float:
        """Spend one request of the bot's global allowance; seconds to wait when it is used up."""
        limit, seconds = self.rates.everything
        while self._global and self._global[0] <= now - seconds:
            self._global.popleft()
        if self.on and len(self._global) >= limit:
            wait = self._global[0] + seconds - now
            self.rest("", "", wait, now)
            return wait
        self._global.append(now)
        return 0.0

    def rest(self, kind: str, major: str, seconds: float, now: float) -> None:
        """A wait was asked for; an injected 429 says so too. ("", "") is the global one."""
        self._rests[kind, major] = (now, now + seconds)

    def rests(self, kind: str, major: str, now: float, grace: float) -> bool:
        """True while a wait that was asked for is not over: calling now is a sin.

        ``grace``: seconds in which a call that was on its way before the refusal arrived is excused.
        """
        waits = (self._rests.get((kind, major)), self._rests.get(("", "")))
        return any(wait is not None and wait[0] + grace < now < wait[1] - 0.05 for wait in waits)
