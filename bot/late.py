"""What a platform carries out late: when replies are looked at again after their end, and by whom.

A call whose caller was killed, or gave up waiting, may be carried out seconds later: after the reply was looked for,
and even after it was finished by somebody else. So an adapter has a reply that was taken over, or of which a post was
lost, looked at again for about a minute after its end; what it looks at, and puts right, is its own affair. Which
replies these are is kept on the adapter's shelf, so that another process goes on when this one dies too.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from bot.errors import Gone, SlowDown, StoreError, SurfaceError
from bot.events import Address
from bot.ports import Shelf
from bot.replies import Reply

log = structlog.get_logger("late")

KIND = "late"
GAPS = (3.0, 7.0, 20.0, 40.0)  # seconds before each look; they add up to longer than gateways hold a call back
_AGAIN = 3.0  # seconds until a reply that is still being written, or a platform that was away, is asked for again
_FOREIGN = 20.0  # seconds between two looks at what other processes left
_GRACE = 15.0  # seconds after which what another process should have looked at is ours; clocks may differ by more, and
# then two processes look, which does no harm
_GIVEN_UP = 3_600.0
_ANSWERED = 1.0  # seconds in which a call is answered that did what was heard of, and the message is known
_RESTING = 5.0
_FEW, _APART = 10, 2.5  # replies looked at without a pause, and seconds between more: Slack grants 50 reads a minute
_MOST = 500


class Shown(Protocol):
    """A reply's surface, as far as it is needed here."""

    @property
    def reply(self) -> Reply: ...

    def ids(self) -> Sequence[str]:
        """The messages known to be its parts."""
        ...


S = TypeVar("S", bound=Shown)


@dataclass(slots=True)
class Watched(Generic[S]):
    """``due``: when the next look is planned; ``soon``: an earlier one, because something was heard; ``kept``: what the
    shelf has of ``due``. All are Unix seconds. ``surface``: the last one that was opened on it here."""

    address: Address
    question: str
    due: float
    until: float
    looks: int = 0
    surface: S | None = None
    soon: float = math.inf
    last: float = 0.0
    kept: float = 0.0

    @property
    def next(self) -> float:
        return min(self.due, self.soon)


class Late(Generic[S]):
    """The replies of one adapter that may not read as they should.

    ``look(mark, watched)`` puts right what it finds and says whether that was all; it raises as a surface does.
    ``wall``: Unix seconds.
    """

    def __init__(
        self,
        platform: str,
        shelf: Shelf,
        look: Callable[[str, Watched[S]], Awaitable[bool]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._platform, self._shelf, self._look, self._wall = platform, shelf, look, wall
        self._watched: dict[str, Watched[S]] = {}
        self._wake = asyncio.Event()
        self._foreign_at = 0.0

    def opened(self, surface: S) -> None:
        """A surface was opened. Its reply is looked at again if it was begun by somebody else."""
        known = self._watched.get(surface.reply.mark)
        if known is not None:
            known.surface = surface
        elif surface.reply.resumed:
            self.doubt(surface)

    def doubt(self, surface: S) -> None:
        """A post of this reply was lost: it may still be carried out."""
        reply, now = surface.reply, self._wall()
        self._watched[reply.mark] = Watched(
            reply.address, reply.question, now + GAPS[0], now + _GIVEN_UP, surface=surface
        )
        self._wake.set()

    def watched(self) -> Iterator[tuple[str, Watched[S]]]:
        yield from self._watched.items()

    def hurry(self, watched: Watched[S]) -> None:
        """Something was heard of this reply that was not expected: look at it soon."""
        watched.soon = max(self._wall() + _ANSWERED, watched.last + _RESTING)
        self._wake.set()

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
            except Exception as error:  # whatever the platform told: the next look may see something else
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

    async def _put(self, mark: str, watched: Watched[S]) -> None:
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
                address = Address(self._platform, str(row["workspace"]), str(row["channel"]), str(row["thread"]))
                self._watched[mark] = Watched(
                    address, str(row["question"]), now, float(row["until"]), int(row["looks"])
                )

    async def _look_at_due(self) -> None:
        due = [mark for mark, watched in self._watched.items() if watched.next <= self._wall()]
        for mark in due:
            await self._look_and_plan(mark, self._watched[mark])
            if len(due) > _FEW:
                await asyncio.sleep(_APART)

    async def _look_and_plan(self, mark: str, watched: Watched[S]) -> None:
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
