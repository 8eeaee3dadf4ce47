"""The limits a platform enforces, counted as its servers would: so many calls in a window, then refusals.

Pure: it takes the time and says how long the caller must rest. It is the other side of the core's pacing and
shares nothing with it, so that a core that paces badly is refused here as it would be there.
"""

from __future__ import annotations

from dataclasses import dataclass

_MANY = 1_000


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``calls`` in ``seconds`` from the first of them."""

    calls: int
    seconds: float


class Windows:
    """One counter for each key."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, int]] = {}

    def take(self, key: str, window: Window, now: float) -> float:
        """Count one call; 0.0 when it is let through, else the seconds until the window is over."""
        ends, calls = self._open.get(key, (0.0, 0))
        if now >= ends:
            self._forget(now)
            ends, calls = now + window.seconds, 0
        if calls >= window.calls:
            return ends - now
        self._open[key] = (ends, calls + 1)
        return 0.0

    def _forget(self, now: float) -> None:
        if len(self._open) > _MANY:
            self._open = {key: value for key, value in self._open.items() if value[0] > now}
