"""What is asked of every platform's figures: how soon the answers came, and whether they are what the model wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tests.bench.figures import median
from tests.bench.provider import Provider

TEXT = ("word " * 400).strip()
RATE, TTFT = 300.0, 0.2
_WARMING = 3


class Seen(Protocol):
    """What people saw of one answer; 0: nothing yet."""

    @property
    def first_at(self) -> float: ...

    @property
    def whole_at(self) -> float: ...

    @property
    def writes(self) -> int: ...

    @property
    def text(self) -> str: ...


class AskingRoom(Protocol):
    async def ask(self, numbers: Sequence[int]) -> None: ...

    async def answered(self, numbers: Sequence[int], within: float) -> Mapping[int, Seen]: ...

    async def trouble(self) -> tuple[int, list[str]]: ...


def best(rounds: Sequence[Mapping[str, Any]], name: str) -> float:
    """The machine is shared: the best round says what the program needs."""
    return min(float(found[name]) for found in rounds)


def refused(rounds: Sequence[Mapping[str, Any]]) -> str:
    return f"calls refused: {sum(found['refused'] for found in rounds)}"


def wrong(seen: Mapping[int, Seen]) -> int:
    """Answers that are not whole, or not what the model wrote."""
    return sum(found.text != TEXT or not found.whole_at for found in seen.values())


async def one_after_another(room: AskingRoom, llm: Provider, latency: float) -> dict[str, Any]:
    """A dozen questions, each when the one before is answered; the first ones warm it up and are not counted."""
    numbers = range(100, 112)
    seen: dict[int, Seen] = {}
    for number in numbers:
        await room.ask([number])
        seen |= await room.answered([number], 20)
    seen = {number: seen[number] for number in numbers[_WARMING:]}
    requests = await llm.seen()
    back = latency / 2  # a call is over for the bot when its answer is back
    first = [found.first_at + back - requests[number].first_token_at for number, found in seen.items()]
    tail = [found.whole_at + back - requests[number].last_token_at for number, found in seen.items()]
    too_fast, sins = await room.trouble()
    return {
        "first": median(first) * 1e3,
        "tail": median(tail) * 1e3,
        "writes": max(found.writes for found in seen.values()),
        "wrong": wrong(seen),
        "refused": too_fast,
        "sins": sins,
    }
