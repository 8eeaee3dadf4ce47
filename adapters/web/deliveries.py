"""Tells the bot what happened to messages, and tells it again what it could not be told.

A message is on the shelf as owed before the bot hears of it, and noted as told afterwards. So a crash or an absent
database in between costs a repetition, which the core recognises, and never a message.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import structlog

from adapters.web import inbound
from adapters.web.core import Core
from adapters.web.entries import TOMBSTONE, Message, Owed, Person
from adapters.web.record import Record
from adapters.web.room import Room
from bot.errors import StoreError
from bot.events import Event, MessageReceived
from bot.replies import Receipt

log = structlog.get_logger("web")


class Locks:
    """One doing at a time for each key."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def __call__(self, key: str) -> AsyncIterator[None]:
        """Wait for one's turn at ``key``; "" never waits."""
        if not key:
            yield
            return
        lock, users = self._held.get(key, (asyncio.Lock(), 0))
        self._held[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._held[key]
            if users == 1:
                del self._held[key]
            else:
                self._held[key] = (lock, users - 1)


class Deliveries:
    """What the bot was told and what it is owed. ``alone`` holds one lock for each message."""

    def __init__(self, core: Core, room: Room, record: Record, alone: Locks) -> None:
        self._core, self._room, self._record, self._alone = core, room, record, alone
        self._owed: dict[str, Message] = {}

    def load(self, messages: Iterable[Message]) -> None:
        """Take over what an earlier process still owed."""
        self._owed = {message.id: message for message in messages if message.owed}

    @property
    def owes(self) -> bool:
        """The bot still has to be told of something."""
        return bool(self._owed)

    async def post(self, message: Message, person: Person) -> Message:
        """Show a new message that is on the shelf, and tell the bot. Raises ``StoreError``: then it is gone again."""
        async with self._alone(message.id):
            self._room.post(message)
            try:
                receipt = await self._core.receive(self._received(message, person))
            except StoreError:
                self._room.remove(message.id)
                self._record.note_no_message(message.id)
                raise
            except BaseException:
                self._owed[message.id] = message
                raise
            self._settled(message.id)
            self._pass_on(receipt, person, message)
            return self._room.trace(message.id) or message

    async def tell(self, message: Message) -> None:
        """Tell the bot what ``message.owed`` says; what it cannot take now stays owed. Under the message's lock."""
        person = self._room.people.get(message.author)
        event: Event
        if message.owed is Owed.DELETION or person is None:
            event = inbound.deleted(message)
        elif message.owed is Owed.EDIT:
            event = inbound.edited(message, person, self._room.bot_name)
        else:
            event = self._received(message, person)
        self._owed[message.id] = message
        try:
            receipt = await self._core.receive(event)
        except StoreError:
            log.warning("the bot could not be told; it will be told again", kind=message.owed.value)
            return
        self._settled(message.id)
        if person is not None:
            self._pass_on(receipt, person, message)

    async def redeliver(self) -> None:
        """Tell the bot what it could not be told, in order."""
        for id in sorted(self._owed):
            async with self._alone(id):
                owed = self._owed.get(id)
                try:
                    if owed is not None:
                        await self.tell(self._room.find(id) or owed)
                except Exception:  # one message that breaks the core must not keep the others from it
                    log.exception("telling the bot again broke")

    def _settled(self, id: str) -> None:
        """The bot was told of this message: nothing is owed any more."""
        self._owed.pop(id, None)
        kept = self._room.trace(id)
        if kept is None or (kept.deleted and not kept.mark and kept.text != TOMBSTONE):
            self._room.forget(id)
            self._record.note_no_message(id)
        else:
            kept = replace(kept, owed=Owed.NOTHING)
            self._room.change(kept)
            self._record.note_message(kept)

    def _received(self, message: Message, person: Person) -> MessageReceived:
        return inbound.received(message, person, self._room.bot_name, self._room.people.values())

    def _pass_on(self, receipt: Receipt, person: Person, message: Message) -> None:
        if receipt.notice is not None:
            self._room.tell(person.id, message.channel, message.thread, receipt.notice)
