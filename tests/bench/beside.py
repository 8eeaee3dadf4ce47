"""A platform or a provider in a process of its own, so that its work is in nobody's figures.

It says a word when it is there, then takes one JSON object a line on stdin and answers each with one line. ``Beside``
is the other end. Times are of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, Self


class Beside:
    """A running one. ``greeting``: its first word."""

    MODULE: str

    def __init__(self, process: asyncio.subprocess.Process, greeting: Any) -> None:
        self._process = process
        self.greeting = greeting

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", cls.MODULE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield cls(process, json.loads(await process.stdout.readline()))
        finally:
            process.kill()
            await process.wait()

    async def order(self, do: str, **wish: Any) -> Any:
        """Have it do something; what it has to say to that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **wish}).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())


class Room(Beside):
    """A running platform."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that let a bot use it."""
        return dict(self.greeting)

    async def set(self, latency: float, limits: bool) -> None:
        """Every call takes ``latency`` seconds; the rate limits are on or off, and begin anew."""
        await self.order("set", latency=latency, limits=limits)

    async def connected(self) -> None:
        """Wait until the bot is there for people."""
        await self.order("connected")

    async def trouble(self) -> tuple[int, list[str]]:
        """(calls refused for being too fast, sins) since the last time."""
        refused, sins = await self.order("trouble")
        return refused, sins


class Emulator(Protocol):
    """What the emulators of all platforms have."""

    @property
    def calls(self) -> list[Any]: ...

    @property
    def sins(self) -> list[Any]: ...


def trouble(emulator: Emulator) -> tuple[int, Sequence[str]]:
    """See ``Room.trouble``."""
    refused = sum(call.outcome == "ratelimited" for call in emulator.calls)
    sins = sorted({f"{sin.name} {sin.where} {sin.detail}" for sin in emulator.sins})[:20]
    emulator.calls.clear()
    emulator.sins.clear()
    return refused, sins


async def obey(orders: object, greeting: Any) -> None:
    """In the other process: every order is a method of ``orders``."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps(greeting), flush=True)
    while line := await reader.readline():
        wish = json.loads(line)
        do: Callable[..., Awaitable[Any]] = getattr(orders, wish.pop("do"))
        print(json.dumps(await do(**wish)), flush=True)


def serve(serving: Coroutine[Any, Any, None]) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)
