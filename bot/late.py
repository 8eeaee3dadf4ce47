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
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.errors import Gone, SlowDown, StoreError, SurfaceError
from bot.events import Address
from bot.ports import Shelf
from bot.replies import Reply

log = structlog.get_logger("late")

KIND = "late"
GAPS = (3.0, 7.0, 20.0, 40.0)  # seconds before each look; they add up to longer than gateways hold a call back
_AGAIN, _SELDOM = 3.0, 12.0  # seconds until a reply that could not be looked at is looked at again, first and at most
_FOREIGN = 20.0  # seconds between two looks at what other processes left
_GRACE = 15.0  # seconds after which what another process should have looked at is ours; clocks may differ by more, and
# then two processes look, which does no harm
_GIVEN_UP = 3_600.0
_SOON = 1.0  # seconds from what was heard to the look: most calls are answered by then, and the message is known
_RESTING = 5.0
_FEW, _APART = 10, 2.5  # replies looked at without a pause, and seconds between more: Slack grants 50 reads a minute
_MOST = 500


def _nothing() -> Sequence[str]:
    return ()


@dataclass(slots=True)
class Watched:
    """A reply that is looked at. ``ids``: the messages that its newest surface here knows to be its parts. ``place``:
    where they stand, for an adapter that has to ask.

    In Unix seconds: ``due``, when the next look is planned; ``soon``, an earlier one, because something was heard;
    ``last``, the last one; ``until``, when it is given up; ``kept``, what the shelf has of ``due``. ``looks``: those
    made as planned; ``vain``: those since then that could not be made.
    """

    address: Address
    question: str
    due: float
    until: float
    looks: int = 0
    ids: Callable[[], Sequence[str]] = _nothing
    place: str = ""
    soon: float = math.inf
    last: float = 0.0
    kept: float = 0.0
    vain: int = 0

    @property
    def next(self) -> float:
        return min(self.due, self.soon)


class Late:
    """The replies of one adapter that may not read as they should.

    ``look(mark, watched)`` puts right what it finds, and is False when it has to come again before that counts; it
    raises as a surface does. ``wall``: Unix seconds.
    """

    def __init__(
        self,
        platform: str,
        shelf: Shelf,
        look: Callable[[str, Watched], Awaitable[bool]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._platform, self._shelf, self._look, self._wall = platform, shelf, look, wall
        self._watched: dict[str, Watched] = {}
        self._wake = asyncio.Event()
        self._foreign_at = 0.0

    def opened(self, reply: Reply, ids: Callable[[], Sequence[str]]) -> None:
        """A surface was opened on this reply; it is looked at again if an earlier run of it was broken off."""
        if reply.resumed:
            self.doubt(reply, ids)
        elif (known := self._watched.get(reply.mark)) is not None:
            known.ids = ids

    def doubt(self, reply: Reply, ids: Callable[[], Sequence[str]]) -> None:
        """A post of this reply was lost: it may still be carried out."""
        now = self._wall()
        self._watched[reply.mark] = Watched(reply.address, reply.question, now + GAPS[0], now + _GIVEN_UP, ids=ids)
        self._wake.set()

    def watched(self) -> Iterator[tuple[str, Watched]]:
        yield from self._watched.items()

    def hurry(self, watched: Watched) -> None:
        """Something was heard of this reply that was not expected: look at it soon."""
        if watched.soon == math.inf:
            watched.soon = max(self._wall() + _SOON, watched.last + _RESTING)
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
            if mark in self._watched:
                continue
            try:
                watched = self._read(row, now)
            except (KeyError, TypeError, ValueError):  # written by another version
                await self._shelf.remove(KIND, mark)
                continue
            if watched.due + _GRACE < now:
                watched.due = now
                self._watched[mark] = watched

    def _read(self, row: Mapping[str, Any], now: float) -> Watched:
        address = Address(self._platform, str(row["workspace"]), str(row["channel"]), str(row["thread"]))
        until = min(float(row["until"]), now + _GIVEN_UP)
        return Watched(address, str(row["question"]), float(row["due"]), until, int(row["looks"]))

    async def _look_at_due(self) -> None:
        due = [mark for mark, watched in self._watched.items() if watched.next <= self._wall()]
        for mark in due:
            if (watched := self._watched.get(mark)) is not None:
                await self._look_and_plan(mark, watched)
            if len(due) > _FEW:
                await asyncio.sleep(_APART)

    async def _look_and_plan(self, mark: str, watched: Watched) -> None:
        is_planned, pause = watched.due <= self._wall(), 0.0
        watched.soon = math.inf
        try:
            is_done = await self._look(mark, watched)
        except StoreError:
            watched.due = max(watched.due, self._wall() + _SELDOM)  # others are tried before it
            raise
        except Gone:
            watched.until, is_done = 0.0, False
        except SlowDown as refusal:
            pause, is_done = refusal.retry_after, False
        except SurfaceError:
            is_done = False
        except Exception as error:  # whatever the platform told: others have to be looked at too
            log.error("a reply could not be looked at", kind=type(error).__name__)
            is_done = False
        now = watched.last = self._wall()
        watched.looks += is_done and is_planned
        if self._watched.get(mark) is not watched:  # doubted anew meanwhile
            return
        if watched.looks >= len(GAPS) or now > watched.until:
            del self._watched[mark]
            await self._shelf.remove(KIND, mark)
        elif not is_done:
            watched.due = max(watched.due, now + max(pause, min(_SELDOM, _AGAIN * 2.0**watched.vain)))
            watched.vain += 1
        elif is_planned:
            watched.due, watched.vain = now + GAPS[watched.looks], 0
