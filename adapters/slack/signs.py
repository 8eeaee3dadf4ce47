"""The working sign of a thread: Slack's status line, and the session state of the agent view.

Slack takes the line away by itself after two minutes, so a longer one is said again; clearing it sets the session
idle too. Signs are never worth failing for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from adapters.slack.calls import Calls
from bot.replies import Phase, Status

_AGAIN = 90.0  # seconds after which a sign is said again
_LONGEST = 3_600.0


@dataclass(slots=True)
class _Sign:
    text: str
    said: float
    since: float


class Signs:
    """The signs set by this process. ``agent``: the app has sessions."""

    def __init__(self, calls: Calls, agent: bool) -> None:
        self._calls, self._agent = calls, agent
        self._set: dict[tuple[str, str], _Sign] = {}
        self._sessions: set[tuple[str, str]] = set()

    @property
    def any_set(self) -> bool:
        return bool(self._set)

    async def set(self, channel: str, thread: str, status: Status, direct: bool) -> None:
        now = time.monotonic()
        text = f"is {status.text or status.phase.value}…"
        if status.phase is Phase.WAITING:
            text = f"is waiting: {status.text}…" if status.text else "is waiting…"
        self._set[channel, thread] = _Sign(text, now, now)
        if self._agent and direct and (channel, thread) not in self._sessions:
            self._sessions.add((channel, thread))
            await self._calls.spend(
                "agents.sessions.setStatus", channel_id=channel, thread_ts=thread, status="processing"
            )
        await self._say(channel, thread, text)

    async def clear(self, channel: str, thread: str, idle: bool = False) -> None:
        """``idle``: a finished stream has cleared it already."""
        was_set = self._set.pop((channel, thread), None) is not None
        has_session = (channel, thread) in self._sessions
        self._sessions.discard((channel, thread))
        if idle or not (was_set or has_session):
            return
        await self._say(channel, thread, "")
        if has_session:
            await self._calls.spend("agents.sessions.setStatus", channel_id=channel, thread_ts=thread, status="active")

    async def sweep(self) -> None:
        """Say again what Slack is about to take away."""
        now = time.monotonic()
        for (channel, thread), sign in list(self._set.items()):
            if now - sign.since > _LONGEST:
                del self._set[channel, thread]
            elif now - sign.said > _AGAIN:
                sign.said = now
                await self._say(channel, thread, sign.text)

    async def close(self) -> None:
        for channel, thread in list(self._set):
            await self.clear(channel, thread)

    async def _say(self, channel: str, thread: str, text: str) -> None:
        await self._calls.spend("assistant.threads.setStatus", channel_id=channel, thread_ts=thread, status=text)
