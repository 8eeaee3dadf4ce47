"""A platform in memory: it keeps messages, enforces its dialect's limits and fails as it is told.

``FakePlatform`` passes the suites in ``tests.contracts.surface``. What people see of a reply is ``texts``; every
write that was tried, with its time, is in ``writes``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bot.errors import Gone, SurfaceError
from bot.events import Address, File
from bot.ports import EarlierMessage, Source, Surface, check_fence
from bot.replies import Budget, Dialect, Notice, Reply, Status, Toll, Way, Write
from bot.reply.measure import code_points

PLENTY = Budget("plenty", rate=1_000.0, burst=1_000, reserve=1, private=True)


def fake_dialect(limit: int = 2_000, spacing: float = 1.0, live: bool = True) -> Dialect:
    return Dialect("fake", limit, code_points, str, spacing, live)


@dataclass(frozen=True, slots=True)
class Tried:
    """One call of ``show``: when (loop time), what, by which way, and how it failed (``None``: it did not)."""

    at: float
    write: Write
    way: Way
    failure: SurfaceError | None = None


@dataclass(slots=True)
class Message:
    id: str
    write: Write


@dataclass
class FakeSurface:
    """``faults``: one for each coming write, ``None`` lets it pass; ``lost``: a failing write arrives all the same."""

    reply: Reply
    dialect: Dialect
    messages: list[Message]
    budget: Budget = PLENTY
    latency: float = 0.0
    faults: list[SurfaceError | None] = field(default_factory=list)
    lost: bool = False
    is_gone: Callable[[], bool] = lambda: False
    writes: list[Tried] = field(default_factory=list)
    told: list[tuple[str, Notice]] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    _busy: bool = False

    @property
    def texts(self) -> list[str]:
        """What people read, message by message."""
        return [message.write.text for message in self.messages]

    def ways(self, write: Write) -> Sequence[Way]:
        verb = "edit" if write.part < len(self.messages) else "create"
        return (Way(verb, (Toll(self.budget, f"fake:{self.reply.address.workspace}:{verb}"),)),)

    async def show(self, write: Write, way: Way) -> str:
        assert not self._busy, "two writes at once"
        self._check(write)
        self._busy = True
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            check_fence()
            failure = self.faults.pop(0) if self.faults else None
            if self.is_gone():
                failure = Gone("the channel was deleted")
            self.writes.append(Tried(asyncio.get_running_loop().time(), write, way, failure))
            if failure is None or self.lost:
                self._keep(write)
            if failure is not None:
                raise failure
            return self.messages[write.part].id
        finally:
            self._busy = False

    async def tell(self, person: str, notice: Notice) -> None:
        self.told.append((person, notice))

    async def status(self, status: Status) -> None:
        self.statuses.append(status)

    async def close(self, parts: int) -> None:
        check_fence()
        self.closed.append(parts)
        del self.messages[parts:]

    def _check(self, write: Write) -> None:
        assert write.text.strip(), "an empty message"
        assert self.dialect.weigh(write.text) <= self.dialect.part_limit, "over the platform's limit"
        assert write.part <= len(self.messages), "a part before the one in front of it"
        assert write.firm is None or 0 <= write.firm <= len(write.text)

    def _keep(self, write: Write) -> None:
        if write.part < len(self.messages):
            self.messages[write.part].write = write
        else:
            self.messages.append(Message(f"{self.reply.mark}.{write.part}", write))


@dataclass
class FakeSource:
    """``before`` is what stood in the thread; ``files`` maps file ids to bytes."""

    platform: FakePlatform
    address: Address

    async def earlier(self, before: str, limit: int) -> Sequence[EarlierMessage]:
        messages = self.platform.threads.get(self.address, [])
        ids = [message.id for message in messages]
        end = ids.index(before) if before in ids else len(messages)
        return messages[max(0, end - limit) : end]

    async def file(self, file: File, limit: int) -> bytes:
        if file.id not in self.platform.files:
            raise Gone("no such file")
        return self.platform.files[file.id][:limit]

    async def posted(self, mark: str, question: str = "") -> Sequence[str]:
        return [message.id for message in self.platform.replies.get(mark, [])]

    async def stands(self, message: str) -> bool:
        return message not in self.platform.deleted


@dataclass
class FakePlatform:
    """Keeps what was posted under each mark, whatever becomes of the surfaces that posted it."""

    name: str = "fake"
    dialect: Dialect = field(default_factory=fake_dialect)
    budget: Budget = PLENTY
    latency: float = 0.0
    replies: dict[str, list[Message]] = field(default_factory=dict)
    threads: dict[Address, list[EarlierMessage]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    surfaces: list[FakeSurface] = field(default_factory=list)
    gone: set[Address] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    faults: list[SurfaceError | None] = field(default_factory=list)

    def surface(self, reply: Reply) -> Surface:
        return self.open(reply)

    def open(self, reply: Reply) -> FakeSurface:
        """``surface``, typed as the fake it is. New surfaces take over the platform's list of coming faults."""
        surface = FakeSurface(
            reply,
            self.dialect,
            self.replies.setdefault(reply.mark, []),
            self.budget,
            self.latency,
            self.faults,
            is_gone=lambda: reply.address in self.gone,
        )
        self.surfaces.append(surface)
        return surface

    def source(self, address: Address) -> Source:
        return FakeSource(self, address)

    def fail(self, faults: Iterable[SurfaceError | None]) -> None:
        """The coming writes fail like this, one each; ``None`` lets one pass."""
        self.faults.extend(faults)
