"""Ending a running turn early: who asked, and the reading that must end within a moment."""

from __future__ import annotations

import asyncio
from enum import StrEnum


class Reason(StrEnum):
    PERSON = "person"  # stop button, stop command, the word stop
    NEWER = "newer"  # a newer question in a place whose busy mode is "interrupt"
    EDITED = "edited"  # the question reads differently now and is asked again
    DELETED = "deleted"  # the question is gone
    LOST = "lost"  # another process owns the conversation: nothing more may be written


class Halt:
    """One running turn's stop switch. The first reason counts, but that the turn was lost counts more.

    ``over``: nothing more will be generated; what people will see is known, and at most its last write is left.
    """

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self.over = False
        self._reading: asyncio.Task[object] | None = None

    @property
    def lost(self) -> bool:
        return self.reason is Reason.LOST

    def ask(self, reason: Reason) -> None:
        if self.reason is None or reason is Reason.LOST:
            self.reason = reason
            if self._reading is not None:
                self._reading.cancel()

    async def guard(self, reading: asyncio.Task[object]) -> bool:
        """Wait for ``reading``; True when it was ended by ``ask``. A cancellation from outside passes through."""
        self._reading = reading
        if self.reason is not None:
            reading.cancel()
        try:
            await reading
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if self.reason is None or (here is not None and here.cancelling()):
                raise
        finally:
            self._reading = None
        return self.reason is not None
