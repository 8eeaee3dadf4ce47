"""The bot as somebody starts it: ``python -m bot run`` in a folder of its own, with an environment of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.emulators.llm import LlmEmulator
from tests.stories import warm

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 90.0  # seconds for a process to start, to end or to get something done
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


@dataclass(frozen=True)
class Ended:
    """How a process ended and what it said."""

    code: int
    said: str
    told: str

    @property
    def lines(self) -> list[str]:
        return self.told.splitlines()


@dataclass(frozen=True)
class Process:
    """A running bot."""

    url: str
    pid: int
    handle: asyncio.subprocess.Process | warm.WarmProcess
    streams: tuple[asyncio.Task[bytes], ...]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def end(self, number: signal.Signals | None = signal.SIGKILL) -> Ended:
        """Send it this signal (``None``: it ends by itself) and wait for its end."""
        if number is not None and self.handle.returncode is None:
            self.handle.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            code = await self.handle.wait()
        said, told = await asyncio.gather(*self.streams)
        return Ended(code, said.decode(), told.decode())

    async def outcomes(self, count: int = 0) -> dict[str, int]:
        """Turns settled by outcome in this process, once there are ``count``."""
        return await self._counted(turns_settled, count)

    async def accepts(self, count: int) -> None:
        """Wait until this process has accepted ``count`` messages."""
        await self._counted(messages_taken, count)

    async def _counted(self, read: Callable[[str], dict[str, int]], count: int) -> dict[str, int]:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http, asyncio.timeout(PATIENCE):
            while sum((found := read((await http.get("/metrics")).text)).values()) < count:
                await asyncio.sleep(0.02)
        return found


def turns_settled(exposition: str) -> dict[str, int]:
    """outcome → how many, as the metrics tell."""
    found = re.findall(r'^parley_turns_settled_total\{outcome="(\w+)"\} (\d+)', exposition, re.MULTILINE)
    return {name: int(count) for name, count in found}


def messages_taken(exposition: str) -> dict[str, int]:
    """How many messages were accepted as questions or commands, as the metrics tell."""
    found = re.findall(
        r'^parley_events_total\{kind="(MessageReceived)",result="accepted"\} (\d+)', exposition, re.MULTILINE
    )
    return {name: int(count) for name, count in found}


def ordinary() -> None:
    """In a child of root: file permissions count for it as for everybody."""
    if os.geteuid() == 0 and sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


_BOT = ("-m", "bot", "run")


def environment(variables: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": "0", **variables}


async def _start(
    folder: Path, variables: dict[str, str], program: tuple[str, ...] = _BOT
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, *program,
        cwd=folder, env=environment(variables), preexec_fn=ordinary,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


Start = Callable[..., AbstractAsyncContextManager["Process"]]


def starting(folder: Path, llm: LlmEmulator, database_url: str, *dying: str, **always: str) -> Start:
    """Starts the bot on this folder each time; given where, with ``dying`` (Python's arguments), which dies there."""

    def one(where: str = "", **variables: str) -> AbstractAsyncContextManager[Process]:
        given = {
            "GROQ_API_KEY": llm.key,
            "LLM_BASE_URL": llm.url,
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url,
            **always,
            **variables,
        }
        return running(folder, *((*dying, where) if where else ()), **given)

    return one


async def ended(folder: Path, **variables: str) -> Ended:
    """Start a bot that cannot live; how it ended."""
    process = await _start(folder, variables)
    try:
        async with asyncio.timeout(PATIENCE):
            said, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return Ended(process.returncode or 0, said.decode(), told.decode())


@contextlib.asynccontextmanager
async def running(folder: Path, *program: str, **variables: str) -> AsyncIterator[Process]:
    """A bot that said "ready"; ended with SIGTERM, which must go well. ``program``: Python's arguments, if others."""
    program = program or _BOT
    if program[0] == "-m":
        process: asyncio.subprocess.Process | warm.WarmProcess = await warm.start(
            folder, environment(variables), program[1:]
        )
    else:
        process = await _start(folder, variables, program)
    async with _living(process) as living:
        yield living


@contextlib.asynccontextmanager
async def running_cold(folder: Path, **variables: str) -> AsyncIterator[Process]:
    """The same with an interpreter of its own from the first import on, for what only that can show."""
    async with _living(await _start(folder, variables)) as living:
        yield living


@contextlib.asynccontextmanager
async def _living(process: asyncio.subprocess.Process | warm.WarmProcess) -> AsyncIterator[Process]:
    assert process.stdout is not None
    assert process.stderr is not None
    swallowing: list[asyncio.Task[bytes]] = []
    try:
        async with asyncio.timeout(PATIENCE):
            line = b""
            while not line.startswith(b"ready "):
                line = await process.stdout.readline()
                assert line, (await process.stderr.read()).decode()
        swallowing = [asyncio.create_task(stream.read()) for stream in (process.stdout, process.stderr)]
        yield Process(line.decode().split("url=")[1].strip(), process.pid, process, tuple(swallowing))
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() in (0, -signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.gather(*swallowing)
