"""What commands work with, in memory: the settings part of a store, a model list, and a desk that only records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bot.commands.context import CommandContext, CommandOutcome
from bot.commands.handlers import run
from bot.commands.parse import parse_line
from bot.errors import Unreachable
from bot.events import Address, Author, MessageReceived
from bot.ports import Backend, Completions, LimitState, ModelProfile, Scope, SettingRow, Spent, Store
from bot.replies import Notice, Receipt

NOW = 1_000_000.0
THREAD = Address("slack", "T1", "C1", "17.1")
CHANNEL = Address("slack", "T1", "C1")
DIRECT = Address("slack", "T1", "D1")
ANNA = Author("U1", "Anna")
BEN = Author("U2", "Ben")

NOTHING = Spent(0, 0, 0, None)
TIERS = ("auto", "on_demand", "flex")
MODELS = (
    ModelProfile(
        "openai/gpt-oss-20b",
        131_072,
        65_536,
        efforts=("low", "medium", "high"),
        json_schema=True,
        known=True,
        service_tiers=TIERS,
    ),
    ModelProfile(
        "openai/gpt-oss-120b", 131_072, 65_536, efforts=("low", "medium", "high"), json_schema=True, known=True
    ),
    ModelProfile("qwen/qwen3.8-27b", 131_072, 16_384, vision=True, efforts=("none", "low"), known=True),
)


@dataclass
class SettingsStore:
    rows: dict[tuple[Scope, str], SettingRow] = field(default_factory=dict)
    writes: int = 0

    async def settings(self, scopes: Sequence[Scope]) -> Sequence[SettingRow]:
        return [row for (scope, _), row in self.rows.items() if scope in scopes]

    async def set_settings(self, scope: Scope, values: Mapping[str, Any], set_by: str, now: float) -> None:
        self.writes += 1
        for key, value in values.items():
            self.rows.pop((scope, key), None)
            if value is not None:
                self.rows[scope, key] = SettingRow(scope, key, value, set_by, now)

    async def usage(self, platform: str, workspace: str, since: float, channel: str = "", person: str = "") -> Spent:
        days = round((NOW - since) / 86_400)
        return Spent(days, 1_200 * days, 450 * days, None if channel else 0.0015 * days) if not person else NOTHING

    async def counts(self) -> Mapping[str, int]:
        return {"unsettled": 3}

    def values(self) -> dict[tuple[str, str], Any]:
        """(level, key) → value of everything stored."""
        return {(scope.level.value, key): row.value for (scope, key), row in self.rows.items()}


@dataclass
class ModelList:
    away: bool = False
    listed: Sequence[ModelProfile] = MODELS
    own: str = MODELS[0].id

    async def models(self) -> Sequence[ModelProfile]:
        if self.away:
            raise Unreachable
        return self.listed

    def profile(self, model: str) -> ModelProfile:
        return next((known for known in MODELS if known.id == model), ModelProfile(model))

    def limits(self) -> Sequence[LimitState]:
        return [LimitState(MODELS[0].id, "requests/day", 1_000, 940, 180.0)]

    def backend(self) -> Backend:
        return Backend("groq", "Groq", model=self.own)


@dataclass
class Desk:
    running: bool = False
    talked: bool = True
    done: list[str] = field(default_factory=list)
    asked: list[MessageReceived] = field(default_factory=list)

    async def stop(self, address: Address, author: Author) -> bool:
        self.done.append("stop")
        return self.running

    async def retry(self, address: Address, author: Author, event_id: str) -> Notice | None:
        self.done.append(f"retry {event_id}")
        return None

    async def new(self, address: Address, author: Author) -> bool:
        self.done.append("new")
        return self.talked

    async def ask(self, question: MessageReceived) -> Receipt:
        self.asked.append(question)
        return Receipt(True)

    def lanes(self) -> tuple[int, int]:
        return 1, 4


@dataclass
class Defaults:
    defaults: Mapping[str, Any] = field(default_factory=dict)
    dropped: list[Scope] = field(default_factory=list)

    def changed(self, scope: Scope) -> None:
        self.dropped.append(scope)


@dataclass
class Room:
    """Says commands as somebody somewhere; each one returns its outcome."""

    store: SettingsStore = field(default_factory=SettingsStore)
    models: ModelList = field(default_factory=ModelList)
    desk: Desk = field(default_factory=Desk)
    preferences: Defaults = field(default_factory=Defaults)
    now: float = NOW

    def context(
        self, address: Address = THREAD, author: Author = ANNA, *, direct: bool = False, admin: bool = False
    ) -> CommandContext:
        return CommandContext(
            address=address,
            author=author,
            direct=direct,
            admin=admin,
            store=cast("Store", self.store),
            completions=cast("Completions", self.models),
            preferences=self.preferences,
            operations=self.desk,
            command_name="ai",
            now=self.now,
            version="1.2.3",
        )

    async def give(self, line: str, *where: Any, **who: Any) -> CommandOutcome:
        return await run(parse_line(line), self.context(*where, **who))

    async def say(self, line: str, *where: Any, **who: Any) -> str:
        notice = (await self.give(line, *where, **who)).notice
        assert notice is not None
        assert not notice.error, notice.text
        return notice.text

    async def fail(self, line: str, *where: Any, **who: Any) -> str:
        notice = (await self.give(line, *where, **who)).notice
        assert notice is not None
        assert notice.error, notice.text
        return notice.text


@pytest.fixture
def room() -> Room:
    return Room()
