"""A whole bot beside a strict Discord: the real house with the real discord.py, people who write, and the provider."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.config import Config
from bot.wiring import House, house, listening, living
from tests.emulators.discord import Channel, Discord, Message
from tests.emulators.llm import LlmEmulator

PATIENCE = 60.0
STARTER = 21  # the empty message that opens a thread made from another


@dataclass
class Talk:
    """One bot in one Discord. ``opened`` is the house while it lives."""

    discord: Discord
    llm: LlmEmulator
    folder: Path
    opened: House | None = None

    @contextlib.asynccontextmanager
    async def bot(self, **changes: Any) -> AsyncIterator[House]:
        """The bot's life: connected when entered, drained and gone when left."""
        values: dict[str, Any] = {
            "data_dir": self.folder,
            "port": 0,
            "shutdown_grace": 3.0,
            "groq_api_key": self.llm.key,
            "llm_base_url": self.llm.url,
        }
        config = Config(_env_file=None, **(values | changes))
        async with house(config) as opened, listening(opened), living(opened):
            self.opened = opened
            await self.discord.connected()
            yield opened
        self.opened = None
        self.discord.advance(5.5)  # Discord grants a new session every five seconds

    def named(self, text: str) -> str:
        return f"<@{self.discord.bot.id}> {text}"

    async def asks(self, text: str, who: str = "ada", channel: Channel | None = None, **more: Any) -> Message:
        """Mention the bot in #general (or ``channel``)."""
        return await self.discord.says(who, channel or self.discord.general, self.named(text), **more)

    def replies(self, place: Message | Channel) -> list[Message]:
        """The bot's messages in the thread of a question, or in a channel."""
        where = place if isinstance(place, Channel) else place.thread
        return [it for it in self.discord.replies(where) if it.kind != STARTER] if where is not None else []

    def texts(self, place: Message | Channel) -> list[str]:
        return [words(message) for message in self.replies(place)]

    async def until(self, holds: Callable[[], Any], within: float = PATIENCE) -> None:
        await self.discord.until(holds, within)

    async def answered(self, place: Message | Channel, text: str, number: int = 1, within: float = PATIENCE) -> Message:
        """The ``number``-th reply, once it reads ``text`` for good."""

        def done() -> bool:
            replies = self.replies(place)
            return len(replies) >= number and words(replies[number - 1]) == text and is_final(replies[number - 1])

        try:
            await self.until(done, within)
        except TimeoutError:
            calls = [f"{c.route} {c.status} {c.code}" for c in self.discord.calls][-12:]
            pytest.fail(f"there stands {self.texts(place)!r}, sins {self.discord.sins}, calls {calls}")
        await self.settled()
        return self.replies(place)[number - 1]

    async def settled(self) -> None:
        """Every turn has its outcome."""
        if self.opened is not None:
            house_ = self.opened
            await self.until(lambda: not house_.bot.lanes()[0])

    async def begun(self, place: Message | Channel, characters: int = 1, number: int = 1) -> Message:
        """The reply, once some of it is shown."""
        await self.until(
            lambda: len(self.replies(place)) >= number and len(words(self.replies(place)[number - 1])) >= characters
        )
        return self.replies(place)[number - 1]


async def process(talk: Talk, **variables: str) -> asyncio.subprocess.Process:
    """The bot as its own process."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environment |= talk.discord.environment() | {"GROQ_API_KEY": talk.llm.key, "LLM_BASE_URL": talk.llm.url}
    environment |= {"DATA_DIR": str(talk.folder), "PORT": "0", "PYTHONPATH": str(Path(__file__).parents[3])}
    environment |= {"WEB_ENABLED": "false"} | variables
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        env=environment,
        cwd=talk.folder.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


def words(message: Message) -> str:
    """The reply's own text: no small print, no buttons."""
    return "\n".join(line for line in message.content.split("\n") if not line.startswith("-# "))


def notes(message: Message) -> list[str]:
    return [line.removeprefix("-# ") for line in message.content.split("\n") if line.startswith("-# ")]


def labels(message: Message) -> list[str]:
    """What can be pressed under a message."""
    return [str(button["label"]) for row in message.components for button in row["components"]]


def is_final(message: Message) -> bool:
    return "Stop" not in labels(message)


def asked(llm: LlmEmulator, number: int = -1) -> list[tuple[str, str]]:
    """The prompt of one request without its system message: (role, content)."""
    return [(m["role"], m["content"]) for m in llm.seen[number].body["messages"] if m["role"] != "system"]
