"""What Slack carries out late is put right.

A call whose caller was killed, or gave up waiting, may be carried out seconds later: after the reply was looked for,
and even after it was finished by somebody else. Slack takes no key by which it would know a post again. So a reply that
was taken over, or of which a post was lost, is looked at again for about a minute after its end: messages that bear
its mark and are none of its parts are taken away, a stream that nobody knows of is ended and taken away, and a part
that was written last by somebody else is shown again. What is being looked at is kept on the shelf, so that another
process goes on with it when this one dies too.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from adapters.slack.calls import Calls, Refused
from adapters.slack.controls import part_in
from adapters.slack.search import Found, Search
from adapters.slack.stream import Streams
from bot.errors import Gone, SlowDown, StoreError, SurfaceError
from bot.events import Address
from bot.ports import Shelf
from bot.replies import Reply, Standing

log = structlog.get_logger("slack")

KIND = "late"
GAPS = (3.0, 7.0, 20.0, 40.0)  # seconds before each look; they add up to longer than gateways hold a call back
_AGAIN = 3.0  # seconds until a reply that is still being written, or a Slack that was away, is asked for again
_FOREIGN = 20.0  # seconds between two looks at what other processes left
_GRACE = 15.0  # seconds after which what another process should have looked at is ours; clocks may differ by more, and
# then two processes look, which does no harm
_GIVEN_UP = 3_600.0
_ANSWERED = 1.0  # seconds in which a call is answered that did what was heard of, and the message is known
_RESTING = 5.0
_FEW, _APART = 10, 2.5  # replies looked at without a pause, and seconds between more: Slack grants 50 reads a minute
_MOST = 500


class Core(Protocol):
    async def standing(self, mark: str) -> Standing | None: ...
    async def show_again(self, mark: str) -> None: ...


class Room(Protocol):
    """A workspace, as far as it is needed here (``adapters.slack.surface.Stage``)."""

    @property
    def calls(self) -> Calls: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def search(self) -> Search: ...


class Shown(Protocol):
    """A reply's surface, as far as it is needed here: ``run`` is what it writes into the mark of each message."""

    run: str

    @property
    def reply(self) -> Reply: ...

    def ids(self) -> Sequence[str]: ...


@dataclass(slots=True)
class Watched:
    """``due``: when the next look is planned; ``soon``: an earlier one, because something was heard; ``kept``: what the
    shelf has of ``due``. All are Unix seconds. ``surface``: the last one that was opened on it here."""

    address: Address
    question: str
    due: float
    until: float
    looks: int = 0
    surface: Shown | None = None
    soon: float = math.inf
    last: float = 0.0
    kept: float = 0.0

    @property
    def next(self) -> float:
        return min(self.due, self.soon)


