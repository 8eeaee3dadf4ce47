"""What people write: messages, replies, edits, deletions, threads, forum posts, reactions; and what they read."""

from __future__ import annotations

from collections.abc import Sequence

from tests.emulators.discord.channels import emit_reaction, emit_typing
from tests.emulators.discord.content import guess_type
from tests.emulators.discord.limits import Flag, Permission
from tests.emulators.discord.mentions import ORDINARY, Allowed, settle_mentions
from tests.emulators.discord.messages import change, post, remove, show_previews
from tests.emulators.discord.permissions import may, permissions, sends
from tests.emulators.discord.posting import set_pinned
from tests.emulators.discord.reading import labels, rendered
from tests.emulators.discord.records import (
    FORUM,
    PUBLIC_THREAD,
    Attachment,
    Channel,
    Json,
    Message,
    Modal,
    Ping,
    Preview,
    Sight,
    User,
)
from tests.emulators.discord.room import Impossible, Room
from tests.emulators.discord.threads import add_thread, announce_thread, thread_alone, thread_on, wake


class People(Room):
    # --- writing -----------------------------------------------------------------------------------

    async def says(
        self,
        user: User | str,
        channel: Channel | str,
        text: str,
        *,
        reply_to: Message | None = None,
        ping: bool = True,
        files: Sequence[Attachment] = (),
        flags: int = 0,
        kind: int = 0,
        webhook: bool = False,
    ) -> Message:
        """Somebody writes, a person, another bot or a webhook; the app hears of it if it may."""
        person, place = self._who(user), self._where(channel)
        self._check_writing(person, place)
        message = Message(self.state.ids.new(), place.id, person, self.clock.unix(), text.strip(), kind, flags)
        message.nonce = "" if person.bot else message.id
        message.webhook_id = self.state.ids.new() if webhook else ""
        if reply_to is not None:
            message.kind = 19
            message.reference = {"type": 0, "channel_id": place.id, "message_id": reply_to.id}
            message.reference |= {"guild_id": place.guild_id} if place.guild_id else {}
        for file in files:
            file.channel_id = place.id
        message.attachments = list(files)
        wake(self.state, place)
        if place.is_thread:
            place.members.add(person.id)
        post(self.state, place, message, "says", Allowed(ORDINARY.parse, replied=ping))
        return message

    def _check_writing(self, person: User, channel: Channel) -> None:
        if channel.deleted or channel.kind == FORUM:
            raise Impossible("nobody can write there")
        if not may(self.state, channel, person.id, sends(channel)):
            raise Impossible(f"{person.name} cannot write in {channel.name or channel.id}")
        if channel.locked and not may(self.state, channel, person.id, Permission.MANAGE_THREADS):
            raise Impossible("the thread is locked")
        if person is self.bot:
            raise Impossible("the bot speaks for itself")

    async def forwards(self, user: User | str, message: Message, channel: Channel | str) -> Message:
        """Forward a message: no content, but a snapshot of it."""
        person, place = self._who(user), self._where(channel)
        self._check_writing(person, place)
        copy = Message(self.state.ids.new(), place.id, person, self.clock.unix(), flags=int(Flag.HAS_SNAPSHOT))
        copy.reference = {"type": 1, "channel_id": message.channel_id, "message_id": message.id}
        snapshot: Json = {"type": 0, "content": message.content, "embeds": message.embeds, "attachments": []}
        snapshot |= {"timestamp": self.state.iso(message.at), "edited_timestamp": None, "flags": 0}
        copy.snapshots = [snapshot | {"mentions": [], "mention_roles": [], "components": []}]
        post(self.state, place, copy, "forwards", ORDINARY)
        return copy

    def file(
        self, name: str, data: bytes, *, media_type: str | None = None, duration: float | None = None
    ) -> Attachment:
        """Something for ``says(files=…)``; ``duration``: it is a voice message (give ``Flag.IS_VOICE_MESSAGE`` too)."""
        kind = guess_type(name) if media_type is None else media_type
        file = Attachment(self.state.ids.new(), name, data, "", kind)
        if duration is not None:
            file.duration, file.waveform, file.media_type = duration, "AAAA", media_type or "audio/ogg"
        return file

    async def edits(self, user: User | str, message: Message, text: str) -> None:
        person, channel = self._who(user), self.state.channels[message.channel_id]
        if message.author is not person or message.deleted or channel.archived:
            raise Impossible(f"{person.name} cannot edit this")
        message.content, message.edited_at = text.strip(), self.clock.unix()
        replied = message.kind == 19 and len(message.mentions) > 0
        settle_mentions(self.state, channel, message, Allowed(ORDINARY.parse, replied=replied))
        change(self.state, channel, message, "edits")

    async def deletes(self, user: User | str, message: Message) -> None:
        person, channel = self._who(user), self.state.channels[message.channel_id]
        manages = may(self.state, channel, person.id, Permission.MANAGE_MESSAGES)
        if message.only_for == person.id:
            message.deleted = True
            return
        if message.deleted or not (message.author is person or manages):
            raise Impossible(f"{person.name} cannot delete this")
        remove(self.state, channel, message, "deletes")

    async def purges(self, channel: Channel | str, *messages: Message) -> None:
        """A moderator deletes several messages at once."""
        place = self._where(channel)
        for message in messages:
            remove(self.state, place, message, "purges", quietly=True)
        data: Json = {"ids": [message.id for message in messages], "channel_id": place.id}
        data |= {"guild_id": place.guild_id} if place.guild_id else {}
        self.state.emit("MESSAGE_DELETE_BULK", data, place)

    async def resolves(self, message: Message, *urls: str) -> None:
        """Discord adds link previews: a MESSAGE_UPDATE that is no edit."""
        show_previews(self.state, self.state.channels[message.channel_id], message, list(urls))

    async def pins(self, message: Message, *, pinned: bool = True) -> None:
        """Somebody pins or unpins: a MESSAGE_UPDATE that is no edit."""
        set_pinned(self.state, self.state.channels[message.channel_id], message, pinned)

    async def suppresses(self, message: Message) -> None:
        """A moderator takes the previews off a message."""
        message.flags |= Flag.SUPPRESS_EMBEDS
        message.embeds, message.previews = [], []
        change(self.state, self.state.channels[message.channel_id], message, "suppresses")

    async def reacts(self, user: User | str, message: Message, emoji: str, *, off: bool = False) -> None:
        person, channel = self._who(user), self.state.channels[message.channel_id]
        users = message.reactions.setdefault(emoji, [])
        if (person.id in users) != off:
            raise Impossible("the reaction is there already" if not off else "there is no such reaction")
        if off:
            users.remove(person.id)
        else:
            users.append(person.id)
        emit_reaction(self.state, channel, message, person, emoji, added=not off)

    async def types(self, user: User | str, channel: Channel | str) -> None:
        """Somebody starts typing."""
        emit_typing(self.state, self._where(channel), self._who(user))

    async def opens_thread(
        self, user: User | str, place: Message | Channel | str, name: str, *, private: bool = False
    ) -> Channel:
        """A thread from a message, or without one in a channel."""
        person = self._who(user)
        if isinstance(place, Message):
            parent = self.state.channels[place.channel_id]
            if place.thread is not None or parent.is_thread or parent.is_private:
                raise Impossible("there can be no thread here")
            return thread_on(self.state, parent, place, person, name)
        return thread_alone(self.state, self._where(place), person, name, private=private)

    async def forum_post(
        self, user: User | str, forum: Channel | str, title: str, text: str, *, files: Sequence[Attachment] = ()
    ) -> Channel:
        """A post in a forum: a thread whose first message has its id."""
        person, place = self._who(user), self._where(forum)
        if place.kind != FORUM:
            raise Impossible(f"{place.name} is no forum")
        thread = add_thread(self.state, place, person, title, kind=PUBLIC_THREAD)
        announce_thread(self.state, thread)
        message = Message(thread.id, thread.id, person, self.clock.unix(), text.strip())
        for file in files:
            file.channel_id = thread.id
        message.attachments = list(files)
        post(self.state, thread, message, "forum_post", ORDINARY)
        return thread

    async def joins_thread(self, user: User | str, thread: Channel) -> None:
        thread.members.add(self._who(user).id)

    # --- reading -----------------------------------------------------------------------------------

    def messages(self, channel: Channel | str) -> list[Message]:
        """Every message of the channel or thread that is still there, oldest first."""
        return [it for it in self._where(channel).messages.values() if not it.deleted]

    def replies(self, channel: Channel | str) -> list[Message]:
        """The app's own messages in a channel or thread, oldest first."""
        return [message for message in self.messages(channel) if message.author is self.bot]

    def threads(self, channel: Channel | str) -> list[Channel]:
        """The threads (or posts) under a channel, oldest first."""
        parent = self._where(channel)
        return [it for it in self.state.channels.values() if it.parent_id == parent.id and not it.deleted]

    def rendered(self, message: Message) -> str:
        """What a person reads in ``message`` now."""
        return rendered(self.state, message)

    def buttons(self, message: Message) -> list[str]:
        """The labels of what can be pressed under a message."""
        return labels(message)

    def edit_history(self, message: Message) -> list[Sight]:
        """All that the message ever read, with growing monotonic times."""
        return list(message.sights)

    def ephemerals(self, user: User | str | None = None) -> list[Message]:
        """What single persons were shown and still see."""
        wanted = self._who(user).id if user is not None else ""
        return [it for it in self.state.ephemerals if not it.deleted and wanted in ("", it.only_for)]

    def modal_of(self, user: User | str) -> Modal | None:
        """The form on this person's screen."""
        person = self._who(user)
        shown = [modal for modal in self.state.modals if modal.user is person and modal.open]
        return shown[-1] if shown else None

    def typing(self, channel: Channel | str) -> list[tuple[float, float]]:
        """When the bot was seen typing: (from, until) in monotonic seconds; the last may end in the future."""
        return [(start, end) for start, end in self._where(channel).typing]

    def is_typing(self, channel: Channel | str) -> bool:
        return any(start <= self.clock.now() < end for start, end in self._where(channel).typing)

    @property
    def pings(self) -> list[Ping]:
        """Everybody who was notified, oldest first."""
        return self.state.pings

    def pinged(self, message: Message) -> list[str]:
        """The names of those ``message`` notified."""
        return [self.state.users[ping.user].name for ping in self.state.pings if ping.message == message.id]

    @property
    def previews(self) -> list[Preview]:
        """Every link preview that ever came up, oldest first."""
        return self.state.previews

    def sees(self, user: User | str, channel: Channel | str) -> bool:
        return bool(permissions(self.state, self._where(channel), self._who(user).id))
