"""A whole bot beside a strict Slack: the real house with the real SDKs, people who write, and the provider."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.config import Config
from bot.wiring import House, house, listening, living
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.slack import Channel, Message, Slack

PATIENCE = 60.0


@dataclass
class Talk:
    """One bot in one Slack. ``opened`` is the house while it lives."""

    slack: Slack
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
            if self.slack.webhooks is None:
                await self.slack.connected()
            yield opened
        self.opened = None

    def named(self, text: str) -> str:
        return f"<@{self.slack.bot.id}> {text}"

    async def asks(self, text: str, who: str = "ada", channel: Channel | None = None, **more: Any) -> Message:
        """Mention the bot in #general (or ``channel``)."""
        return await self.slack.says(who, channel or self.slack.general, self.named(text), **more)

    def replies(self, root: Message) -> list[Message]:
        return self.slack.replies(root.channel, root.thread_ts or root.ts)

    def texts(self, root: Message) -> list[str]:
        """The Markdown of the bot's messages in the thread: no notes, no buttons."""
        return [markdown(message) for message in self.replies(root)]

    async def until(self, holds: Callable[[], Any], within: float = PATIENCE) -> None:
        await self.slack.until(holds, within)

    async def answered(self, root: Message, text: str, number: int = 1) -> Message:
        """The ``number``-th reply of the thread, once it reads ``text`` for good."""

        def done() -> bool:
            replies = self.replies(root)
            return len(replies) >= number and markdown(replies[number - 1]) == text and is_final(replies[number - 1])

        try:
            await self.until(done)
        except TimeoutError:
            pytest.fail(f"the thread reads {self.texts(root)!r}, sins {self.slack.sins}")
        await self.settled()
        return self.replies(root)[number - 1]

    async def settled(self) -> None:
        """Every turn has its outcome, and every delivery its acknowledgement."""
        await self.slack.settled()
        if self.opened is not None:
            house_ = self.opened
            await self.until(lambda: not house_.bot.lanes()[0])


def markdown(message: Message) -> str:
    """The reply's own text as people see it."""
    if message.stream is not None and not message.blocks:
        return message.stream.markdown
    found = [block["text"] for block in message.blocks if block["type"] == "markdown"]
    return "\n".join(found) if found else message.text


def under(message: Message) -> list[dict[str, Any]]:
    """The blocks below the text."""
    blocks = message.blocks or (message.stream.blocks if message.stream is not None else [])
    return [block for block in blocks if block["type"] != "markdown"]


def buttons(message: Message) -> list[str]:
    """The action ids of what can be pressed."""
    return [element["action_id"] for block in under(message) for element in block["elements"] if "action_id" in element]


def is_final(message: Message) -> bool:
    return not message.streaming and "parley_stop" not in buttons(message)


@contextlib.contextmanager
def environment(slack: Slack, patch: pytest.MonkeyPatch, **more: str) -> Iterator[None]:
    for name, value in (slack.environment() | more).items():
        patch.setenv(name, value)
    yield


def script(text: str, **more: Any) -> Script:
    return Script(text=text, **more)
