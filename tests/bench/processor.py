"""Processor time: what a streamed token costs the whole bot beside reading it with the groq SDK, and drafting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from bot.llm import LlmConfig, open_completions
from bot.ports import ChatMessage, CompletionRequest, TextDelta
from bot.replies import Dialect
from bot.reply.draft import Draft
from tests.bench.figures import Figure
from tests.bench.provider import KEY, Provider, provider
from tests.bench.room import WebRoom, bot
from tests.bench.subject import apart

_T = TypeVar("_T")

_STREAMS, _RATE = 20, 25.0
_BEFORE, _WINDOW = 0.7, 4.0  # seconds: all streams run when the window opens, and none has ended when it closes
_ROUNDS = 5
# The bot on uvloop, as it runs; the SDK on asyncio's own loop, as it does by itself.
_SUBJECTS = (("bot", "uvloop"), ("client", "uvloop"), ("sdk", "asyncio"), ("sdk", "uvloop"))
_UNIT = (
    "Some **bold** words, and `code`, and a [link](https://example.org). Next sentence!\n"
    "- an item\n\n```py\nx = 1\n```\n"
)


def measure() -> list[Figure]:
    rounds = [[apart(f"processor:of_the_{name}", loop=loop) for name, loop in _SUBJECTS] for _ in range(_ROUNDS)]
    # A shared machine's clock wanders by half within a minute: neighbours are compared, and the middle round counts.
    whole, client, sdk, sdk_on_uvloop = sorted(rounds, key=lambda found: found[0] / found[2])[_ROUNDS // 2]
    short, long = drafting()
    return [
        Figure(
            "processor time per streamed token, whole bot ÷ groq SDK",
            whole / sdk,
            "",
            1 / 3,
            f"whole bot {whole:.0f} µs, its provider client alone {client:.0f}; groq SDK, reading only: {sdk:.0f} µs, "
            f"on the bot's event loop {sdk_on_uvloop:.0f}",
        ),
        Figure(
            "drafting a reply of 100,000 characters ÷ one of 10,000",
            long / short,
            "",
            12,
            f"{short * 1e3:.1f} ms and {long * 1e3:.1f} ms",
        ),
    ]


def _text() -> str:
    return ("word, " * int(_RATE * (_BEFORE + _WINDOW + 1.5))).strip()


async def _one_by_one(begin: Callable[[int], Coroutine[Any, Any, _T]]) -> list[asyncio.Task[_T]]:
    """All streams, begun evenly over the time between two tokens, as questions of different people are. Streams
    begun in the same instant share every wake-up of the process, and whoever begins later by chance does not."""
    tasks = []
    for number in range(_STREAMS):
        tasks.append(asyncio.create_task(begin(number)))
        await asyncio.sleep(1 / (_STREAMS * _RATE))
    return tasks


async def _per_token() -> float:
    """Microseconds of this process per token, while all streams run."""
    await asyncio.sleep(_BEFORE)
    began, used = time.monotonic(), time.process_time()
    await asyncio.sleep(_WINDOW)
    used, lasted = time.process_time() - used, time.monotonic() - began
    return used / (lasted * _STREAMS * _RATE) * 1e6


async def of_the_bot(folder: Path) -> float:
    """A bot that answers on the web workspace: reading, drafting, pacing and showing."""
    async with provider() as llm, bot(folder, llm.url) as opened:
        room = WebRoom(opened)
        await llm.answers("ready", rate=0)
        await (await room.ask(1)).done.wait()
        await llm.answers(_text(), rate=_RATE)
        asked = await asyncio.gather(*await _one_by_one(lambda number: room.ask(10 + number)))
        found = await _per_token()
        assert not any(watched.done.is_set() for watched in asked)
        await asyncio.gather(*(watched.done.wait() for watched in asked))
        assert all(watched.text == _text() for watched in asked)
    return found


async def of_the_client(folder: Path) -> float:
    """The bot's provider client alone."""
    async with provider() as llm:
        completions = open_completions(LlmConfig(llm.url, KEY))
        request = CompletionRequest("openai/gpt-oss-20b", (ChatMessage("user", "hello"),))

        async def read() -> str:
            async with aclosing(completions.stream(request)) as batches:
                return "".join([p.text async for batch in batches for p in batch if isinstance(p, TextDelta)])

        found = await _while_reading(llm, read)
        await completions.close()
    return found


async def of_the_sdk(folder: Path) -> float:
    """Reading the same streams with the groq SDK and doing nothing with them."""
    from groq import AsyncGroq

    async with provider() as llm, AsyncGroq(api_key=KEY, base_url=llm.url.removesuffix("/openai/v1")) as client:

        async def read() -> str:
            answer: Any = await client.chat.completions.create(
                model="openai/gpt-oss-20b", messages=[{"role": "user", "content": "hello"}], stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])

        return await _while_reading(llm, read)


async def _while_reading(llm: Provider, read: Callable[[], Coroutine[Any, Any, str]]) -> float:
    await llm.answers("ready", rate=0)
    await read()
    await llm.answers(_text(), rate=_RATE)
    tasks = await _one_by_one(lambda _: read())
    found = await _per_token()
    assert all(answer == _text() for answer in await asyncio.gather(*tasks))
    return found


def drafting() -> tuple[float, float]:
    """Seconds for 10,000 and 100,000 characters in deltas of four, looked at every 500 characters; best of rounds."""
    short = min(_draft(10_000) for _ in range(9))
    long = min(_draft(100_000) for _ in range(3))
    return short, long


def _draft(length: int) -> float:
    text = (_UNIT * (length // len(_UNIT) + 1))[:length]
    draft = Draft(Dialect("bench", 2_000, len, str, 1.0))
    began = time.thread_time()
    for start in range(0, length, 4):
        draft.add(text[start : start + 4])
        if start % 500 == 0:
            draft.current()
    draft.finish()
    return time.thread_time() - began
