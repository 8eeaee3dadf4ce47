"""One-time states of installing: slack-sdk's state store.

A state is a sealed random number and keeps its own time, so that opening the install page writes nothing; that it was
used is kept on the shelf until it is too old anyway.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from adapters.slack.seal import Seal
from bot.errors import StoreError
from bot.ports import Shelf

LIFETIME = 600  # seconds
_KIND = "used_state"
_PREFIX = b"install:"  # what else is sealed with the same key is no state


class States(AsyncOAuthStateStore):
    """``wall``: Unix seconds."""

    def __init__(self, shelf: Shelf, seal: Seal, wall: Callable[[], float] = time.time) -> None:
        self._shelf, self._seal, self._wall = shelf, seal, wall
        self._turn = asyncio.Lock()

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        return self._seal.close(_PREFIX + secrets.token_bytes(16))

    async def async_consume(self, state: str) -> bool:
        """Whether it was issued here, lately, and never used. Says no when the database does not answer."""
        opened = self._seal.open(state, within=LIFETIME)
        if opened is None or not opened.startswith(_PREFIX):
            return False
        name = hashlib.sha256(opened).hexdigest()
        try:
            async with self._turn:
                if await self._shelf.get(_KIND, name) is not None:
                    return False
                until = int(self._wall()) + LIFETIME + 60
                await self._shelf.put(_KIND, name, {"until": until}, until)
        except StoreError:
            return False
        return True

    async def tidy(self) -> None:
        """Forget those that are too old to be taken. Raises ``StoreError``."""
        for name, row in await self._shelf.list(_KIND):
            if row["until"] > self._wall():
                return
            await self._shelf.remove(_KIND, name)
