"""Starts of the bot without its imports, which are most of what a start costs and the same each time.

``python -m tests.stories.warm SOCKET`` imports them once, then forks a child for each start it is asked for; the child
runs a module as ``python -m`` does, with a folder, an environment and output pipes of its own. It is a process like
any other: it can be frozen and killed, and its files, sockets and memory are nobody else's. The server ends with
whoever holds the other end of its standard input. Cold starts, for what only they can show, are in ``process``.
"""

from __future__ import annotations

import array
import asyncio
import atexit
import ctypes
import functools
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

_MODULES = (
    "adapters.discord.run",
    "adapters.slack.run",
    "adapters.web.run",
    "aiosqlite",
    "alembic.command",
    "asyncpg",
    "bot.cli",
    "bot.doctor",
    "bot.storage.postgresql",
    "bot.storage.sqlite",
    "bot.wiring",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvloop",
)
_REQUEST = 1 << 20  # bytes: an environment and a command line
_PR_SET_PDEATHSIG = 1


class WarmProcess:
    """One child, with what is used here of ``asyncio.subprocess.Process``."""

    def __init__(
        self, pid: int, line: asyncio.StreamWriter, end: asyncio.StreamReader, *pipes: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.stdout, self.stderr = pipes
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(line, end))

    async def _end(self, line: asyncio.StreamWriter, end: asyncio.StreamReader) -> int:
        self.returncode = int(await end.readline())
        line.close()
        return self.returncode

    async def wait(self) -> int:
        return await asyncio.shield(self._ending)

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def start(folder: Path, environment: dict[str, str], program: Sequence[str]) -> WarmProcess:
    """Run ``program`` (a module and its arguments) there."""
    loop = asyncio.get_running_loop()
    door = await asyncio.to_thread(_server)
    line = socket.socket(socket.AF_UNIX)
    pipes = [os.pipe(), os.pipe()]
    try:
        await loop.run_in_executor(None, line.connect, door)
        request = json.dumps({"folder": str(folder), "environment": environment, "program": list(program)}).encode()
        ends = array.array("i", [written for _, written in pipes])
        line.sendmsg([len(request).to_bytes(4, "big") + request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ends)])
    finally:
        for _, written in pipes:
            os.close(written)
    end, closing = await asyncio.open_connection(sock=line)
    pid = int(await end.readline())
    return WarmProcess(pid, closing, end, *[await _reader(read) for read, _ in pipes])


async def _reader(pipe: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe))
    return reader


@functools.cache
def _server() -> str:
    """The address of this test process's server."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    address = f"{folder.name}/door"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stories.warm", address],
        cwd=Path(__file__).resolve().parents[2],
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n", "the server of warm starts did not start"
    atexit.register(_end, process, folder)
    return address


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    folder.cleanup()


# --- the server


def _serve(address: str) -> NoReturn:
    for name in _MODULES:
        importlib.import_module(name)
    door = socket.socket(socket.AF_UNIX)
    door.bind(address)
    door.listen()
    wakes, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    lines: dict[int, socket.socket] = {}
    looking = selectors.DefaultSelector()
    for source in (door, wakes, sys.stdin):
        looking.register(source, selectors.EVENT_READ)
    print("open", flush=True)
    while True:
        for key, _ in looking.select():
            if key.fileobj is sys.stdin:
                os._exit(0)
            elif key.fileobj is door:
                line, _ = door.accept()
                request, ends = _receive(line)
                pid = os.fork()
                if not pid:
                    _run(request, ends)
                for end in ends:
                    os.close(end)
                lines[pid] = line
                line.sendall(b"%d\n" % pid)
            else:
                wakes.recv(4096)
                _reap(lines)


def _receive(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, ends, _, _ = socket.recv_fds(line, _REQUEST, 2)
    size = int.from_bytes(data[:4], "big")
    while len(data) < 4 + size:
        data += line.recv(_REQUEST)
    return json.loads(data[4:]), ends


def _reap(lines: dict[int, socket.socket]) -> None:
    while lines:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with lines.pop(pid) as line:
            line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _run(request: dict[str, Any], ends: list[int]) -> NoReturn:
    """In the child: become what was asked for."""
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, end in zip((1, 2), ends, strict=True):
            os.dup2(end, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        module, *sys.argv[1:] = request["program"]
        from tests.stories.process import ordinary

        ordinary()
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
