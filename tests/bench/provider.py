"""The emulated provider in a process of its own, so that its work is in nobody's figures.

It takes one JSON object a line on stdin and answers each with one line: ``{"text", "rate", "ttft"}`` says what to
answer from now on, ``{}`` asks what was seen since the last time. ``Provider`` is the other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.llm_script import split_tokens

KEY = "gsk_emulator"
PLENTY = 10**12  # tokens a minute: the bench measures the bot, not the provider's limits


@dataclass(frozen=True, slots=True)
class Request:
    """One request, by the number in its question (``#17``). Times of the monotonic clock, shared by all processes."""

    number: int
    at: float
    first_token_at: float
    last_token_at: float


class Provider:
    """A running provider. ``url`` is its base address, as an OpenAI-compatible client wants it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    async def answers(self, text: str, rate: float, ttft: float = 0.02) -> int:
        """Every question is answered with ``text`` at ``rate`` tokens a second; returns how many tokens that is."""
        await self._ask({"text": text, "rate": rate, "ttft": ttft})
        return len(split_tokens(text))

    async def seen(self) -> dict[int, Request]:
        """The requests since the last time, by number."""
        found = [Request(*row) for row in await self._ask({})]
        return {request.number: request for request in found}

    async def _ask(self, wish: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.provider",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert process.stdout is not None
    try:
        yield Provider(process, (await process.stdout.readline()).decode().strip())
    finally:
        process.kill()
        await process.wait()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with LlmEmulator(key=KEY, tpm=PLENTY, rpd=PLENTY) as emulator:
        print(emulator.url, flush=True)
        while line := await reader.readline():
            wish = json.loads(line)
            found: list[tuple[int, float, float, float]] = []
            if wish:
                emulator.default = Script(text=wish["text"], rate=wish["rate"], ttft=wish["ttft"])
            else:
                for seen in emulator.seen:
                    number = re.search(r"#(\d+)", seen.body["messages"][-1]["content"])
                    at = (seen.at, seen.first_token_at, seen.last_token_at)
                    found.append((int(number[1]) if number else 0, *at))
                emulator.seen.clear()
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
