"""Snowflakes: unique, growing ids whose upper bits are the time they were made.

Furniture (guilds, channels, people) gets ids from before the present, one millisecond apart, so that consecutive
guilds fall on consecutive shards; messages get ids of the present.
"""

from __future__ import annotations

from tests.emulators.slack.clock import Clock

EPOCH_MS = 1_420_070_400_000
_YEAR_MS = 365 * 86_400 * 1_000


class Snowflakes:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._old = (int(clock.unix() * 1_000) - EPOCH_MS - _YEAR_MS) << 22
        self._last = 0

    def old(self) -> str:
        self._old += 1 << 22
        return str(self._old)

    def new(self) -> str:
        self._last = max(self._last + 1, (int(self._clock.unix() * 1_000) - EPOCH_MS) << 22)
        return str(self._last)


def made_at(snowflake: str) -> float:
    """Unix seconds at which an id was made."""
    return ((int(snowflake) >> 22) + EPOCH_MS) / 1_000
