"""The bot's processes: ``python -m bot run``, each in a folder of its own, started again whenever it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.options import Mode
from tests.stories.process import ROOT, ordinary

_START = 90.0  # seconds
_END = 60.0


@dataclass(slots=True)
class Seat:
    """One process and its successors. ``mode``: how Slack reaches it, http or socket.

    ``state``: down, up, or frozen. ``names``: by which it was known in the database, one after the other.
    ``ready_after``: seconds that each start took. ``ends``: how often it ended although nobody told it to.
    """

    name: str
    folder: Path
    variables: Mapping[str, str]
    mode: str
    state: str = "down"
    url: str = ""
    process: asyncio.subprocess.Process | None = None
    ready_after: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    ends: int = 0
    since: float = 0.0
    _reading: asyncio.Task[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready; a start that finds no database is repeated."""
        began = time.monotonic()
        while True:
            if await self._launch():
                break
            if time.monotonic() - began > _START:
                raise RuntimeError(f"{self.name} does not start:\n{self.told()[-3_000:]}")
            await asyncio.sleep(0.2)
        self.ready_after.append(time.monotonic() - began)
        self.note_name()
        self.state, self.since = "up", time.monotonic()

    async def _launch(self) -> bool:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": "0", **self.variables}
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run",
                cwd=self.folder, env=environment, preexec_fn=ordinary, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.process = process
        assert process.stdout is not None
        async with asyncio.timeout(_START):
            while line := await process.stdout.readline():
                if line.startswith(b"ready "):
                    self.url = line.decode().split("url=")[1].strip()
                    self._reading = asyncio.create_task(process.stdout.read())
                    return True
        await process.wait()
        return False

    def note_name(self) -> str:
        """By which name the database knows it now, "" where there are no names."""
        with contextlib.suppress(OSError):
            name = (self.folder / "data" / "replica").read_text().partition("\n")[0]
            if name and name not in self.names:
                self.names.append(name)
            return name
        return ""

    async def end(self, number: signal.Signals) -> int:
        """Its exit code."""
        assert self.process is not None
        self.state = "down"
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(_END):
            code = await self.process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def freeze(self) -> None:
        assert self.process is not None
        self.state = "frozen"
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.state, self.since = "up", time.monotonic()

    @property
    def has_died(self) -> bool:
        return self.state == "up" and self.process is not None and self.process.returncode is not None

    def told(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / "log").read_text(errors="replace")
        return ""


class Fleet:
    """All of them."""

    def __init__(self, folder: Path, count: int, variables: Mapping[str, str], socket_token: str, wanted: Mode) -> None:
        self.seats: list[Seat] = []
        for number in range(count):
            place = folder / f"replica-{number + 1}"
            place.mkdir(exist_ok=True)
            mode = wanted if wanted != "mixed" else "socket" if number % 3 == 2 else "http"
            own = {"SLACK_MODE": mode, "SLACK_APP_TOKEN": socket_token if mode == "socket" else ""}
            self.seats.append(Seat(place.name, place, {**variables, **own}, mode))

    def up(self) -> list[Seat]:
        return [seat for seat in self.seats if seat.state == "up"]

    def reachable(self) -> list[Seat]:
        """Those that a balancer sends to: it does not know yet that one is frozen."""
        return [seat for seat in self.seats if seat.mode == "http" and seat.state != "down"]

    def seat_of(self, name: str) -> Seat | None:
        return next((seat for seat in self.seats if name in seat.names), None)

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        await asyncio.gather(*(seat.start() for seat in self.seats))
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            await asyncio.gather(*(self._end(seat) for seat in self.seats))

    async def _keep(self) -> None:
        """As whatever runs the bot in earnest does: start again what has ended. And learn its names."""
        while True:
            for seat in self.seats:
                if seat.has_died:
                    seat.ends += 1
                    seat.state = "down"
                    await seat.wait()
                    await seat.start()
                elif seat.state == "up":
                    seat.note_name()
            await asyncio.sleep(0.1)

    async def _end(self, seat: Seat) -> None:
        if seat.process is not None and seat.process.returncode is None:
            seat.process.send_signal(signal.SIGCONT)
            await seat.end(signal.SIGKILL)

    def logs(self) -> Iterator[tuple[str, str]]:
        for seat in self.seats:
            yield seat.name, seat.told()
