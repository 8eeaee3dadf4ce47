"""The working sign of one reply: writes in order, newest wins, cleared last and in every outcome.

Status calls never hold up the answer: they go out beside it, one at a time, and a failing one is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from bot.errors import ParleyError
from bot.ports import Surface
from bot.replies import Phase, Status

_CLEARING = 2.0  # seconds a surface may take to clear its sign before the turn goes on without it


class StatusLine:
    """``set`` returns at once, with the task that is done when the newest status was sent.

    ``clear`` returns when the sign is gone, or goes on behind when that takes long. ``inherited``: an earlier run of
    the turn may have set one. ``leave``: the sign is another process's now. ``fence``: asked before a sign is set.
    """

    def __init__(self, surface: Surface, inherited: bool = False, fence: Callable[[], bool] = lambda: True) -> None:
        self._surface, self._inherited, self._fence = surface, inherited, fence
        self._wanted: Status | None = None
        self._sent: Status | None = None
        self._sending: asyncio.Task[None] | None = None

    def set(self, status: Status) -> asyncio.Task[None]:
        self._wanted = status
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return self._sending

    async def clear(self) -> None:
        if self._wanted is not None or self._inherited:
            # Not cancelled when it is late: a sign that nobody clears would stay.
            await asyncio.wait({self.set(Status(Phase.DONE))}, timeout=_CLEARING)

    async def leave(self) -> None:
        if self._wanted is not None:
            await asyncio.wait({self.set(Status(Phase.LEFT))}, timeout=_CLEARING)

    async def _send(self) -> None:
        while self._wanted != self._sent and self._wanted is not None:
            status = self._wanted
            with contextlib.suppress(ParleyError):
                if status.phase in (Phase.DONE, Phase.LEFT) or self._fence():
                    await self._surface.status(status)
            self._sent = status
