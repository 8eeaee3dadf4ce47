"""What breaks: processes are killed, told to go, or frozen; connections drop; the database crashes. In turn with what
people ask, so that the same seed breaks the same things at the same questions."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.database import Database
from tests.chaos.fleet import Fleet, Seat
from tests.chaos.options import Options
from tests.emulators.slack import Slack

_REST = (0.3, 3.0)  # seconds that a process lives at least
_AWAY = 0.3  # of the killed are started again only after a lease has passed
_MOMENT = 3.0  # seconds
_BEHIND = 3  # blows that may wait for a process to hit; people wait until there are fewer
_SPARED = 0.05  # of the turns, at the beginning and at the end


@dataclass(frozen=True, slots=True)
class Blow:
    """A process was killed or frozen at ``at`` (Unix seconds), known as ``name``; ``back_at``: it was up again."""

    kind: str
    seat: str
    name: str
    at: float
    back_at: float


@dataclass(frozen=True, slots=True)
class End:
    """A process was told to go: what it ended with, ``None`` when it had to be killed after all, and after how long."""

    code: int | None
    seconds: float


@dataclass(slots=True)
class Trouble:
    """``strike(number)`` is called at each question."""

    options: Options
    fleet: Fleet
    database: Database
    slack: Slack
    rng: random.Random
    blows: list[Blow] = field(default_factory=list)
    drops: int = 0
    ends: list[End] = field(default_factory=list)
    _plan: dict[int, list[Callable[[], Coroutine[Any, Any, None]]]] = field(default_factory=lambda: defaultdict(list))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _crashing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    def plan(self) -> None:
        """Spread everything over the turns."""
        one = self.options
        for count, what in (
            (one.kills, self.kill),
            (one.deploys, self.deploy),
            (one.pauses, self.freeze),
            (one.drops, self.drop),
            (one.restarts, self.crash),
        ):
            least, most = int(one.turns * _SPARED), int(one.turns * (1 - _SPARED))
            for _ in range(count):
                self._plan[self.rng.randint(least, most)].append(what)

    def strike(self, number: int) -> None:
        for what in self._plan.pop(number, ()):
            task = asyncio.create_task(what())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def is_behind(self) -> bool:
        """More is to be broken than can be at once."""
        return self._waiting > _BEHIND

    async def over(self) -> None:
        """Everything planned has happened, and everything is up again."""
        for number in sorted(self._plan):  # turns that were merged away, or asked at once
            self.strike(number)
        while self._tasks:
            for task in (await asyncio.wait(self._tasks))[0]:
                task.result()

    async def _victim(self) -> Seat:
        """Some process that is up, and has been for a moment. Where there are several, one is always left alone."""
        spare = 1 if len(self.fleet.seats) > 1 else 0
        rest = self.rng.uniform(*_REST)
        while True:
            up = self.fleet.up()
            rested = [seat for seat in up if time.monotonic() - seat.since > rest]
            if len(up) > spare and rested:
                return self.rng.choice(rested)
            await asyncio.sleep(0.05)

    # --- the blows

    async def kill(self) -> None:
        """It is started again at once or only after its lease, in its folder, where it finds its old name."""
        seat, name, at = await self._hit(lambda seat: seat.end(signal.SIGKILL))
        late = len(self.fleet.seats) > 1 and self.rng.random() < _AWAY
        if late:
            await self._outlast_lease()
        await seat.start()
        self.blows.append(Blow("killed, away" if late else "killed", seat.name, name, at, time.time()))

    async def deploy(self) -> None:
        """It is told to go, and another one comes."""
        seat, _, _ = await self._hit(self._send_away)
        await seat.start()

    async def _send_away(self, seat: Seat) -> None:
        began, code = time.monotonic(), None
        try:
            code = await seat.end(signal.SIGTERM)
        except TimeoutError:
            await seat.end(signal.SIGKILL)
        self.ends.append(End(code, time.monotonic() - began))

    async def freeze(self) -> None:
        """For longer than its lease; where there is one process, and so no lease, for a moment."""
        seat, name, at = await self._hit(Seat.freeze)
        await self._outlast_lease()
        seat.thaw()
        self.blows.append(Blow("frozen", seat.name, name, at, time.time()))

    async def _hit(self, how: Callable[[Seat], Awaitable[object]]) -> tuple[Seat, str, float]:
        """(the one that was hit, its name in the database, when)"""
        self._waiting += 1
        async with self._busy:
            self._waiting -= 1
            seat = await self._victim()
            at, name = time.time(), seat.note_name()
            await how(seat)
        return seat, name, at

    async def _outlast_lease(self) -> None:
        lease = self.options.lease if len(self.fleet.seats) > 1 else _MOMENT
        await asyncio.sleep(lease * self.rng.uniform(1.25, 1.8))

    async def drop(self) -> None:
        self.drops += 1
        self.slack.sockets.drop()

    async def crash(self) -> None:
        """The database is away for a moment, sometimes for longer than half a lease."""
        async with self._crashing:
            await self.database.restart(self.rng.choice([0.0, 1.0, self.options.lease * 0.6]))
