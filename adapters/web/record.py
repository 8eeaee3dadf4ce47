"""Keeps the room on the adapter's shelf, so that it is there again after a restart.

What must be durable before anybody acts on it is awaited (``keep_…``); what the core would do again after a crash
is only noted (``note_…``) and written as soon as the shelf is free: newest state per row, tried again for ever.
Previews of an answer are never written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from adapters.web.entries import Change as RoomChange
from adapters.web.entries import Changed, Channel, Message, Person, Removed
from bot.errors import StoreError
from bot.ports import Shelf
from bot.tasks import end_tasks

_T = TypeVar("_T")
_PAGE = 1_000
_TOGETHER = 20  # rows written at the same time
_REST = 1.0  # seconds before noted rows are tried again while the store is away


@dataclass(frozen=True, slots=True)
class KeptFile:
    """An uploaded file's facts; its bytes are in the data folder under ``id``. ``person`` sent it."""

    id: str
    name: str
    media_type: str
    size: int
    person: str
    number: int


@dataclass(slots=True)
class _Row:
    """``value`` is ``None`` for a row to remove. ``noted``: what must be written in the end when ``value``, which
    somebody waits for, cannot be."""

    value: Mapping[str, Any] | None
    position: int
    noted: _Row | None = None
    waiters: list[asyncio.Future[None]] = field(default_factory=list)


class Record:
    """The rows of one room. Of a row, one state is written at a time, and the newest one last."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._rows: dict[tuple[str, str], _Row] = {}
        self._writer: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()

    # --- reading

    async def load(self) -> tuple[list[Person], list[Channel], list[Message], list[KeptFile]]:
        """Everything kept, in rising order. Raises ``StoreError``."""
        people = [row async for row in self._all("person", Person)]
        channels = [row async for row in self._all("channel", Channel)]
        messages = [row async for row in self._all("message", Message)]
        files = [row async for row in self._all("file", KeptFile)]
        return people, channels, messages, files

    async def _all(self, kind: str, shape: type[_T]) -> AsyncIterator[_T]:
        after = -1
        while True:
            rows = await self._shelf.list(kind, after, _PAGE)
            for _, value in rows:
                yield msgspec.convert(dict(value["it"]), shape)
            if len(rows) < _PAGE:
                return
            after = rows[-1][1]["position"]

    # --- writing

    async def keep_person(self, person: Person) -> None:
        await self._keep("person", person.id, person, person.joined)

    async def keep_channel(self, channel: Channel) -> None:
        await self._keep("channel", channel.id, channel, channel.opened)

    async def keep_file(self, file: KeptFile) -> None:
        await self._keep("file", file.id, file, file.number)

    async def keep_message(self, message: Message) -> None:
        """Durable when this returns. Raises ``StoreError``: then it was not written."""
        await self._keep("message", message.id, message, int(message.id))

    def note_message(self, message: Message) -> None:
        self._want("message", message.id, message, int(message.id), noted=True)

    def note_no_message(self, id: str) -> None:
        self._want("message", id, None, 0, noted=True)

    def note_no_file(self, id: str) -> None:
        self._want("file", id, None, 0, noted=True)

    def follow(self, change: RoomChange) -> None:
        """Note what the room did by itself: a message taken away, a root that became a tombstone."""
        if isinstance(change, Removed):
            if not change.message.owed:
                self.note_no_message(change.message.id)
        elif isinstance(change, Changed) and change.after.deleted and not change.before.deleted:
            self.note_message(change.after)

    async def flush(self, patience: float) -> None:
        """Wait until everything noted is written, at most ``patience`` seconds."""
        deadline = asyncio.get_running_loop().time() + patience
        while self._rows and asyncio.get_running_loop().time() < deadline:
            self._start()
            if self._writer is not None:
                await asyncio.wait([self._writer], timeout=deadline - asyncio.get_running_loop().time())
        if self._writer is not None:
            await end_tasks({self._writer})

    # --- inside

    async def _keep(self, kind: str, id: str, it: object, position: int) -> None:
        row = self._want(kind, id, it, position, noted=False)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        row.waiters.append(waiter)
        self._urgent.set()
        await waiter

    def _want(self, kind: str, id: str, it: object | None, position: int, *, noted: bool) -> _Row:
        value = None if it is None else {"it": msgspec.to_builtins(it), "position": position}
        earlier = self._rows.get((kind, id))
        row = _Row(value, position, earlier.noted if earlier else None, earlier.waiters if earlier else [])
        if noted:
            row.noted = _Row(value, position)
        self._rows[(kind, id)] = row
        self._start()
        return row

    def _start(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="web-record")

    async def _write(self) -> None:
        while self._rows:
            failed = await asyncio.gather(*(self._write_row(key, row) for key, row in self._next_rows()))
            if any(failed):
                await self._rest()

    def _next_rows(self) -> list[tuple[tuple[str, str], _Row]]:
        """What is written next, at the same time: the rows that somebody waits for, else the oldest."""
        waited = [key for key, row in self._rows.items() if row.waiters]
        return [(key, self._rows.pop(key)) for key in (waited or list(self._rows))[:_TOGETHER]]

    async def _write_row(self, key: tuple[str, str], row: _Row) -> bool:
        """True when the store did not take it."""
        try:
            await self._put(key, row)
        except StoreError as error:
            self._fail(key, row, error)
            return True
        except BaseException:
            for waiter in row.waiters:
                waiter.cancel()
            raise
        for waiter in row.waiters:
            if not waiter.done():
                waiter.set_result(None)
        return False

    async def _rest(self) -> None:
        """Give the store a moment, unless somebody waits for a row."""
        self._urgent.clear()
        if not any(row.waiters for row in self._rows.values()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), _REST)

    async def _put(self, key: tuple[str, str], row: _Row) -> None:
        if row.value is None:
            await self._shelf.remove(*key)
        else:
            await self._shelf.put(*key, row.value, row.position)

    def _fail(self, key: tuple[str, str], row: _Row, error: StoreError) -> None:
        for waiter in row.waiters:
            if not waiter.done():
                waiter.set_exception(error)
        if row.noted is not None and key not in self._rows:
            self._rows[key] = _Row(row.noted.value, row.noted.position, row.noted)
