"""What was said while nobody listened is read afterwards, once, where people talk with the bot.

Slack sends again what it could not deliver, but only for some minutes. How far everything was heard is noted now and
then; after a start, or when the bot was deaf for longer, the newest messages of the channels in which it was asked
lately are looked through, and of their threads those in which something was said since. What was heard after all is
known to the core by its id, so that a little too much may be read and nothing is answered twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from adapters.slack.calls import Calls
from adapters.slack.inbound import PLATFORM, seconds
from bot.errors import SlowDown, StoreError, SurfaceError, Unsent
from bot.events import Address
from bot.ports import Shelf

log = structlog.get_logger("slack")

MISSED = 900.0  # seconds; older questions are not answered late
_HEARD, _EVERYWHERE = "heard", "0"
_NOTED_EVERY = 20.0  # seconds
_DEAF = 60.0  # seconds after which Slack may have given up sending again
_UNNOTICED = 45.0  # seconds for which a connection may be deaf before that is known
_LATELY = 86_400.0  # seconds
_CHANNELS, _THREADS = 20, 20  # looked at together: Slack grants 50 such calls a minute, and answers need some
_PAGE = 200
_PAUSES = (1.0, 3.0, 10.0)
_LONGEST_REST = 30.0

Message = Mapping[str, Any]


class LivelyCore(Protocol):
    async def lively(self, platform: str, since: float, limit: int) -> Sequence[Address]: ...


class Room(Protocol):
    """A workspace, as far as it is needed here (``adapters.slack.team.Team``)."""

    calls: Calls

    async def hear(self, message: Message) -> None: ...


class Missed:
    """The ears of one process. ``room`` finds a workspace by name; ``is_listening``: events come in now; ``wall``: Unix
    seconds."""

    def __init__(
        self,
        core: LivelyCore,
        shelf: Shelf,
        room: Callable[[str], Room],
        is_listening: Callable[[], bool],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._shelf, self._room = core, shelf, room
        self._is_listening, self._wall = is_listening, wall
        self._heard = 0.0  # up to when everything was; 0: not known in this process

    async def listen(self) -> None:
        """Look now, if events come in, and then now and then, until cancelled."""
        while True:
            if self._is_listening():
                try:
                    await self.look()
                except StoreError:
                    log.warning("how far everything was heard is not kept: the database is away")
                except Exception as error:  # whatever Slack told: the next look may see something else
                    log.error("what was missed could not be read", kind=type(error).__name__)
            await asyncio.sleep(_NOTED_EVERY)

    async def look(self) -> int:
        """Read what was missed, if anything can have been, and note that all is heard; returns how many messages were
        passed on. Raises ``StoreError``: call it again."""
        now, count = self._wall(), 0
        since = self._heard
        if not since:
            kept = await self._shelf.get(_HEARD, _EVERYWHERE)
            since = float(kept["until"]) if kept is not None else now
        if since < now - _DEAF or (not self._heard and since < now):
            count = await self._catch_up(max(since - _UNNOTICED, now - MISSED))
        await self._shelf.put(_HEARD, _EVERYWHERE, {"until": now}, int(now))
        self._heard = now
        return count

    async def _catch_up(self, since: float) -> int:
        channels: dict[tuple[str, str], list[str]] = {}
        for address in await self._core.lively(PLATFORM, self._wall() - _LATELY, 10 * _CHANNELS):
            channels.setdefault((address.workspace, address.channel), []).append(address.thread)
        count, left, oldest = 0, _THREADS, f"{since:.6f}"
        for (workspace, channel), threads in list(channels.items())[:_CHANNELS]:
            room = self._room(workspace)
            said = list(await _read(room.calls, "conversations.history", channel=channel))
            asked = _lively(said, threads, since)[:left]
            left -= len(asked)
            for thread in asked:
                said += await _read(room.calls, "conversations.replies", channel=channel, ts=thread, oldest=oldest)
            for message in _since(said, since):
                await room.hear(dict(message) | {"channel": channel})
                count += 1
        if count:
            log.info("read what was missed", messages=count)
        return count


def _lively(roots: Iterable[Message], threads: Iterable[str], since: float) -> list[str]:
    """The threads in which something may have been said: those of which it is told, and ours of which nothing is."""
    told = {str(it.get("ts")): str(it["latest_reply"]) for it in roots if it.get("latest_reply")}
    new = [thread for thread, latest in told.items() if seconds(latest) > since]
    return new + [thread for thread in threads if thread and thread not in told]


def _since(messages: Iterable[Message], since: float) -> list[Message]:
    """Those after ``since``, each once, in the order in which they were written."""
    known = {str(it.get("ts") or ""): it for it in messages}
    return [known[ts] for ts in sorted(known, key=seconds) if seconds(ts) > since]


async def _read(calls: Calls, method: str, **arguments: Any) -> Sequence[Message]:
    """One page, as far as Slack lets it be read."""
    try:
        found = await _patiently(lambda: calls.call(method, limit=_PAGE, **arguments))
    except SurfaceError as error:
        log.info("what was missed cannot be read", method=method, why=type(error).__name__)
        return ()
    messages: Sequence[Message] = found.get("messages") or ()
    return messages


async def _patiently(call: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
    for pause in _PAUSES:
        try:
            return await call()
        except SlowDown as refusal:
            if refusal.retry_after > _LONGEST_REST:  # others need what is granted more than this does
                raise
            await asyncio.sleep(refusal.retry_after)
        except Unsent:
            await asyncio.sleep(pause)
    return await call()
