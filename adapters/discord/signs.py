"""The working sign: typing, said again before Discord takes it away, and over with the first text.

A message ends the typing in its channel; where others still wait there, it is said again at once.
"""

from __future__ import annotations

import asyncio
import contextlib

from adapters.discord.calls import Calls
from bot.ports import Fence, current_fence, fenced
from bot.tasks import end_tasks

_AGAIN = 8.0  # seconds; Discord shows typing for ten
_SOON = 1.0  # seconds to the next try when there was no allowance to spare
_LONGEST = 600.0
_PATIENCE = 0.3  # seconds that a first text waits for typing which is on its way


class Signs:
    """Where the bot is typing now."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._typing: dict[str, asyncio.Task[None]] = {}
        self._saying: dict[str, asyncio.Task[bool]] = {}  # calls under way
        self._users: dict[str, dict[str, Fence | None]] = {}  # by channel and mark
        self._ended: dict[str, asyncio.Event] = {}

    def start(self, channel: str, mark: str) -> None:
        """Type in ``channel`` for the reply ``mark``; at once, and until the last reply there stops."""
        self._users.setdefault(channel, {})[mark] = current_fence()
        if channel not in self._typing:
            ended = self._ended[channel] = asyncio.Event()
            self._typing[channel] = asyncio.create_task(
                self._type(channel, ended, self._say(channel)), name="discord-typing"
            )

    async def hush(self, channel: str, mark: str) -> None:
        """The first text of ``mark`` is about to be posted: typing that is on its way must not arrive behind it, where
        nothing would end it."""
        saying = self._saying.get(channel)
        if saying is not None and self._users.get(channel, {}).keys() == {mark}:
            done, _ = await asyncio.wait({saying}, timeout=_PATIENCE)
            if not done:
                self.stop(channel, mark)

    def stop(self, channel: str, mark: str) -> None:
        """The reply ``mark`` has its first text, or is over."""
        users = self._users.get(channel, {})
        users.pop(mark, None)
        if users:
            self._ended[channel].set()
            return
        self._users.pop(channel, None)
        self._ended.pop(channel, None)
        for task in (self._typing.pop(channel, None), self._saying.pop(channel, None)):
            if task is not None:
                task.cancel()

    async def close(self) -> None:
        tasks = [*self._typing.values(), *self._saying.values()]
        self._typing.clear()
        await end_tasks(tasks)

    async def _type(self, channel: str, ended: asyncio.Event, saying: asyncio.Task[bool]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._go_on(channel, ended, saying), _LONGEST)

    async def _go_on(self, channel: str, ended: asyncio.Event, saying: asyncio.Task[bool]) -> None:
        while True:
            ended.clear()
            is_shown = await saying
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _AGAIN if is_shown else _SOON)
            saying = self._say(channel)

    def _say(self, channel: str) -> asyncio.Task[bool]:
        call = self._calls.spend("POST", f"/channels/{channel}/typing", key=f"discord:typing:{channel}")
        with fenced(next(iter(self._users.get(channel, {}).values()), None)):
            saying = self._saying[channel] = asyncio.create_task(call, name="discord-typing")
        saying.add_done_callback(lambda _: self._said(channel, saying))
        return saying

    def _said(self, channel: str, saying: asyncio.Task[bool]) -> None:
        if self._saying.get(channel) is saying:
            del self._saying[channel]
