"""The things Slack keeps, as plain mutable records: people, channels, messages, streams, sessions, views, files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack.limits import BOT_EVENTS

Json = dict[str, Any]


@dataclass(slots=True)
class Person:
    """Somebody with a profile: a member, a guest, or a bot (then ``bot_id`` and ``app_id`` are set)."""

    id: str
    name: str
    team: str
    real_name: str = ""
    bot_id: str = ""
    app_id: str = ""
    guest: bool = False
    admin: bool = False
    deleted: bool = False
    tz: str = "Europe/London"


@dataclass(slots=True)
class Token:
    """``kind``: bot, app, config or user. ``refused``: the error every use now gets, once it is revoked or expired."""

    value: str
    kind: str
    team: str
    scopes: frozenset[str]
    expires_at: float | None = None
    refused: str = ""


@dataclass(slots=True)
class Installation:
    """The app in one workspace."""

    bot: Person
    token: Token
    refresh: str = ""


@dataclass(slots=True)
class Workspace:
    id: str
    name: str
    domain: str
    people: dict[str, Person] = field(default_factory=dict)
    installation: Installation | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a message read from ``at`` (monotonic seconds) on; ``how``: the method or act that made it so."""

    at: float
    text: str
    how: str


@dataclass(slots=True)
class Stream:
    """A native stream. ``state``: open, finished, expired or stopped (by a person); ``told``: the app knows it."""

    started: float
    expires: float
    asker: str
    mode: str = "timeline"
    state: str = "open"
    markdown: str = ""
    plan: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)
    blocks: list[Json] = field(default_factory=list)
    size: int = 0
    appends: int = 0
    told: bool = False


@dataclass(slots=True)
class Message:
    """One message as it is now; ``sights`` is all it ever read, oldest first, with growing times."""

    channel: str
    ts: str
    user: str
    team: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str = ""
    subtype: str = ""
    bot_id: str = ""
    app_id: str = ""
    files: list[Json] = field(default_factory=list)
    edited: Json | None = None
    client_msg_id: str = ""
    only_for: str = ""
    reactions: dict[str, list[str]] = field(default_factory=dict)
    username: str = ""
    deleted: bool = False
    tombstone: bool = False
    stream: Stream | None = None
    sights: list[Sight] = field(default_factory=list)

    @property
    def streaming(self) -> bool:
        return self.stream is not None and self.stream.state == "open"

    @property
    def is_root(self) -> bool:
        return self.thread_ts in ("", self.ts)


@dataclass(slots=True)
class Channel:
    """``kind``: public, private, im, mpim or session. ``shared_with``: the other workspaces it is shared with."""

    id: str
    name: str
    kind: str
    team: str
    members: set[str] = field(default_factory=set)
    archived: bool = False
    shared_with: set[str] = field(default_factory=set)
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[Message]] = field(default_factory=dict)

    @property
    def event_type(self) -> str:
        """The ``channel_type`` of message events."""
        return {"public": "channel", "private": "group", "session": "channel"}.get(self.kind, self.kind)

    @property
    def scope_prefix(self) -> str:
        """The family of ``…:read`` and ``…:history`` scopes."""
        return {"public": "channels", "private": "groups", "session": "channels"}.get(self.kind, self.kind)


@dataclass(slots=True)
class Session:
    """An agent session of one thread. ``state``: processing, active, suspended or closed."""

    channel: str
    thread_ts: str
    state: str
    since: float
    title: str = ""
    history: list[tuple[float, str]] = field(default_factory=list)


@dataclass(slots=True)
class StatusLine:
    """The custom working sign of a thread; ``history``: (monotonic seconds, text or "" when it went away)."""

    text: str
    since: float
    loading_messages: list[str] = field(default_factory=list)
    history: list[tuple[float, str]] = field(default_factory=list)


@dataclass(slots=True)
class View:
    """A modal or a Home. ``open``: a person sees it. ``root``: the first view of its stack."""

    id: str
    team: str
    user: str
    kind: str
    body: Json
    hash: str
    root: str
    previous: str = ""
    open: bool = True


@dataclass(slots=True)
class StoredFile:
    id: str
    team: str
    user: str
    name: str
    mimetype: str
    data: bytes
    length: int
    uploaded: bool = False
    shared_in: set[str] = field(default_factory=set)
    check_info: bool = False


@dataclass(slots=True)
class Trigger:
    team: str
    user: str
    at: float
    used: bool = False
    view: str = ""


@dataclass(slots=True)
class ResponseUrl:
    """Where the answer to one interaction may be posted; ``source``: the message it came from, if any."""

    team: str
    channel: str
    user: str
    at: float
    source: Message | None = None
    uses: int = 0


@dataclass(slots=True)
class App:
    """The one app under test."""

    id: str = "A0PARLEY"
    client_id: str = "100.200"
    client_secret: str = "client-secret-of-the-emulated-app"
    signing_secret: str = "signing-secret-of-the-emulated-app"
    app_token: str = "xapp-1-A0PARLEY-1-emulated"
    config_token: str = "xoxe.xoxp-1-emulated"
    name: str = "parley"
    agent: bool = True
    rotation: bool = False
    subscriptions: frozenset[str] = BOT_EVENTS
    manifest: Json = field(default_factory=dict)
