"""How soon people see an answer in Slack, alone and in a crowd, within Slack's rate limits; and what it costs.

The model takes 200 ms to its first token and then writes 300 tokens a second, 400 in all, unless a figure says
otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from slack_sdk.oauth.installation_store import Installation

from adapters.slack.installations import Installations
from adapters.slack.seal import Seal
from bot.storage import SqlShelf, open_store
from tests.bench.answers import RATE, TEXT, TTFT, best, one_after_another, refused, wrong
from tests.bench.figures import Figure, median, quantile
from tests.bench.provider import Provider, provider
from tests.bench.room import bot
from tests.bench.slack_room import SlackRoom
from tests.bench.subject import apart

_MANY = {
    "SLACK_INSTALL": "many",
    "SLACK_BOT_TOKEN": "",
    "SLACK_CLIENT_ID": "1.2",
    "SLACK_CLIENT_SECRET": "secret",
    "SLACK_PUBLIC_URL": "https://parley.example.org",
    "SLACK_TOKEN_KEY": "k" * 43 + "=",
}
_ROUNDS = 3


def measure() -> list[Figure]:
    slow = apart("slack:one_at_a_time", latency=0.1)
    fast = min((apart("slack:one_at_a_time", latency=0.001) for _ in range(_ROUNDS)), key=lambda found: found["tail"])
    crowd = apart("slack:sixty")
    twenty = [apart("slack:twenty", limits=True) for _ in range(_ROUNDS)]
    free = [apart("slack:twenty", limits=False) for _ in range(_ROUNDS)]
    shared = apart("slack:twenty_seconds")
    acks = min((apart("slack:while_200_stream") for _ in range(_ROUNDS)), key=lambda found: found["p99"])
    inexact = sum(found["wrong"] for found in (slow, fast, crowd, shared, acks, *twenty, *free))
    trouble = [word for found in (slow, fast, crowd, shared, acks, *twenty, *free) for word in found["sins"]]
    return [
        Figure("Slack: answers that are not exact", inexact, "", 0),
        Figure("Slack: what a polite bot does not do", len(trouble), "", 0, ", ".join(sorted(set(trouble)))),
        Figure("first token → text in Slack, 100 ms a call", slow["first"], "ms", 150),
        Figure("first token → text in Slack, 1 ms a call", fast["first"], "ms", 30),
        Figure("last token → whole text in Slack, 100 ms a call", slow["tail"], "ms", 110),
        Figure("last token → whole text in Slack, 1 ms a call", fast["tail"], "ms", 5),
        Figure("write calls of a reply of 1.5 s", max(slow["writes"], fast["writes"]), "", 5),
        Figure(
            "write calls of a reply of 20 s, six at once", shared["writes"], "", 12, f"alone: {shared['alone']:.0f}"
        ),
        Figure("20 threads at once with rate limits: last complete", best(twenty, "last"), "s", 6, refused(twenty)),
        Figure("60 threads at once with rate limits: last complete", crowd["last"], "s", 75, refused([crowd])),
        Figure("60 threads at once: text or a status, at the latest", crowd["hint"], "s", 3),
        Figure("20 threads at once without limits: last complete", best(free, "last"), "s", 1.8),
        Figure("processor time of a reply, 20 at once", best(free, "cpu") * 1e3, "ms", 60),
        Figure("acknowledgement while 200 replies stream, p99", acks["p99"], "ms", 100, f"p50: {acks['p50']:.0f} ms"),
    ]


@contextlib.asynccontextmanager
async def _talking(folder: Path, latency: float, limits: bool) -> AsyncIterator[tuple[SlackRoom, Provider]]:
    """The bot in this process, connected, and warm but for a question: that would take of its budgets."""
    async with provider() as llm, SlackRoom.running() as room:
        os.environ.update(room.environment)
        async with bot(folder, llm.url):
            await room.connected()
            await room.set(0.0, False)
            await room.chat(20, 0.2)
            await room.set(latency, limits)
            await room.trouble()
            await llm.seen()
            yield room, llm


async def one_at_a_time(folder: Path, latency: float) -> dict[str, Any]:
    async with _talking(folder, latency, limits=False) as (room, llm):
        await llm.answers(TEXT, RATE, TTFT)
        return await one_after_another(room, llm, latency)


async def twenty(folder: Path, limits: bool) -> dict[str, Any]:
    return await _at_once(folder, 20, limits, 30)


async def sixty(folder: Path) -> dict[str, Any]:
    return await _at_once(folder, 60, True, 90)


async def _at_once(folder: Path, count: int, limits: bool, within: float) -> dict[str, Any]:
    async with _talking(folder, 0.001, limits) as (room, llm):
        await llm.answers(TEXT, RATE, TTFT)
        numbers = range(100, 100 + count)
        cpu = time.process_time()
        await room.ask(numbers)
        seen = await room.answered(numbers, within)
        cpu = time.process_time() - cpu
        too_fast, sins = await room.trouble()
    began = min(found.asked_at for found in seen.values())
    return {
        "last": max(found.whole_at for found in seen.values()) - began,
        "hint": max(found.hint_at - found.asked_at for found in seen.values()),
        "cpu": cpu / count,
        "wrong": wrong(seen),
        "refused": too_fast,
        "sins": sins,
    }


async def twenty_seconds(folder: Path) -> dict[str, Any]:
    async with _talking(folder, 0.001, limits=True) as (room, llm):
        await llm.answers(TEXT, 20, TTFT)
        await room.ask([100])
        alone = await room.answered([100], 40)
        await room.set(0.001, True)
        numbers = range(101, 107)
        await room.ask(numbers)
        seen = await room.answered(numbers, 60)
        _, sins = await room.trouble()
    return {
        "alone": alone[100].writes,
        "writes": max(found.writes for found in seen.values()),
        "wrong": wrong(seen | alone),
        "sins": sins,
    }


async def while_200_stream(folder: Path) -> dict[str, Any]:
    """Ten in each of twenty workspaces that installed the app; meanwhile people talk to each other there."""
    async with provider() as llm, SlackRoom.running() as room:
        os.environ.update(room.environment | _MANY)
        await _install(folder, await room.found(20))
        async with bot(folder, llm.url):
            await room.connected()
            await llm.answers(TEXT, 20, TTFT)
            numbers = range(100, 300)
            for number in numbers:
                await room.ask([number])
                await asyncio.sleep(0.04)
            await asyncio.sleep(1)
            acks = await room.chat(400, 9)
            seen = await room.answered(numbers, 60)
            _, sins = await room.trouble()
    return {
        "p50": median(acks) * 1e3,
        "p99": quantile(acks, 0.99) * 1e3,
        "wrong": wrong(seen),
        "sins": sins,
    }


async def _install(folder: Path, workspaces: Sequence[dict[str, str]]) -> None:
    """As if each had been installed in a browser."""
    store, db = await open_store(f"sqlite+aiosqlite:///{folder / 'parley.db'}", folder)
    installations = Installations(SqlShelf(db, "slack"), Seal(_MANY["SLACK_TOKEN_KEY"]))
    for it in workspaces:
        await installations.put(
            Installation(
                team_id=it["team"], bot_token=it["token"], bot_user_id=it["user"], bot_id=it["bot"], user_id="U1"
            )
        )
    await store.close()
