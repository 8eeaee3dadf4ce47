"""Each message is dealt with once, however often and to how many processes it is told.

The store knows for all processes and beyond a crash; what this process dealt with lately it knows without asking.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from bot.errors import StoreError
from bot.ports import Store

_REMEMBERED = 5_000


class Once:
    """By event keys. ``wall``: Unix seconds."""

    def __init__(self, store: Store, wall: Callable[[], float]) -> None:
        self._store, self._wall = store, wall
        self._known: OrderedDict[str, None] = OrderedDict()
        self._owed: set[str] = set()  # released, which the store could not be told

    def knows(self, key: str) -> bool:
        """Whether it was dealt with here lately; False says nothing."""
        return key in self._known

    def note(self, key: str) -> None:
        """It is dealt with, and the store knows."""
        self._known[key] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def claim(self, key: str) -> bool:
        """Have it to deal with without a turn; False when it was dealt with before. Raises ``StoreError``."""
        fresh = await self._store.claim_event(key, self._wall()) or key in self._owed
        self._owed.discard(key)
        self.note(key)
        return fresh

    async def release(self, key: str) -> None:
        """It could not be dealt with, and comes again."""
        self._known.pop(key, None)
        try:
            await self._store.release_event(key)
        except StoreError:
            self._owed.add(key)
