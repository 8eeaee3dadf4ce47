"""What was said while nobody listened is read afterwards, once: where people talk with the bot, then where it is.

Slack sends again what it could not deliver, but only for some minutes. How far everything was heard is noted now and
then, by Slack's clock, which messages are numbered by; after a start, or when the bot was deaf for longer, the channels
are read back to there, those in which it was asked lately first, and of their threads those in which something was
said since; slowly, for answers need calls too. What was heard after all is known to the core by its id, so that a
little too much may be read and nothing is answered twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from adapters.slack.calls import Calls
from adapters.slack.inbound import PLATFORM, seconds
from bot.errors import SlowDown, StoreError, SurfaceError, Unsent
from bot.events import Address
from bot.ports import Shelf
from bot.tasks import end_tasks

log = structlog.get_logger("slack")

MISSED = 900.0  # seconds; older questions are not answered late
_HEARD, _EVERYWHERE = "heard", "0"
_NOTED_EVERY = 20.0  # seconds
_DEAF = 60.0  # seconds after which Slack may have given up sending again
_UNNOTICED = 45.0  # seconds for which a connection may be deaf before that is known
_LATELY = 86_400.0  # seconds
_CHANNELS, _THREADS = 200, 200  # looked at in one go
_WORKSPACES = 20  # of which it is asked in which channels the bot is
_KINDS = ("public_channel", "private_channel", "im", "mpim")
_AT_ONCE, _APART = 20, 2.5  # calls without a pause, and seconds between later ones: Slack grants 50 a minute
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
    """The ears of one process. ``room`` finds a workspace by name; ``is_listening``: events come in now; ``clock``:
    Slack's Unix seconds, or ``None``; ``only``: the only workspace, or ""; ``wall``: our Unix seconds."""

    def __init__(
        self,
        core: LivelyCore,
        shelf: Shelf,
        room: Callable[[str], Room],
        is_listening: Callable[[], bool],
        clock: Callable[[], Awaitable[float | None]],
        only: Callable[[], str],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._shelf, self._room = core, shelf, room
        self._is_listening, self._clock, self._only, self._wall = is_listening, clock, only, wall
        self._ahead = 0.0  # seconds that Slack's clock is before ours
        self._said_untold = False
        self._heard = 0.0  # up to when everything was, or will have been read; 0: not known in this process
        self._wanted = 0.0  # since when it has to be read; 0: it need not
        self._reading: asyncio.Task[None] | None = None
        self._calls_made = 0

    async def listen(self) -> None:
        """Look now, if events come in, and then now and then, until cancelled."""
        while True:
            if self._is_listening():
                try:
                    await self._look()
                except StoreError:
                    log.warning("how far everything was heard is not kept: the database is away")
            await asyncio.sleep(_NOTED_EVERY)

    async def close(self) -> None:
        """Read no further; ``listen`` has ended before."""
        if self._reading is not None:
            await end_tasks({self._reading})

    async def _look(self) -> None:
        """Have read what was missed, if anything can have been, and note how far all is heard. Reading goes on behind:
        it may take minutes, in which the line may go deaf again. Raises ``StoreError``: call it again."""
        now, since, is_first = self._now(), self._heard, not self._heard
        if is_first and (kept := await self._shelf.get(_HEARD, _EVERYWHERE)) is not None:
            since = float(kept["until"])
        if is_first or since < now - _DEAF:  # or our clock is wrong
            now = await self._ask_time()
        if since > now + _DEAF:  # noted by a clock that was wrong
            since = now - MISSED
        if since and (is_first or since < now - _DEAF):
            self._want(max(since - _UNNOTICED, now - MISSED))
        self._heard = now
        if self._reading is not None and not self._reading.done():
            return
        if self._wanted:
            self._reading = asyncio.create_task(self._read_missed(), name="slack-missed")
        else:
            await self._shelf.put(_HEARD, _EVERYWHERE, {"until": now}, int(now))

    def _now(self) -> float:
        return self._wall() + self._ahead

    async def _ask_time(self) -> float:
        told = await self._clock()
        if told is not None:
            self._ahead = told - self._wall()
        return self._now()

    def _want(self, since: float) -> None:
        self._wanted = min(self._wanted or since, since)

    async def _read_missed(self) -> None:
        since, self._wanted = self._wanted, 0.0
        try:
            await self._catch_up(since)
            if not self._wanted:
                await self._shelf.put(_HEARD, _EVERYWHERE, {"until": self._heard}, int(self._heard))
        except Exception as error:  # whatever Slack told: the next look may see something else
            log.error("what was missed could not be read", kind=type(error).__name__)
            self._want(since)

    async def _catch_up(self, since: float) -> None:
        count, room_for, left, cut, oldest = 0, _CHANNELS, _THREADS, 0, f"{since:.6f}"
        self._calls_made = 0
        async for workspace, channel, threads in self._channels():
            room_for -= 1
            if room_for < 0:
                continue
            room = self._room(workspace)
            said = await self._pages(room.calls, "conversations.history", since, channel=channel)
            asked = _lively(said, threads, since)
            cut += max(0, len(asked) - left)
            for thread in asked[:left]:
                more = {"channel": channel, "ts": thread, "oldest": oldest}
                said += await self._pages(room.calls, "conversations.replies", 0.0, **more)
            left = max(0, left - len(asked))
            for message in _since(said, since):
                await room.hear(dict(message) | {"channel": channel})
                count += 1
        if room_for < 0:
            log.warning("something may have been missed in more channels than are read", left=-room_for)
        if cut:
            log.warning("something may have been missed in more threads than are read", left=cut)
        if count:
            log.info("read what was missed", messages=count)

    async def _channels(self) -> AsyncIterator[tuple[str, str, Sequence[str]]]:
        """Workspace, channel and threads of ours: first where it was asked lately, then where the bot is otherwise."""
        channels: dict[tuple[str, str], list[str]] = {}
        for address in await self._core.lively(PLATFORM, self._now() - _LATELY, 10 * _CHANNELS):
            channels.setdefault((address.workspace, address.channel), []).append(address.thread)
        for (workspace, channel), threads in channels.items():
            yield workspace, channel, threads
        workspaces = dict.fromkeys([self._only(), *(workspace for workspace, _ in channels)])
        for workspace in [name for name in workspaces if name][:_WORKSPACES]:
            for channel in await self._joined(self._room(workspace).calls):
                if (workspace, channel) not in channels:
                    yield workspace, channel, ()

    async def _joined(self, calls: Calls) -> list[str]:
        """The channels in which the bot is, as far as its scopes let it be told."""
        found: list[str] = []
        for kind in _KINDS:
            try:
                async for page in self._each_page(calls, "users.conversations", types=kind, exclude_archived="true"):
                    found += [str(channel["id"]) for channel in page.get("channels") or ()]
            except SurfaceError as error:  # a token from before these scopes were asked for
                if not self._said_untold:
                    self._said_untold = True
                    log.warning(
                        "Slack does not list the other channels: what was missed is read where it was asked lately",
                        kind=kind,
                        why=type(error).__name__,
                    )
        return found

    async def _pages(self, calls: Calls, method: str, since: float, **arguments: Any) -> list[Message]:
        """Page after page, as far as Slack lets them be read, until one reaches back to ``since``."""
        said: list[Message] = []
        try:
            async with contextlib.aclosing(self._each_page(calls, method, **arguments)) as pages:
                async for found in pages:
                    page: Sequence[Message] = found.get("messages") or ()
                    said += page
                    if any(seconds(str(it.get("ts") or "")) <= since for it in page):
                        break
        except SurfaceError as error:
            log.info("what was missed cannot be read", method=method, why=type(error).__name__)
        return said

    async def _each_page(self, calls: Calls, method: str, **arguments: Any) -> AsyncGenerator[Mapping[str, Any], None]:
        """Raises ``SurfaceError``."""
        cursor = ""
        while True:
            if self._calls_made >= _AT_ONCE:
                await asyncio.sleep(_APART)
            self._calls_made += 1
            found = await _patiently(calls, method, limit=_PAGE, cursor=cursor or None, **arguments)
            yield found
            cursor = str((found.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return


def _lively(roots: Iterable[Message], threads: Iterable[str], since: float) -> list[str]:
    """The threads in which something may have been said: those of which it is told, and ours of which nothing is."""
    told = {str(it.get("ts")): str(it["latest_reply"]) for it in roots if it.get("latest_reply")}
    new = [thread for thread, latest in told.items() if seconds(latest) > since]
    return new + [thread for thread in threads if thread and thread not in told]


def _since(messages: Iterable[Message], since: float) -> list[Message]:
    """Those after ``since``, each once, in the order in which they were written."""
    known = {str(it.get("ts") or ""): it for it in messages}
    return [known[ts] for ts in sorted(known, key=seconds) if seconds(ts) > since]


async def _patiently(calls: Calls, method: str, **arguments: Any) -> Mapping[str, Any]:
    for pause in _PAUSES:
        try:
            return await calls.call(method, **arguments)
        except SlowDown as refusal:
            if refusal.retry_after > _LONGEST_REST:  # others need what is granted more than this does
                raise
            await asyncio.sleep(refusal.retry_after)
        except Unsent:
            await asyncio.sleep(pause)
    return await calls.call(method, **arguments)
