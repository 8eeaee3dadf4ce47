"""The working sign: typing, said again before Discord takes it away, and over with the first text."""

from __future__ import annotations

import asyncio
import contextlib

from adapters.discord.calls import Calls

_AGAIN = 8.0  # seconds; Discord shows typing for ten
_LONGEST = 600.0


class Signs:
    """Where the bot is typing now."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._typing: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, set[str]] = {}

    def start(self, channel: str, mark: str) -> None:
        """Type in ``channel`` for the reply ``mark``; at once, and until the last reply there stops."""
        self._users.setdefault(channel, set()).add(mark)
        if channel not in self._typing:
            self._typing[channel] = asyncio.create_task(self._type(channel), name="discord-typing")

    def stop(self, channel: str, mark: str) -> None:
        users = self._users.get(channel, set())
        users.discard(mark)
        if users:
            return
        self._users.pop(channel, None)
        task = self._typing.pop(channel, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._typing.values())
        self._typing.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _type(self, channel: str) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._go_on(channel), _LONGEST)

    async def _go_on(self, channel: str) -> None:
        while True:
            await self._calls.spend("POST", f"/channels/{channel}/typing", key=f"discord:typing:{channel}")
            await asyncio.sleep(_AGAIN)
