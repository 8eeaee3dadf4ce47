"""The working sign of a thread: Slack's status line, and the session state of the agent view.

Slack takes the line away by itself after two minutes, so a longer one is said again until there is text; a session
works for an hour. Setting a sign is never worth failing for. Taking it away is insisted on, for nobody else does it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from adapters.slack.calls import Calls
from bot.ports import Fence, current_fence, fenced
from bot.replies import Phase, Status

_AGAIN = 90.0  # seconds after which a sign is said again
_LONGEST = 3_600.0
_STATUS, _SESSION = "assistant.threads.setStatus", "agents.sessions.setStatus"


@dataclass(slots=True)
class _Sign:
    """``owner``: the mark of the reply it stands for. ``said``: when last; ``calls``: how often; ``open``: calls of
    which it is not known whether they arrived."""

    owner: str
    fence: Fence | None
    text: str
    said: float
    since: float
    calls: int = 0
    open: int = 0
    has_session: bool = False
    has_text: bool = False


class Signs:
    """The signs set by this process. ``agent``: the app has sessions."""

    def __init__(self, calls: Calls, agent: bool) -> None:
        self._calls, self._agent = calls, agent
        self._set: dict[tuple[str, str], _Sign] = {}

    @property
    def any_set(self) -> bool:
        return bool(self._set)

    async def set(self, channel: str, thread: str, owner: str, status: Status, direct: bool) -> None:
        now = time.monotonic()
        text = f"is {status.text or status.phase.value}…"
        if status.phase is Phase.WAITING:
            text = f"is waiting: {status.text}…" if status.text else "is waiting…"
        sign = self._set.get((channel, thread))
        if sign is None or sign.owner != owner:
            sign = self._set[channel, thread] = _Sign(
                owner, current_fence(), text, now, now, open=sign.open if sign else 0
            )
        sign.text, sign.said = text, now
        if self._agent and direct and not sign.has_session:
            sign.has_session = True
            await self._say(sign, _SESSION, channel, thread, "processing")
        await self._say(sign, _STATUS, channel, thread, text)

    def arrived(self, channel: str, thread: str) -> int | None:
        """How many signs Slack was told of; ``None`` while one may still be on its way, and for a thread without."""
        sign = self._set.get((channel, thread))
        return sign.calls if sign is not None and not sign.open else None

    def text_came(self, channel: str, thread: str) -> None:
        """What people read takes the sign away, and it is not said again."""
        if (sign := self._set.get((channel, thread))) is not None:
            sign.has_text = True

    async def clear(self, channel: str, thread: str, owner: str, direct: bool = False, idle: bool = False) -> None:
        """Also where another process has set it. ``idle``: a finished stream has ended the session already, whose calls
        are few; the line is cleared all the same, for what Slack does by itself is not promised."""
        sign = self._set.get((channel, thread))
        if sign is not None and sign.owner != owner:  # the next turn has begun
            return
        self._set.pop((channel, thread), None)
        await self._insist(_STATUS, channel, thread, "")
        if not idle and (sign.has_session if sign is not None else self._agent and direct):
            await self._insist(_SESSION, channel, thread, "active")

    def forget(self, channel: str, thread: str, owner: str) -> None:
        """The sign is another process's now."""
        sign = self._set.get((channel, thread))
        if sign is not None and sign.owner == owner:
            del self._set[channel, thread]

    async def sweep(self) -> None:
        """Say again what Slack is about to take away."""
        now = time.monotonic()
        for (channel, thread), sign in list(self._set.items()):
            if now - sign.since > _LONGEST:
                del self._set[channel, thread]
            elif now - sign.said > _AGAIN and not sign.has_text:
                sign.said = now
                with fenced(sign.fence):
                    await self._say(sign, _STATUS, channel, thread, sign.text)

    async def close(self) -> None:
        signs = list(self._set.items())
        await asyncio.gather(*(self.clear(channel, thread, sign.owner) for (channel, thread), sign in signs))

    async def _say(self, sign: _Sign, method: str, channel: str, thread: str, status: str) -> None:
        sign.calls += 1
        sign.open += 1  # for good when no answer comes: it may arrive at any time
        if await self._calls.spend(method, channel_id=channel, thread_ts=thread, status=status):
            sign.open -= 1

    async def _insist(self, method: str, channel: str, thread: str, status: str) -> None:
        def is_still_wanted() -> bool:
            return (channel, thread) not in self._set  # else the next turn has begun

        await self._calls.insist(method, is_still_wanted, channel_id=channel, thread_ts=thread, status=status)
