"""A surface behind the fence of its turn (see ``bot.ports.fence``)."""

from __future__ import annotations

from collections.abc import Sequence

from bot.ports import Fence, Surface, fenced
from bot.replies import Notice, Status, Way, Write


class FencedSurface:
    """The surface as it is, with ``fence`` up around every call of it."""

    def __init__(self, surface: Surface, fence: Fence) -> None:
        self._surface, self._fence = surface, fence
        self.dialect = surface.dialect

    def ways(self, write: Write) -> Sequence[Way]:
        return self._surface.ways(write)

    async def show(self, write: Write, way: Way) -> str:
        with fenced(self._fence):
            return await self._surface.show(write, way)

    async def tell(self, person: str, notice: Notice) -> None:
        with fenced(self._fence):
            await self._surface.tell(person, notice)

    async def status(self, status: Status) -> None:
        with fenced(self._fence):
            await self._surface.status(status)

    async def close(self, parts: int) -> None:
        with fenced(self._fence):
            await self._surface.close(parts)