class Late:
    """The replies of this process that may not read as they should. ``wall``: Unix seconds."""

    def __init__(
        self,
        core: Core,
        shelf: Shelf,
        room: Callable[[str], Room],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._shelf, self._room, self._wall = core, shelf, room, wall
        self._watched: dict[str, Watched] = {}
        self._wake = asyncio.Event()
        self._foreign_at = 0.0

    # --- what surfaces and ears tell

    def opened(self, surface: Shown) -> None:
        """A surface was opened. Its reply is looked at again if it was begun by somebody else."""
        known = self._watched.get(surface.reply.mark)
        if known is not None:
            known.surface = surface
        elif surface.reply.resumed:
            self.doubt(surface)

    def doubt(self, surface: Shown) -> None:
        """A post of this reply was lost: it may still be carried out."""
        reply, now = surface.reply, self._wall()
        self._watched[reply.mark] = Watched(
            reply.address, reply.question, now + GAPS[0], now + _GIVEN_UP, surface=surface
        )
        self._wake.set()

    def heard(self, channel: str, message: Mapping[str, Any]) -> None:
        """Slack tells of a message of ours; one that was not expected is looked at soon."""
        id, thread = str(message.get("ts") or ""), str(message.get("thread_ts") or "")
        for mark, watched in self._watched.items():
            if (watched.address.channel, watched.address.thread) != (channel, thread):
                continue
            if message.get("metadata") and part_in(message, mark) is None:
                continue
            if watched.surface is None or id not in watched.surface.ids():
                watched.soon = max(self._wall() + _ANSWERED, watched.last + _RESTING)
                self._wake.set()

    # --- the looks

    async def listen(self) -> None:
        """Look when it is time, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self._keep()
                await self._adopt()
                await self._look_at_due()
            except StoreError:
                log.warning("late messages are not looked for: the database is away")
                await asyncio.sleep(_AGAIN)
            except Exception as error:  # whatever Slack told: the next look may see something else
                log.error("late messages could not be looked for", kind=type(error).__name__)
                await asyncio.sleep(_AGAIN)
            now = self._wall()
            due = min((watched.next for watched in self._watched.values()), default=math.inf)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(due - now, 0.0), _FOREIGN)):
                    await self._wake.wait()

    async def _keep(self) -> None:
        for mark, watched in list(self._watched.items()):
            if watched.due - watched.kept > _GRACE / 2:
                await self._put(mark, watched)

    async def _put(self, mark: str, watched: Watched) -> None:
        where = watched.address
        row = {
            "workspace": where.workspace,
            "channel": where.channel,
            "thread": where.thread,
            "question": watched.question,
            "due": watched.due,
            "until": watched.until,
            "looks": watched.looks,
        }
        await self._shelf.put(KIND, mark, row, int(watched.due))
        watched.kept = watched.due

    async def _adopt(self) -> None:
        """Go on with what a process that is gone had to look at."""
        now = self._wall()
        if now - self._foreign_at < _FOREIGN:
            return
        self._foreign_at = now
        for mark, row in await self._shelf.list(KIND, limit=_MOST):
            if mark not in self._watched and float(row["due"]) + _GRACE < now:
                address = Address("slack", str(row["workspace"]), str(row["channel"]), str(row["thread"]))
                self._watched[mark] = Watched(
                    address, str(row["question"]), now, float(row["until"]), int(row["looks"])
                )

    async def _look_at_due(self) -> None:
        due = [mark for mark, watched in self._watched.items() if watched.next <= self._wall()]
        for mark in due:
            await self._look_and_plan(mark, self._watched[mark])
            if len(due) > _FEW:
                await asyncio.sleep(_APART)

    async def _look_and_plan(self, mark: str, watched: Watched) -> None:
        is_planned, pause = watched.due <= self._wall(), _AGAIN
        watched.soon = math.inf
        try:
            is_done = await self._look(mark, watched)
        except Gone:
            watched.until, is_done = 0.0, False
        except SurfaceError as error:
            is_done = False
            pause = max(_AGAIN, error.retry_after) if isinstance(error, SlowDown) else _AGAIN
        now = watched.last = self._wall()
        watched.looks += is_done and is_planned
        if watched.looks >= len(GAPS) or now > watched.until:
            del self._watched[mark]
            await self._shelf.remove(KIND, mark)
        elif not is_done:
            watched.due = max(watched.due, now + pause)
        elif is_planned:
            watched.due = now + GAPS[watched.looks]

    async def _look(self, mark: str, watched: Watched) -> bool:
        """Put right what is there; whether that was all."""
        if await self._core.standing(mark) is None:
            return False
        room = self._room(watched.address.workspace)
        found = await room.search.parts(watched.address, mark, watched.question)
        standing = await self._core.standing(mark)  # once more: what was found was posted before this
        if standing is None:
            return False
        known = {*standing.parts, *(watched.surface.ids() if watched.surface is not None else ())}
        seen = {part.id for part in found.marked}
        if standing.shown and not known & (seen | set(found.strays)):
            return True  # a person took it away, or its place is not known: which one to keep is not known either
        for id in seen - known:
            await self._remove(room, watched.address, id)
        is_complete = await self._end_strays(room, watched.address, found, known, standing)
        if watched.surface is not None and any(
            part.id in known and part.run != watched.surface.run for part in found.marked
        ):
            log.info("a reply was written over late, and is shown again")
            await self._core.show_again(mark)
        return is_complete

    async def _end_strays(
        self, room: Room, address: Address, found: Found, known: set[str], standing: Standing
    ) -> bool:
        """An open stream bears no mark: it is nobody's if none of those that are written here and now is it."""
        strays = [id for id in found.strays if id not in known and room.streams.find(address.channel, id) is None]
        if not address.thread or not strays:
            return True
        if not standing.quiet:
            return False
        for id in strays:
            if await room.streams.end_message(address.channel, id):
                await self._remove(room, address, id)
        return True

    async def _remove(self, room: Room, address: Address, id: str) -> None:
        log.info("a message that came late is taken away")
        try:
            await room.calls.call("chat.delete", channel=address.channel, ts=id)
        except (Gone, Refused):  # a person was faster
            return
