"""The queue in front of the provider's limits: first come, first served, per model, and everybody knows their place.

A request keeps the number it got when it came, also when it had its turn and the server sent it back. It costs nothing
while there is room. Only the head of a line looks at the limits; the others wake when somebody leaves, or comes before
them. Leaving is in a ``finally``, so a cancelled wait never blocks those behind it.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from itertools import count, islice
from operator import attrgetter
from typing import Protocol

from bot.llm.durations import in_words, ordinal
from bot.ports import Waiting


class Gate(Protocol):
    """What says how long a request must wait; see ``Limits.wait``."""

    def wait(self, model: str, tokens: int, now: float, ahead: int = 0) -> float: ...


class TooLong(Exception):
    """The wait would be longer than anybody wants: ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


@dataclass(eq=False, slots=True)
class _Ticket:
    number: int
    tokens: int
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class Line:
    """One line per model. ``longest``: seconds beyond which nobody is made to wait."""

    def __init__(self, gate: Gate, longest: float) -> None:
        self._gate = gate
        self._longest = longest
        self._lines: dict[str, list[_Ticket]] = {}
        self._numbers = count()

    def arrive(self) -> int:
        """The number of a request that comes now."""
        return next(self._numbers)

    def is_free(self, model: str, tokens: int) -> bool:
        """No one waits and the limits have room: the request may go without ``wait``."""
        return not self._lines.get(model) and self._gate.wait(model, tokens, _now()) <= 0

    def look_again(self, model: str) -> None:
        """The limits are better known now: whoever is first in the model's line need not sleep to the end."""
        if line := self._lines.get(model):
            line[0].moved.set()

    async def wait(self, model: str, tokens: int, number: int) -> AsyncGenerator[Waiting, None]:
        """Ends when the request that came as ``number`` may go.

        Raises ``TooLong`` before or while waiting. Close the iterator to leave the line.
        """
        line = self._lines.setdefault(model, [])
        ticket = _Ticket(number, tokens)
        insort(line, ticket, key=attrgetter("number"))
        _tell(line[line.index(ticket) + 1 :])
        try:
            while True:
                ticket.moved.clear()
                place = line.index(ticket)
                ahead = sum(other.tokens for other in islice(line, place))
                seconds = self._gate.wait(model, tokens, _now(), ahead)
                if place == 0 and seconds <= 0:
                    return
                if seconds > self._longest:
                    raise TooLong(seconds)
                yield Waiting(seconds, describe(place, seconds))
                await _moved_or(ticket.moved, seconds if place == 0 else None)
        finally:
            line.remove(ticket)
            _tell(line)
            if not line and self._lines.get(model) is line:
                del self._lines[model]


def describe(place: int, seconds: float) -> str:
    """``third in line, about 6 s``."""
    return f"{ordinal(place + 1) if place else 'next'} in line, about {in_words(seconds)}"


def _tell(tickets: Iterable[_Ticket]) -> None:
    for ticket in tickets:
        ticket.moved.set()


async def _moved_or(moved: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await moved.wait()
    except TimeoutError:
        return


def _now() -> float:
    return asyncio.get_running_loop().time()
