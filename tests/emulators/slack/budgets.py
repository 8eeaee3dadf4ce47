"""Rate limits: windows of 60 s per method and workspace, and one post a second per channel with short bursts.

Pure: takes ``now``, returns how long to wait. Refused calls do not count.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

from tests.emulators.slack.limits import Rates

WINDOW = 60.0


class Budgets:
    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self.on = True
        self.history_throttled = False
        self._windows: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._posts: dict[str, tuple[float, float]] = {}
        self._blocked: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, method: str, tier: int, team: str, channel: str, now: float) -> int:
        """Spend one call; 0 when allowed, else whole seconds to wait (Slack's ``Retry-After``)."""
        if self.history_throttled and method in ("conversations.history", "conversations.replies"):
            return self._window(method, team, 1, now)
        if not self.on:
            return 0
        if method != "chat.postMessage":
            return self._window(method, team, self.rates.per_minute(method, tier), now)
        wait = self._channel(channel, now)
        if wait:
            self._blocked[method, f"{team}:{channel}"] = (now, now + wait)
            return wait
        wait = self._window(method, team, self.rates.of.get(method, self.rates.post_per_workspace), now)
        if not wait:
            tokens, _ = self._posts[channel]
            self._posts[channel] = (tokens - 1.0, now)
        return wait

    def rests(self, method: str, team: str, channel: str, now: float, grace: float) -> bool:
        """True while a wait that was asked for is not over: calling now is a sin.

        ``grace``: seconds in which a call that was on its way before the refusal arrived is excused.
        """
        waits = (self._blocked.get(key) for key in ((method, team), (method, f"{team}:{channel}")))
        return any(wait is not None and wait[0] + grace < now < wait[1] - 0.05 for wait in waits)

    def block(self, method: str, team: str, seconds: float, now: float) -> None:
        """A wait was asked for outside the windows (an injected 429)."""
        self._blocked[method, team] = (now, now + seconds)

    def _window(self, method: str, team: str, allowed: int, now: float) -> int:
        calls = self._windows[method, team]
        while calls and calls[0] <= now - WINDOW:
            calls.popleft()
        if len(calls) < allowed:
            calls.append(now)
            return 0
        wait = max(1, math.ceil(calls[0] + WINDOW - now))
        self._blocked[method, team] = (now, now + wait)
        return wait

    def _channel(self, channel: str, now: float) -> int:
        tokens, since = self._posts.get(channel, (float(self.rates.post_burst), now))
        tokens = min(float(self.rates.post_burst), tokens + (now - since) * self.rates.post_per_channel)
        self._posts[channel] = (tokens, now)
        if tokens >= 1.0:
            return 0
        return max(1, math.ceil((1.0 - tokens) / self.rates.post_per_channel))
