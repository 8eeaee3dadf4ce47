"""What comes in: facts, in the past tense, as frozen values.

Adapters state facts and never decide. Whether a message is for us, whose turn it is and what happens
next is decided in ``bot.intake`` from these values alone. Text has been freed of the platform's escapes
before it gets here: it is plain Markdown as the person meant it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation lives. ``thread`` is the root message's id, or "" for a room without threads."""

    platform: str
    workspace: str
    channel: str
    thread: str = ""

    @property
    def key(self) -> str:
        """The conversation's name in the store: ``platform:workspace:channel:thread``."""
        return f"{self.platform}:{self.workspace}:{self.channel}:{self.thread}"


class AuthorKind(StrEnum):
    PERSON = "person"
    BOT = "bot"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote or pressed. ``name`` is the display name, used as the speaker label in prompts."""

    id: str
    name: str
    kind: AuthorKind = AuthorKind.PERSON
    admin: bool = False
    external: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a message; its bytes are fetched through ``Source.file`` when needed."""

    id: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Somebody wrote a message.

    ``id`` is the platform's message id; with the address's platform, workspace and channel it names the
    message for ever (twins and redeliveries share it). ``mentions_bot``: the bot is named in the text.
    ``direct``: a conversation with the bot alone. ``in_thread``: a reply inside an existing thread.
    ``opens_with_other_mention``: the first word names somebody else. ``sent_at``: Unix seconds. ``late``: read from
    the room after the bot was away, so it may have been heard before.
    """

    id: str
    address: Address
    author: Author
    text: str
    sent_at: float
    mentions_bot: bool = False
    direct: bool = False
    in_thread: bool = False
    forum_post: bool = False
    opens_with_other_mention: bool = False
    files: tuple[File, ...] = ()
    late: bool = False


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A person changed the words of a message (never a link preview, never our own edit).

    ``revision`` tells one edit of a message from the next (an edit time or a counter).
    """

    id: str
    address: Address
    author: Author
    text: str
    revision: str
    mentions_bot: bool = False


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message is gone from the platform."""

    id: str
    address: Address


@dataclass(frozen=True, slots=True)
class CommandGiven:
    """A slash command: ``line`` is everything after the command's name, e.g. ``set temperature 0.2``.

    ``address.thread`` is "" where the platform does not say in which thread it was typed.
    """

    id: str
    address: Address
    author: Author
    line: str
    direct: bool = False


class Action(StrEnum):
    STOP = "stop"
    REGENERATE = "regenerate"
    RETRY = "retry"
    VERSION = "version"
    FEEDBACK = "feedback"
    WHY = "why"


@dataclass(frozen=True, slots=True)
class ControlPressed:
    """A button under a reply. ``turn`` is the reply's mark; ``value``: version number, or "up"/"down"."""

    id: str
    address: Address
    author: Author
    action: Action
    turn: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class SettingsSubmitted:
    """A settings form was sent: key → text as typed; an empty text clears the key at ``level``."""

    id: str
    address: Address
    author: Author
    level: str
    values: tuple[tuple[str, str], ...] = field(default=())
    direct: bool = False


Event = MessageReceived | MessageEdited | MessageDeleted | CommandGiven | ControlPressed | SettingsSubmitted
