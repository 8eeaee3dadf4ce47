"""``Completions`` that can be exchanged while running, for instance when somebody pastes a key.

Answers that have begun finish where they began; a backend that was replaced is closed when its last one ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from bot.ports import Backend, CompletionRequest, Completions, LimitState, ModelProfile, Piece


class _Station:
    """A backend and how many calls are under way on it."""

    def __init__(self, completions: Completions) -> None:
        self.completions = completions
        self.busy = 0
        self.retired = False


class Switchable:
    """Passes everything to the backend in use."""

    def __init__(self, completions: Completions) -> None:
        self._station = _Station(completions)
        self._stations = {self._station}
        self._closing: set[asyncio.Task[None]] = set()

    def use(self, completions: Completions) -> None:
        """From now on ``completions`` answers. Needs a running loop."""
        old, self._station = self._station, _Station(completions)
        self._stations.add(self._station)
        old.retired = True
        self._retire(old)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Sequence[Piece], None]:
        """See ``Completions.stream``."""
        station = self._station
        station.busy += 1
        batches = station.completions.stream(request)
        try:
            async for batch in batches:
                yield batch
        finally:
            try:
                if isinstance(batches, AsyncGenerator):
                    await batches.aclose()
            finally:
                station.busy -= 1
                self._retire(station)

    async def models(self) -> Sequence[ModelProfile]:
        """See ``Completions.models``."""
        station = self._station
        station.busy += 1
        try:
            return await station.completions.models()
        finally:
            station.busy -= 1
            self._retire(station)

    def profile(self, model: str) -> ModelProfile:
        return self._station.completions.profile(model)

    def limits(self) -> Sequence[LimitState]:
        return self._station.completions.limits()

    def backend(self) -> Backend:
        return self._station.completions.backend()

    async def close(self) -> None:
        """Close every backend, also those that still answer."""
        stations, self._stations = self._stations, set()
        for station in stations:
            await station.completions.close()
        await asyncio.gather(*self._closing)

    def _retire(self, station: _Station) -> None:
        if station.retired and not station.busy and station in self._stations:
            self._stations.discard(station)
            task = asyncio.get_running_loop().create_task(station.completions.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
