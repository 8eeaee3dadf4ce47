"""The things Discord keeps, as plain mutable records. Ids are snowflakes as strings, as in Discord's JSON."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.discord.limits import Flag

Json = dict[str, Any]

TEXT, DM, GROUP_DM, CATEGORY, NEWS, FORUM = 0, 1, 3, 4, 5, 15
NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD = 10, 11, 12
THREADS = frozenset([NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD])

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
"""Kinds of interaction."""


@dataclass(slots=True)
class User:
    """Somebody. ``installed``: has the app as a user app. ``blocks_bot``: takes no DMs from it."""

    id: str
    name: str
    bot: bool = False
    locale: str = "en-US"
    installed: bool = False
    blocks_bot: bool = False


@dataclass(slots=True)
class Role:
    id: str
    name: str
    permissions: int
    position: int = 0
    mentionable: bool = False
    bot_id: str = ""


@dataclass(slots=True)
class Member:
    user: User
    joined_at: str
    roles: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Guild:
    """A guild; its @everyone role has the guild's own id. ``blocked_words``: refused by auto-moderation. ``emojis``:
    how many it has of its own."""

    id: str
    name: str
    owner_id: str
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    locale: str = "en-US"
    blocked_words: set[str] = field(default_factory=set)
    active_threads: int | None = None
    emojis: int = 0

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]


@dataclass(slots=True)
class Channel:
    """A channel, DM or thread; ``kind`` is Discord's channel type.

    ``overwrites``: role or user id → (0 role or 1 member, allowed bits, denied bits). The fields after ``slowmode``
    matter to threads only. ``last_posts``: user id → when they last wrote (for slow mode).
    """

    id: str
    kind: int
    name: str
    guild_id: str = ""
    parent_id: str = ""
    recipients: list[str] = field(default_factory=list)
    overwrites: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    topic: str = ""
    slowmode: int = 0
    deleted: bool = False
    owner_id: str = ""
    archived: bool = False
    locked: bool = False
    auto_archive: int = 1_440
    archive_changed: float = 0.0
    members: set[str] = field(default_factory=set)
    last_posts: dict[str, float] = field(default_factory=dict)
    typing: list[list[float]] = field(default_factory=list)

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS

    @property
    def is_private(self) -> bool:
        """A DM or a group DM."""
        return self.kind in (DM, GROUP_DM)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a message read from ``at`` (monotonic seconds) on.

    ``content`` is the raw text, ``text`` what a person reads, ``how`` the route or act that made it so.
    """

    at: float
    content: str
    text: str
    how: str


@dataclass(slots=True)
class Attachment:
    id: str
    name: str
    data: bytes
    channel_id: str
    media_type: str = ""
    description: str = ""
    duration: float | None = None
    waveform: str = ""
    ephemeral: bool = False


@dataclass(slots=True)
class Message:
    """One message as it is now; ``sights`` is all it ever read. ``kind`` is Discord's message type.

    ``only_for``: the one user who sees an ephemeral message. ``previews``: URLs under which a link preview shows.
    ``bot_named``: the text, or a reply with ping, names the bot in the way that reveals content without the intent.
    """

    id: str
    channel_id: str
    author: User
    at: float
    content: str = ""
    kind: int = 0
    flags: int = 0
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    mention_roles: list[str] = field(default_factory=list)
    mention_everyone: bool = False
    bot_named: bool = False
    reference: Json | None = None
    snapshots: list[Json] = field(default_factory=list)
    nonce: str = ""
    pinned: bool = False
    edited_at: float | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    interaction: Interaction | None = None
    webhook_id: str = ""
    only_for: str = ""
    thread: Channel | None = None
    previews: list[str] = field(default_factory=list)
    deleted: bool = False
    sights: list[Sight] = field(default_factory=list)

    @property
    def is_v2(self) -> bool:
        return bool(self.flags & Flag.IS_COMPONENTS_V2)

    @property
    def loading(self) -> bool:
        """A deferred response: the bot "is thinking"."""
        return bool(self.flags & Flag.LOADING)


@dataclass(slots=True)
class Modal:
    """A form on one person's screen."""

    interaction: Interaction
    user: User
    custom_id: str
    title: str
    components: list[Json]
    open: bool = True


@dataclass(slots=True)
class Interaction:
    """One press, command or form, and how the app answered it.

    ``kind``: COMMAND, COMPONENT, AUTOCOMPLETE or MODAL. ``response``: the type of the initial response, 0 when there
    was none in time (the person then sees an error). ``owners``: Discord's ``authorizing_integration_owners``.
    """

    id: str
    token: str
    kind: int
    user: User
    channel_id: str
    guild_id: str
    at: float
    data: Json
    owners: dict[str, str]
    context: int
    name: str = ""
    source: Message | None = None
    response: int = 0
    original: Message | None = None
    modal: Modal | None = None
    choices: list[Json] = field(default_factory=list)
    followups: list[Message] = field(default_factory=list)
    followups_used: int = 0
    thinking_unanswered: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def failed(self) -> bool:
        """The person was told that the application did not respond."""
        return not self.response

    @property
    def user_installed_only(self) -> bool:
        return "0" not in self.owners


@dataclass(frozen=True, slots=True)
class Ping:
    """Somebody was notified. ``why``: user, role, everyone or reply; ``silent``: without a sound."""

    user: str
    message: str
    why: str
    by_app: bool
    silent: bool
    at: float


@dataclass(frozen=True, slots=True)
class Preview:
    """A link preview came up under a message."""

    message: str
    url: str
    by_app: bool
    at: float


@dataclass(slots=True)
class App:
    """The one app under test, as set up in the Developer Portal."""

    id: str = "1000000000000000001"
    name: str = "parley"
    token: str = "discord-token-of-the-emulated-app"
    message_content: bool = True
    guild_members: bool = False
    presences: bool = False
    user_install: bool = True
    public: bool = True
