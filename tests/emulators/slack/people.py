"""What people write: messages, edits, deletions, reactions, uploads, link previews; and what they read.

``text`` is what a person types, with mentions as ``<@U…>``; Slack's escaping is applied here. A message that
mentions the bot reaches the app twice, as ``message`` and as ``app_mention``, in an order Slack does not promise.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from tests.emulators.slack.conversations import announce_reaction
from tests.emulators.slack.files import describe_file, store_file
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.messages import announce_change, describe, put, remove, seen
from tests.emulators.slack.reading import rendered
from tests.emulators.slack.records import App, Channel, Json, Message, Person, Sight, StoredFile
from tests.emulators.slack.room import Impossible, Room

_TOKEN = re.compile(r"(<(?:[@#!][^<>]+|https?://[^<>]+|mailto:[^<>]+)>)")


def escaped(text: str) -> str:
    """As Slack sends it: ``& < >`` escaped, mentions and links kept."""
    pieces = _TOKEN.split(text)
    return "".join(
        piece if at % 2 else piece.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for at, piece in enumerate(pieces)
    )


class People(Room):
    """``twins``: which of the two events of a mention goes first: alternate, mention or message."""

    def __init__(self, app: App | None, limits: Limits, scopes: frozenset[str]) -> None:
        super().__init__(app, limits, scopes)
        self.twins = "alternate"
        self.reply_counts = False
        self._mentions = 0

    # --- writing -----------------------------------------------------------------------------------

    async def says(
        self,
        user: Person | str,
        channel: Channel | str,
        text: str,
        thread_ts: str | None = None,
        *,
        files: Sequence[StoredFile] = (),
        broadcast: bool = False,
        subtype: str = "",
    ) -> Message:
        """Somebody writes, a person or another app's bot; the message is there then, but may not be delivered yet."""
        person, place = self._who(user), self._where(channel)
        self._check_writing(person, place)
        message = Message(place.id, self.clock.stamp(), person.id, person.team, escaped(text))
        message.thread_ts, message.subtype = thread_ts or "", subtype
        message.bot_id, message.app_id = person.bot_id, person.app_id
        message.client_msg_id = "" if person.bot_id else str(uuid.uuid4())
        if not person.bot_id and text:
            words = [{"type": "text", "text": text}]
            section = [{"type": "rich_text_section", "elements": words}]
            message.blocks = [{"type": "rich_text", "block_id": self.state.new_id("b"), "elements": section}]
        if files:
            message.subtype = "file_share"
            message.files = [self._share(file, place) for file in files]
        if broadcast:
            message.subtype = "thread_broadcast"
        if thread_ts and thread_ts not in place.messages:
            raise Impossible("there is no such thread")
        root = place.messages.get(thread_ts or "")
        before = describe(self.state, root) if root is not None else {}
        put(self.state, place, message, "says")
        self._announce_said(place, message)
        if root is not None and self.reply_counts:
            announce_change(self.state, place, before, root)
        return message

    def _check_writing(self, person: Person, channel: Channel) -> None:
        if person.id not in channel.members:
            raise Impossible(f"{person.name} is not in {channel.name or channel.id}")
        if channel.archived:
            raise Impossible("the channel is archived")
        if person.guest and channel.kind == "im" and self.app.agent:
            raise Impossible("guests cannot use an app with the agents feature")

    def _share(self, file: StoredFile, channel: Channel) -> Json:
        file.shared_in.add(channel.id)
        return describe_file(self.state, file)

    def _announce_said(self, channel: Channel, message: Message) -> None:
        said = describe(self.state, message) | {"channel": channel.id, "event_ts": message.ts}
        said["channel_type"] = channel.event_type
        for name in ("reply_count", "reply_users", "latest_reply"):
            said.pop(name, None)
        if channel.shared_with:
            said |= {"user_team": message.team, "source_team": message.team}
        for team in self.state.teams_of(channel):
            bot = self.state.bot(team)
            events = [said]
            if bot is not None and f"<@{bot.id}>" in message.text and channel.kind != "im":
                mention = {key: value for key, value in said.items() if key not in ("channel_type", "subtype")}
                events.append(mention | {"type": "app_mention"})
                self._mentions += 1
                if self.twins == "mention" or (self.twins == "alternate" and self._mentions % 2 == 0):
                    events.reverse()
            for event in events:
                self._emit(team, event, channel)

    def file(
        self, user: Person | str, name: str, mimetype: str, data: bytes, *, check_info: bool = False
    ) -> StoredFile:
        """Something for ``says(files=…)``; ``check_info``: the app gets only its id, as across organisations."""
        person = self._who(user)
        file = store_file(self.state, person.team, person.id, name, mimetype, data)
        file.check_info = check_info
        return file

    async def edits(self, user: Person | str, message: Message, text: str) -> None:
        person, channel = self._who(user), self.state.channels[message.channel]
        if person.id != message.user or message.deleted or message.tombstone:
            raise Impossible(f"{person.name} cannot edit this")
        before = describe(self.state, message)
        message.text = escaped(text)
        for block in message.blocks:
            block["elements"] = [{"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}]
        message.edited = {"user": person.id, "ts": self.clock.stamp()}
        seen(self.state, message, "edits")
        announce_change(self.state, channel, before, message)

    async def deletes(self, user: Person | str, message: Message) -> None:
        person, channel = self._who(user), self.state.channels[message.channel]
        if (person.id != message.user and not person.admin) or message.deleted:
            raise Impossible(f"{person.name} cannot delete this")
        remove(self.state, channel, message, "deletes")

    async def unfurls(self, message: Message, url: str, text: str = "a link preview") -> None:
        """Slack adds a link preview: a ``message_changed`` that is no edit."""
        before = describe(self.state, message)
        message.attachments = [*message.attachments, {"from_url": url, "fallback": text, "text": text, "id": 1}]
        seen(self.state, message, "unfurls")
        announce_change(self.state, self.state.channels[message.channel], before, message)

    async def reacts(self, user: Person | str, message: Message, name: str, *, off: bool = False) -> None:
        person, channel = self._who(user), self.state.channels[message.channel]
        users = message.reactions.setdefault(name, [])
        if (person.id in users) != off:
            raise Impossible("the reaction is there already" if not off else "there is no such reaction")
        if off:
            users.remove(person.id)
        else:
            users.append(person.id)
        announce_reaction(
            self.state, channel, message, "reaction_removed" if off else "reaction_added", name, person.id
        )

    async def joins(self, user: Person | str, channel: Channel | str) -> None:
        person, place = self._who(user), self._where(channel)
        place.members.add(person.id)
        event: Json = {"type": "member_joined_channel", "user": person.id, "channel": place.id, "team": person.team}
        event |= {"channel_type": "C" if place.kind == "public" else "G", "event_ts": self.clock.stamp()}
        for team in self.state.teams_of(place):
            self._emit(team, event, place)

    # --- reading -----------------------------------------------------------------------------------

    def thread(self, channel: Channel | str, ts: str) -> list[Message]:
        """The thread as people see it: root first, then the replies."""
        self.state.settle_streams()
        return self.state.thread(self._where(channel), ts)

    def replies(self, channel: Channel | str, ts: str) -> list[Message]:
        """The app's own messages in the thread, oldest first."""
        return [message for message in self.thread(channel, ts) if message.app_id == self.app.id]

    def messages(self, channel: Channel | str) -> list[Message]:
        """Every message of the channel that is still there, replies included, oldest first."""
        return [message for message in self._where(channel).messages.values() if not message.deleted]

    def rendered(self, message: Message) -> str:
        """What a person reads in ``message`` now."""
        return rendered(message)

    def edit_history(self, message: Message) -> list[Sight]:
        """All that the message ever read, with growing monotonic times."""
        return list(message.sights)

    def ephemerals(self, user: Person | str | None = None) -> list[Message]:
        """What single persons were shown and still see."""
        wanted = self._who(user).id if user is not None else ""
        return [it for it in self.state.ephemerals if not it.deleted and wanted in ("", it.only_for)]

    def status(self, channel: Channel | str, thread_ts: str) -> str:
        """The working sign people see in the thread, "" for none: the custom text, else "Working…" of a session."""
        place = self._where(channel).id
        text = self.state.status_text(place, thread_ts)
        working = self.state.session_state(place, thread_ts) == "processing"
        return text or ("Working…" if working else "")

    def session_state(self, channel: Channel | str, thread_ts: str) -> str:
        return self.state.session_state(self._where(channel).id, thread_ts)

    def open_streams(self) -> list[Message]:
        """Messages that still spin."""
        self.state.settle_streams()
        return list(self.state.streams)
