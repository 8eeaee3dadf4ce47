"""A whole bot in this process, and people who ask: on the web workspace's room, and on a platform in memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from adapters.web.entries import Change, Changed, Message, Person, Posted
from adapters.web.run import WebAdapter
from bot.config import Config
from bot.events import Address, Author, MessageReceived
from bot.ports import Surface
from bot.replies import Notice, Reply, Status, Way, Write
from bot.wiring import House, house, living
from tests.bench.provider import KEY
from tests.fakes.surface import FakePlatform, FakeSurface


@dataclass(slots=True)
class Watched:
    """When people saw the answer to one question. Times of the monotonic clock; 0: not yet."""

    first_at: float = 0.0
    whole_at: float = 0.0
    text: str = ""
    writes: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def saw(self, text: str, final: bool) -> None:
        now = time.monotonic()
        self.first_at = self.first_at or now
        self.writes += 1
        self.text = text
        if final:
            self.whole_at = now
            self.done.set()


class WebRoom:
    """Questions asked in the web workspace's general channel, each in a thread of its own, as the page asks them."""

    def __init__(self, opened: House) -> None:
        self._workspace = cast(WebAdapter, opened.adapters[0]).workspace
        self._threads: dict[str, Watched] = defaultdict(Watched)
        self._person: Person | None = None
        self._workspace.room.watch(self._watch)

    async def ask(self, number: int) -> Watched:
        """Returns when the question is accepted."""
        if self._person is None:
            self._person = await self._workspace.join("Ana")
        text = f"@Parley please tell me #{number}"
        message = await self._workspace.post(
            self._person, "general", thread="", text=text, files=(), client_id=f"c{number}"
        )
        return self._threads[message.id]

    def _watch(self, change: Change) -> None:
        match change:
            case Posted(Message(mark=mark) as message) | Changed(_, Message(mark=mark) as message) if mark:
                self._threads[message.thread].saw(message.text, not message.streaming)
            case _:
                pass


class FakeRoom:
    """Questions as a platform's adapter states them, answered on a surface that only keeps the text."""

    def __init__(self, opened: House) -> None:
        self._bot = opened.bot
        self._platform = _Platform()
        self._bot.attach(self._platform)

    async def ask(self, number: int, thread: str = "") -> Watched:
        """Returns when the question is accepted; each opens a thread of its own unless one is given."""
        address = Address("fake", "w", "c", thread or f"m{number}")
        event = MessageReceived(
            id=f"m{number}",
            address=address,
            author=Author("u1", "Ana"),
            text=f"please tell me #{number}",
            sent_at=time.time(),
            mentions_bot=True,
        )
        await self._bot.receive(event)
        return self._platform.seen[address.thread]


class _Platform(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Watched] = defaultdict(Watched)

    def surface(self, reply: Reply) -> Surface:
        return _Surface(self.open(reply), self.seen[reply.address.thread])


class _Surface:
    """A fake surface and the clock beside it."""

    def __init__(self, inner: FakeSurface, watched: Watched) -> None:
        self._inner, self._watched = inner, watched
        self.dialect = inner.dialect

    def ways(self, write: Write) -> Sequence[Way]:
        return self._inner.ways(write)

    async def show(self, write: Write, way: Way) -> str:
        id = await self._inner.show(write, way)
        self._watched.saw("".join(self._inner.texts), write.final)
        return id

    async def tell(self, person: str, notice: Notice) -> None:
        await self._inner.tell(person, notice)

    async def status(self, status: Status) -> None:
        await self._inner.status(status)

    async def close(self, parts: int) -> None:
        await self._inner.close(parts)


@contextlib.asynccontextmanager
async def bot(folder: Path, url: str, database: str = "") -> AsyncIterator[House]:
    """The bot with its web workspace, ready, its database on disk in ``folder`` or there; it serves no page."""
    config = Config(_env_file=None, data_dir=folder, database_url=database, groq_api_key=KEY, llm_base_url=url, port=0)
    async with house(config) as opened, living(opened):
        yield opened
