"""Whether this process may still write to platforms, by its own clock alone.

The lease in the store is what others go by; they take over when it has passed. A process that was frozen, or cannot
reach the store, must have stopped writing before that, and can only know the time since its last good beat. The time
that the whole machine slept counts too, where the system can tell it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)
PART = 0.8  # of the lease; the rest is for what is on its way when it ends


def now() -> float:
    """Seconds since some moment in the past."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Lease:
    """``seconds``: for how long each good beat counts; for ever where nobody else could take over."""

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = now) -> None:
        self.seconds = seconds
        self.clock = clock
        self._until = math.inf if seconds == math.inf else -math.inf

    def renew(self, began: float) -> None:
        """A beat that ``began`` then was good: its answer may have come late."""
        self._until = began + PART * self.seconds

    @property
    def is_limited(self) -> bool:
        """Another process may take over."""
        return self.seconds != math.inf

    @property
    def stands(self) -> bool:
        return self.clock() <= self._until
