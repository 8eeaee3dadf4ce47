"""What people can do in the workspace: who may, in which order it becomes durable, and when the bot is told.

A message is saved before the bot is told of it and marked when it was; what the bot could not be told (the
database was away, the process died) it is told again, as a platform redelivers. A message that cannot be saved or
taken is not kept, and its sender hears so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from adapters.web import inbound
from adapters.web.core import Core
from adapters.web.deliveries import Deliveries, Locks
from adapters.web.dialect import BEHAVIOURS, Behaviour
from adapters.web.entries import TOMBSTONE, Channel, Message, Owed, Person
from adapters.web.files import Uploads
from adapters.web.record import Record
from adapters.web.refusals import NO_CHANNEL, NO_MESSAGE, NO_PERSON, RESTARTING, Refusal
from adapters.web.room import FIRST_CHANNELS, Room
from adapters.web.surface import sound
from bot.events import Action
from bot.ports import Form, Level, Suggestion
from bot.replies import Receipt

_MOST_FILES = 10
_LONGEST_NAME = 60
_LONGEST_LINE = 10_000


class Workspace:
    """The doings of people. Raises ``Refusal``, and ``StoreError`` when something could not be saved."""

    def __init__(self, core: Core, room: Room, record: Record, uploads: Uploads, wall: Callable[[], float]) -> None:
        self.core, self.room, self.record, self.uploads = core, room, record, uploads
        self.behaviour: Behaviour = BEHAVIOURS["web"]
        self.paused = False
        self._wall = wall
        self._alone = Locks()
        self.deliveries = Deliveries(core, room, record, self._alone)
        room.watch(record.follow)

    async def open(self) -> None:
        """Load what was kept, and make the first channels. Raises ``StoreError``."""
        people, channels, messages, files = await self.record.load()
        self.room.load(people, channels or FIRST_CHANNELS, messages)
        self.deliveries.load(messages)
        used = {file.id for message in messages for file in message.files}
        self.uploads.load(files, used, self._wall())
        if not channels:
            for channel in FIRST_CHANNELS:
                await self.record.keep_channel(channel)

    # --- people and channels

    async def join(self, name: str) -> Person:
        """A new person, or the one who has that name already."""
        name = _name(name, "your name")
        known = next((one for one in self.room.people.values() if one.name.casefold() == name.casefold()), None)
        if known is not None:
            return known
        if name.casefold() == self.room.bot_name.casefold():
            raise Refusal(400, "That is the bot's name. Please choose another.")
        number = self.room.new_number(self._wall())
        person = Person(f"p{number}", name, number)
        await self.record.keep_person(person)
        self.room.join(person)
        return person

    async def open_channel(self, name: str) -> Channel:
        """A new channel, or the one of that name."""
        name = "-".join(_name(name, "a name for the channel").lower().lstrip("#").split())
        known = next((one for one in self.room.channels.values() if one.name == name), None)
        if known is not None:
            return known
        number = self.room.new_number(self._wall())
        channel = Channel(f"c{number}", name, opened=number)
        await self.record.keep_channel(channel)
        self.room.open(channel)
        return channel

    def person(self, id: str) -> Person:
        person = self.room.people.get(id)
        if person is None:
            raise Refusal(404, NO_PERSON)
        return person

    def place(self, person: Person, channel: str, thread: str) -> tuple[str, str]:
        """A channel that ``person`` may see and a thread that is there ("" for none)."""
        found = self.room.channel(channel)
        if found is None or (found.person and found.person != person.id):
            raise Refusal(404, NO_CHANNEL)
        root = self.room.find(thread) if thread else None
        if thread and (root is None or root.channel != channel or root.thread or found.person):
            raise Refusal(404, "This thread is no longer there.")
        return channel, thread

    def message(self, person: Person, id: str) -> Message:
        message = self.room.find(id)
        if message is None or message.deleted:
            raise Refusal(404, NO_MESSAGE)
        self.place(person, message.channel, "")
        return message

    # --- messages

    async def post(
        self, person: Person, channel: str, *, thread: str, text: str, files: Sequence[str], client_id: str
    ) -> Message:
        """Save a message and tell the bot. The same ``client_id`` twice gives the same message."""
        async with self._alone(f"client:{person.id}:{client_id}" if client_id else ""):
            known = self.room.by_client(person.id, client_id)
            if known is not None:
                return known
            self.place(person, channel, thread)
            text = self._text(text, has_files=bool(files))
            if len(files) > _MOST_FILES:
                raise Refusal(400, f"A message can carry {_MOST_FILES} files at most.")
            attached = self.uploads.take(files, person.id)
            now = self._wall()
            message = Message(
                id=str(self.room.new_number(now)),
                channel=channel,
                thread=thread,
                author=person.id,
                text=text,
                ts=now,
                files=attached,
                client_id=client_id,
                owed=Owed.MESSAGE,
            )
            await self.record.keep_message(message)
            return await self.deliveries.post(message, person)

    async def edit(self, person: Person, id: str, text: str) -> Message:
        """Change one's own words. The bot is told; when it cannot be told now, it is told later."""
        async with self._alone(id):
            message = self._own(person, id)
            text = self._text(text, has_files=bool(message.files))
            if text == message.text:
                return message
            edited = replace(message, text=text, revision=message.revision + 1, owed=message.owed or Owed.EDIT)
            await self.record.keep_message(edited)
            self.room.change(edited)
            await self.deliveries.tell(edited)
            return self.room.find(id) or edited

    async def delete(self, person: Person, id: str) -> None:
        """Take away one's own message, or an answer one asked for."""
        async with self._alone(id):
            message = self._own(person, id, with_answers=True)
            trace = replace(message, text="", files=(), notes=(), controls=None, deleted=True, owed=Owed.DELETION)
            if self.room.replies(message):
                trace = replace(trace, text=TOMBSTONE)
            await self.record.keep_message(trace)
            self.room.change(replace(message, owed=Owed.DELETION))
            self.room.remove(id, trace=True)
            for file in message.files:
                self.uploads.remove(file.id)
            await self.deliveries.tell(trace)

    # --- commands, controls and forms

    async def press(self, person: Person, id: str, action: Action, value: str) -> Receipt:
        """A button under an answer."""
        self._open()
        message = self.message(person, id)
        if not message.mark:
            raise Refusal(404, NO_MESSAGE)
        number = self.room.new_number(self._wall())
        return await self.core.receive(inbound.control_pressed(number, message, person, action, value))

    async def command(self, person: Person, channel: str, thread: str, line: str) -> Receipt:
        self._open()
        self.place(person, channel, thread)
        if len(line) > _LONGEST_LINE:
            raise Refusal(400, "This command is too long.")
        number = self.room.new_number(self._wall())
        return await self.core.receive(inbound.command_given(number, channel, thread, person, sound(line)))

    async def complete(self, person: Person, channel: str, thread: str, line: str) -> Sequence[Suggestion]:
        self.place(person, channel, thread)
        address, direct = inbound.place(channel, thread), inbound.is_direct(channel)
        return await self.core.suggest(sound(line[:_LONGEST_LINE]), address, inbound.author_of(person), direct)

    async def form(self, person: Person, channel: str, thread: str, level: str) -> Form:
        self.place(person, channel, thread)
        address, direct = inbound.place(channel, thread), inbound.is_direct(channel)
        return await self.core.form(address, inbound.author_of(person), direct, _level(level))

    async def submit(self, person: Person, channel: str, thread: str, level: str, values: Mapping[str, str]) -> Receipt:
        self._open()
        self.place(person, channel, thread)
        chosen = _level(level)
        if chosen is None:
            raise Refusal(400, "Choose where these settings shall hold.")
        number = self.room.new_number(self._wall())
        pairs = [(key, sound(value)) for key, value in values.items()]
        return await self.core.receive(
            inbound.settings_submitted(number, inbound.place(channel, thread), person, level=chosen, values=pairs)
        )

    # --- inside

    def _open(self) -> None:
        if self.paused:
            raise Refusal(503, RESTARTING)

    def _text(self, text: str, *, has_files: bool) -> str:
        self._open()
        text = sound(text).replace("\r\n", "\n").strip()
        if not text and not has_files:
            raise Refusal(400, "Write something first.")
        most = self.behaviour.text_chars
        if len(text) > most:
            raise Refusal(400, f"A message can have {most:,} characters at most; this one has {len(text):,}.")
        return text

    def _own(self, person: Person, id: str, *, with_answers: bool = False) -> Message:
        self._open()
        message = self.message(person, id)
        if message.author != person.id and not (with_answers and message.mark and message.asker == person.id):
            raise Refusal(403, "Only who wrote a message can change it.")
        return message


def _name(name: str, what: str) -> str:
    clean = " ".join("".join(char for char in sound(name) if char.isprintable()).replace("@", "").split())
    if not clean or len(clean) > _LONGEST_NAME:
        raise Refusal(400, f"Please give {what} of 1 to {_LONGEST_NAME} characters.")
    return clean


def _level(level: str) -> Level | None:
    try:
        return Level(level) if level else None
    except ValueError:
        raise Refusal(400, "There is no such level of settings.") from None
