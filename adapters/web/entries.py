"""What the workspace keeps, as frozen values, and the changes it tells of. No I/O.

``Message`` is the truth of one message; ``shown`` is what the page is sent of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from bot.events import File
from bot.replies import Controls, Notice

DIRECT = "dm-"
TOMBSTONE = "_This message was deleted._"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a browser; ``joined`` orders people (Unix milliseconds)."""

    id: str
    name: str
    joined: int = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """``kind`` is channel or direct; ``person`` is who a direct room belongs to, else ""."""

    id: str
    name: str
    topic: str = ""
    kind: str = "channel"
    person: str = ""
    opened: int = 0


class Owed(StrEnum):
    """What the bot has not been told of a message yet; it is told again after a restart."""

    NOTHING = ""
    MESSAGE = "message"
    EDIT = "edit"
    DELETION = "deletion"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``id``: Unix milliseconds, rising, 13 digits, never used twice. ``thread``: root id or "".

    ``author``: person id, or "" for the bot. ``mark``, ``part`` and ``asker`` name the reply it belongs to.
    ``deleted``: only a trace is left, because replies hang on it or because it must not be posted again.
    """

    id: str
    channel: str
    thread: str
    author: str
    text: str
    ts: float
    revision: int = 0
    files: tuple[File, ...] = ()
    notes: tuple[str, ...] = ()
    controls: Controls | None = None
    mark: str = ""
    part: int = 0
    asker: str = ""
    streaming: bool = False
    client_id: str = ""
    owed: Owed = Owed.NOTHING
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    message: Message


@dataclass(frozen=True, slots=True)
class Changed:
    before: Message
    after: Message


@dataclass(frozen=True, slots=True)
class Removed:
    message: Message


@dataclass(frozen=True, slots=True)
class StatusSet:
    """The bot's working sign in a conversation; "" when it is gone."""

    channel: str
    thread: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that only ``person`` sees."""

    person: str
    channel: str
    thread: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Announced:
    """Something everybody is told: ``kind`` is channel, person, backend or behave, ``value`` its JSON."""

    kind: str
    value: Any


Change = Posted | Changed | Removed | StatusSet | Told | Announced


def shown_person(person: Person) -> dict[str, Any]:
    return {"id": person.id, "name": person.name}


def shown_channel(channel: Channel) -> dict[str, Any]:
    return {"id": channel.id, "name": channel.name, "kind": channel.kind, "topic": channel.topic}


def shown_controls(controls: Controls | None) -> dict[str, Any] | None:
    return None if controls is None else asdict(controls)


def shown_message(message: Message, author: dict[str, Any], replies: int, last_reply: float | None) -> dict[str, Any]:
    """The page's view. ``author``: {id, name, bot}; ``replies`` and ``last_reply`` count for roots only."""
    return {
        "id": message.id,
        "channel": message.channel,
        "thread": message.thread or None,
        "author": author,
        "text": message.text,
        "ts": message.ts,
        "edited": message.revision > 0 and not message.deleted,
        "files": [asdict(file) for file in message.files],
        "notes": list(message.notes),
        "controls": shown_controls(message.controls),
        "mark": message.mark or None,
        "part": message.part,
        "streaming": message.streaming,
        "replies": replies,
        "last_reply_ts": last_reply,
    }
