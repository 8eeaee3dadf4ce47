"""The emulator's clock: real time plus what a test has skipped, so that five minutes pass without waiting.

``skip`` moves everything that Slack decides when asked (rate windows, stream and trigger lifetimes, expiries); it
does not move what the emulator sleeps for (acknowledgement time-outs and retry delays), which are scaled instead.
"""

from __future__ import annotations

import time


class Clock:
    """``now``: monotonic seconds. ``unix``: Unix seconds. Both include what was skipped."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._last_stamp = 0

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def unix(self) -> float:
        return time.time() + self._skipped

    def skip(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._skipped += seconds

    def stamp(self) -> str:
        """A message id: unique, growing, shaped like Slack's ``1732222222.000100``."""
        self._last_stamp = max(self._last_stamp + 1, int(self.unix() * 1_000_000))
        return f"{self._last_stamp // 1_000_000}.{self._last_stamp % 1_000_000:06d}"
