"""Shows replies as the bot's messages in the room, and reads the room for the core.

Repeating a write changes nothing: a part is found again by its reply's mark. The first write of a part may be lost
in a crash, for the core then makes it again; a final write is durable before it is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from adapters.web.dialect import Allowance, Behaviour
from adapters.web.entries import Message
from adapters.web.files import Uploads
from adapters.web.inbound import PLATFORM, author_of, is_direct
from adapters.web.record import Record
from adapters.web.room import Room
from adapters.web.windows import Windows
from bot.errors import Gone, SlowDown, StoreError, Unsent
from bot.events import Address, File
from bot.ports import EarlierMessage, check_fence
from bot.replies import Notice, Phase, Reply, Status, Way, Write


@dataclass(frozen=True, slots=True)
class Stage:
    """What surfaces share. ``opened`` is set once the room was loaded; ``wall`` gives Unix seconds, ``clock``
    rising seconds."""

    room: Room
    record: Record
    files: Uploads
    windows: Windows
    opened: asyncio.Event
    behaviour: Callable[[], Behaviour]
    wall: Callable[[], float]
    clock: Callable[[], float]


class WebPlatform:
    """The workspace as the core sees it (``bot.ports.Platform``)."""

    name = PLATFORM

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def surface(self, reply: Reply) -> WebSurface:
        return WebSurface(self._stage, reply)

    def source(self, address: Address) -> WebSource:
        return WebSource(self._stage, address)


class WebSurface:
    """Where one reply is shown (``bot.ports.Surface``)."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        self._stage = stage
        self._reply = reply
        self._behaviour = stage.behaviour()
        self.dialect = self._behaviour.dialect
        self._create = (self._behaviour.create.way_in(self._behaviour.name, reply.address),)
        self._update = (self._behaviour.update.way_in(self._behaviour.name, reply.address),)

    def ways(self, write: Write) -> Sequence[Way]:
        return self._update if self._known(write.part) else self._create

    async def show(self, write: Write, way: Way) -> str:
        await self._stage.opened.wait()
        check_fence()
        known = self._known(write.part)
        self._check_place(known)
        wanted = self._message(known, write)
        if known is None:
            self._charge(self._behaviour.create)
            self._stage.room.post(wanted)
            self._stage.record.note_message(wanted)
        elif wanted != known:
            self._charge(self._behaviour.update)
            self._stage.room.change(wanted)
        if write.final:
            await self._keep(wanted)
        return wanted.id

    async def tell(self, person: str, notice: Notice) -> None:
        address = self._reply.address
        self._stage.room.tell(person, address.channel, address.thread, notice)

    async def status(self, status: Status) -> None:
        if status.phase is Phase.LEFT:
            return
        address = self._reply.address
        text = "" if status.phase is Phase.DONE else status.text or status.phase.value
        self._stage.room.set_status(address.channel, address.thread, text)

    async def close(self, parts: int) -> None:
        await self._stage.opened.wait()
        check_fence()
        for message in reversed(self._stage.room.parts(self._reply.mark)):
            if message.part >= parts:
                self._stage.room.remove(message.id)

    def _known(self, part: int) -> Message | None:
        return self._stage.room.part(self._reply.mark, part)

    def _check_place(self, known: Message | None) -> None:
        address = self._reply.address
        if known is not None and known.deleted:
            raise Gone("a person deleted this part")
        if self._stage.room.channel(address.channel) is None:
            raise Gone("no such channel")
        if address.thread and self._stage.room.find(address.thread) is None:
            raise Gone("the thread was deleted")

    def _message(self, known: Message | None, write: Write) -> Message:
        text = sound(self.dialect.render(write.text))
        if self.dialect.weigh(text) > self._behaviour.hard_limit:
            raise Gone("the text is longer than the room takes")
        notes = tuple(sound(note) for note in write.notes)
        if known is not None:
            return replace(known, text=text, notes=notes, controls=write.controls, streaming=not write.final)
        reply, now = self._reply, self._stage.wall()
        return Message(
            id=str(self._stage.room.new_number(now)),
            channel=reply.address.channel,
            thread="" if is_direct(reply.address.channel) else reply.address.thread,
            author="",
            text=text,
            ts=now,
            notes=notes,
            controls=write.controls,
            mark=reply.mark,
            part=write.part,
            asker=reply.asker.id,
            streaming=not write.final,
        )

    def _charge(self, allowance: Allowance) -> None:
        """Count the call as the imitated platform would. Raises ``SlowDown``."""
        if allowance.window is None:
            return
        key = allowance.key(self._behaviour.name, self._reply.address)
        rest = self._stage.windows.take(key, allowance.window, self._stage.clock())
        if rest > 0:
            raise SlowDown(key, rest)

    async def _keep(self, message: Message) -> None:
        try:
            await self._stage.record.keep_message(message)
        except StoreError as error:
            raise Unsent("the final text could not be kept") from error


class WebSource:
    """Earlier messages and files of one conversation (``bot.ports.Source``)."""

    def __init__(self, stage: Stage, address: Address) -> None:
        self._stage = stage
        self._address = address

    async def earlier(self, before: str, limit: int) -> Sequence[EarlierMessage]:
        await self._stage.opened.wait()
        room, address = self._stage.room, self._address
        if not address.thread and not is_direct(address.channel):
            return []
        found = []
        for message in room.conversation(address.channel, address.thread):
            person = room.people.get(message.author)
            if message.id < before and person is not None and message.text and not message.deleted:
                found.append(EarlierMessage(message.id, author_of(person), message.text, message.ts))
        return found[-limit:] if limit > 0 else []

    async def file(self, file: File, limit: int) -> bytes:
        await self._stage.opened.wait()
        return await self._stage.files.read(file.id, limit)

    async def posted(self, mark: str, question: str = "") -> Sequence[str]:
        await self._stage.opened.wait()
        return [message.id for message in self._stage.room.parts(mark)]

    async def stands(self, message: str) -> bool:
        """The room itself tells of every deletion, after a crash too."""
        return True


def sound(text: str) -> str:
    """The text without halves of surrogate pairs, which no encoding can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
