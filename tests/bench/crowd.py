"""Five hundred conversations that stream at once in one process: exact, soon and in little memory."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path

from tests.bench.figures import Figure, quantile
from tests.bench.provider import provider
from tests.bench.room import Watched, WebRoom, bot
from tests.bench.subject import apart

CROWD = 500
_ARRIVAL = 15.0  # seconds over which they come
_RATE = 4.0
_TOKENS = 100


def measure() -> list[Figure]:
    found = apart("crowd:stream")
    load = f"{found['at_once']:.0f} streams at the same time, {found['tokens_per_second']:.0f} tokens/s"
    return [
        Figure("500 conversations at once: answers that are not exact", found["wrong"], "", 0, load),
        Figure(
            "500 conversations at once: first text beyond the provider's own, p95",
            found["p95"],
            "ms",
            500,
            f"p50: {found['p50']:.0f} ms; processor: {found['busy']:.0%} of a core",
        ),
        Figure(
            "500 conversations at once: memory (RSS) at most", found["rss"], "MB", 400, f"idle: {found['idle']:.0f} MB"
        ),
    ]


async def stream(folder: Path) -> dict[str, float]:
    text = ("words " * _TOKENS).strip()
    async with provider() as llm, bot(folder, llm.url) as opened:
        room = WebRoom(opened)
        await llm.answers("ready", rate=0)
        await (await room.ask(1)).done.wait()
        await llm.seen()
        idle = _rss()
        await llm.answers(text, rate=_RATE, ttft=0.3)
        began: dict[int, float] = {}
        cpu, start = time.process_time(), time.monotonic()

        async def one(number: int) -> Watched:
            await asyncio.sleep((number - 1_000) * _ARRIVAL / CROWD)
            began[number] = time.monotonic()
            watched = await room.ask(number)
            await watched.done.wait()
            return watched

        numbers = range(1_000, 1_000 + CROWD)
        watched = dict(zip(numbers, await asyncio.gather(*map(one, numbers)), strict=True))
        cpu, lasted = time.process_time() - cpu, time.monotonic() - start
        seen = await llm.seen()
        own = {number: seen[number].first_token_at - seen[number].at for number in numbers}
        late = [watched[number].first_at - began[number] - own[number] for number in numbers]
        last_in = max(seen[number].first_token_at for number in numbers)
        first_out = min(seen[number].last_token_at for number in numbers)
        overlap = (
            sum(1 for number in numbers if seen[number].last_token_at >= last_in) if first_out < last_in else CROWD
        )
        return {
            "wrong": sum(1 for one in watched.values() if one.text != text),
            "p50": quantile(late, 0.5) * 1e3,
            "p95": quantile(late, 0.95) * 1e3,
            "rss": _rss(),
            "idle": idle,
            "busy": cpu / lasted,
            "at_once": overlap,
            "tokens_per_second": CROWD * _RATE,
        }


def _rss() -> float:
    """The most memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
