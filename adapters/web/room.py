"""The workspace's state, in memory: people, channels, messages, threads. No I/O and no clock.

It does what a platform's servers do, and tells its watchers of every change in the order in which they happened.
Whoever changes it says what must be kept (``record``); who may do what is decided in ``workspace``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from adapters.web.entries import (
    DIRECT,
    TOMBSTONE,
    Announced,
    Change,
    Changed,
    Channel,
    Message,
    Person,
    Posted,
    Removed,
    StatusSet,
    Told,
    shown_channel,
    shown_message,
    shown_person,
)
from bot.replies import Notice

BOT_ID = "parley"
FIRST_CHANNELS = (
    Channel("general", "general", "Ask anything here: mention the bot, and it answers in a thread.", opened=1),
    Channel("random", "random", "For trying things out.", opened=2),
)


class Room:
    """One workspace. Times are Unix seconds."""

    def __init__(self, bot_name: str) -> None:
        self.bot_name = bot_name
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self._messages: dict[str, Message] = {}
        self._order: dict[tuple[str, str], list[str]] = {}
        self._parts: dict[str, dict[int, str]] = {}
        self._clients: dict[tuple[str, str], str] = {}
        self._statuses: dict[tuple[str, str], str] = {}
        self._watchers: list[Callable[[Change], None]] = []
        self._last_id = 0

    # --- what is there

    def watch(self, watcher: Callable[[Change], None]) -> None:
        """``watcher`` is called with each change, after it happened."""
        self._watchers.append(watcher)

    def new_number(self, now: float) -> int:
        """A number that was never given before and is larger than all that were: Unix milliseconds, or the next."""
        self._last_id = max(self._last_id + 1, int(now * 1000))
        return self._last_id

    def channel(self, id: str) -> Channel | None:
        """A channel, or the direct room of a person who exists."""
        if id.startswith(DIRECT):
            person = self.people.get(id.removeprefix(DIRECT))
            return None if person is None else Channel(id, self.bot_name, kind="direct", person=person.id)
        return self.channels.get(id)

    def find(self, id: str) -> Message | None:
        """A message people can see."""
        message = self._messages.get(id)
        return None if message is None or self._is_hidden(message) else message

    def trace(self, id: str) -> Message | None:
        """A message, even when only its trace is left (``deleted``)."""
        return self._messages.get(id)

    def part(self, mark: str, part: int) -> Message | None:
        """A part of a reply, even when only its trace is left (``deleted``)."""
        return self._messages.get(self._parts.get(mark, {}).get(part, ""))

    def parts(self, mark: str) -> list[Message]:
        """The parts of a reply that people can see, in order."""
        ids = self._parts.get(mark, {})
        return [found for part in sorted(ids) if (found := self.find(ids[part])) is not None]

    def by_client(self, person: str, client_id: str) -> Message | None:
        """The message that this page sent under its own id ``client_id``."""
        return self._messages.get(self._clients.get((person, client_id), "")) if client_id else None

    def replies(self, root: Message) -> Sequence[str]:
        return self._order.get((root.channel, root.id), ())

    def conversation(self, channel: str, thread: str) -> Iterator[Message]:
        """Every message of a thread with its root, or of a channel's first level, oldest first."""
        if thread and (root := self.find(thread)) is not None:
            yield root
        for id in self._order.get((channel, thread), ()):
            yield self._messages[id]

    def page(self, channel: str, thread: str, before: str, limit: int) -> tuple[list[Message], bool]:
        """The newest ``limit`` messages before the id ``before`` ("" for the newest), oldest first, and whether
        there are more. The first page of a thread begins with its root, whatever the limit."""
        ids = list(self._order.get((channel, thread), ()))
        if before:
            del ids[bisect_left(ids, before) :]
        chosen = ids[-limit:]
        more = len(chosen) < len(ids)
        root = self.find(thread) if thread else None
        head = [root] if root is not None and (not before or not more) and root.id != before else []
        return head + [self._messages[id] for id in chosen], more

    def statuses(self) -> list[StatusSet]:
        return [StatusSet(channel, thread, text) for (channel, thread), text in self._statuses.items()]

    def show(self, message: Message) -> dict[str, Any]:
        """The page's view of a message."""
        if message.author:
            person = self.people.get(message.author)
            author = {"id": message.author, "name": person.name if person else "somebody", "bot": False}
        else:
            author = {"id": BOT_ID, "name": self.bot_name, "bot": True}
        replies = [] if message.thread else self.replies(message)
        last = self._messages[replies[-1]].ts if replies else None
        return shown_message(message, author, len(replies), last)

    # --- what happens

    def load(self, people: Iterable[Person], channels: Iterable[Channel], messages: Iterable[Message]) -> None:
        """Take what was kept, in rising order of ids; nobody is told."""
        for person in people:
            self.people[person.id] = person
            self._last_id = max(self._last_id, person.joined)
        for channel in channels:
            self.channels[channel.id] = channel
            self._last_id = max(self._last_id, channel.opened)
        for message in messages:
            self._put(replace(message, streaming=False))

    def join(self, person: Person) -> None:
        self.people[person.id] = person
        self._tell(Announced("person", shown_person(person)))

    def open(self, channel: Channel) -> None:
        self.channels[channel.id] = channel
        self._tell(Announced("channel", shown_channel(channel)))

    def announce(self, kind: str, value: Any) -> None:
        self._tell(Announced(kind, value))

    def post(self, message: Message) -> None:
        self._put(message)
        self._tell(Posted(message))
        self._retell_root(message)

    def change(self, message: Message) -> None:
        """Replace a message by its newer self; nobody is told when people would see no difference."""
        before = self._messages[message.id]
        self._messages[message.id] = message
        alike = before.owed == message.owed and before.client_id == message.client_id
        if (before if alike else replace(before, owed=message.owed, client_id=message.client_id)) != message:
            self._tell(Changed(before, message))

    def remove(self, id: str, *, trace: bool = False) -> None:
        """Take a message away. A root with replies becomes a tombstone; with ``trace`` a part of a reply stays
        known as deleted, so that it is not posted again."""
        message = self._messages[id]
        if self.replies(message):
            self.change(replace(message, text=TOMBSTONE, files=(), notes=(), controls=None, deleted=True))
            return
        self._order[(message.channel, message.thread)].remove(id)
        if trace and message.mark:
            self._messages[id] = replace(message, text="", notes=(), controls=None, deleted=True)
        else:
            del self._messages[id]
            self._parts.get(message.mark, {}).pop(message.part, None)
            self._clients.pop((message.author, message.client_id), None)
        self._tell(Removed(message))
        root = self._retell_root(message)
        if root is not None and root.deleted and not self.replies(root):
            self.remove(root.id)

    def forget(self, id: str) -> None:
        """Drop the trace of a message that nobody can see any more."""
        if (message := self._messages.get(id)) is not None and self._is_hidden(message):
            del self._messages[id]

    def set_status(self, channel: str, thread: str, text: str) -> None:
        """Set or, with "", clear the working sign."""
        if self._statuses.get((channel, thread), "") == text:
            return
        if text:
            self._statuses[(channel, thread)] = text
        else:
            del self._statuses[(channel, thread)]
        self._tell(StatusSet(channel, thread, text))

    def tell(self, person: str, channel: str, thread: str, notice: Notice) -> None:
        self._tell(Told(person, channel, thread, notice))

    # --- inside

    def _put(self, message: Message) -> None:
        self._last_id = max(self._last_id, int(message.id))
        self._messages[message.id] = message
        if message.mark:
            self._parts.setdefault(message.mark, {})[message.part] = message.id
        if message.client_id:
            self._clients[(message.author, message.client_id)] = message.id
        if not self._is_hidden(message):
            self._order.setdefault((message.channel, message.thread), []).append(message.id)

    def _is_hidden(self, message: Message) -> bool:
        return message.deleted and message.text != TOMBSTONE

    def _retell_root(self, reply: Message) -> Message | None:
        """Tell of a root again: the number of its replies is part of what people see of it."""
        root = self.find(reply.thread) if reply.thread else None
        if root is not None:
            self._tell(Changed(root, root))
        return root

    def _tell(self, change: Change) -> None:
        for watcher in self._watchers:
            watcher(change)
