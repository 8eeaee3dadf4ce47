"""A core that records what it is told, and a shelf in memory that can fail on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.errors import ParleyError, StoreError
from bot.events import Address, Author, Event
from bot.ports import Backend, Form, FormField, Level, Shelf, Suggestion
from bot.replies import Receipt


class MemoryShelf:
    """Rows that outlive an adapter. ``trouble`` is raised by every write while it is set."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, Mapping[str, Any]]] = {}
        self.trouble: StoreError | None = None
        self.writes: list[tuple[str, str]] = []

    async def put(self, kind: str, id: str, value: Mapping[str, Any], position: int = 0) -> None:
        await self._work(kind, id)
        self.rows[(kind, id)] = (position, value)

    async def get(self, kind: str, id: str) -> Mapping[str, Any] | None:
        found = self.rows.get((kind, id))
        return None if found is None else found[1]

    async def remove(self, kind: str, id: str) -> None:
        await self._work(kind, id)
        self.rows.pop((kind, id), None)

    async def list(self, kind: str, after: int = -1, limit: int = 1_000) -> Sequence[tuple[str, Mapping[str, Any]]]:
        rows = sorted((row[0], key[1], row[1]) for key, row in self.rows.items() if key[0] == kind and row[0] > after)
        return [(id, value) for _, id, value in rows[:limit]]

    async def _work(self, kind: str, id: str) -> None:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        self.writes.append((kind, id))


@dataclass(frozen=True, slots=True)
class FakeCommand:
    name: str = "model"
    usage: str = "model [ID]"
    summary: str = "Show or choose the model."


@dataclass
class FakeCore:
    """``events`` is what it was told; ``receipt`` what it answers; ``trouble`` what it raises instead."""

    rows: MemoryShelf = field(default_factory=MemoryShelf)
    events: list[Event] = field(default_factory=list)
    receipt: Receipt = field(default_factory=lambda: Receipt(accepted=True))
    trouble: ParleyError | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, event: Event) -> Receipt:
        if self.trouble is not None:
            raise self.trouble
        self.events.append(event)
        self.told.set()
        return self.receipt

    async def form(self, address: Address, author: Author, direct: bool, level: Level | None = None) -> Form:
        model = FormField("model", "Model", "Which model answers.", "text", "", "gpt", "deployment")
        return Form(level or Level.CHANNEL, (Level.CHANNEL, Level.THREAD), (model,))

    async def suggest(self, line: str, address: Address, author: Author, direct: bool) -> Sequence[Suggestion]:
        return [Suggestion(f"{line}el", "model", address.key)]

    def commands(self) -> Sequence[FakeCommand]:
        return [FakeCommand()]

    def shelf(self, platform: str) -> Shelf:
        return self.rows

    def backend(self) -> Backend:
        return Backend("guide", "Guide", model="guide")

    async def use_key(self, key: str, url: str = "", remember: bool = False) -> Backend:
        if self.trouble is not None:
            raise self.trouble
        return Backend("groq", "Groq", url, "gpt")
