"""Discord's limits as data: sizes, lifetimes and rates, each of which a test may change with ``dataclasses.replace``.

Discord publishes no rate per route; these are what its users observe. A well-made bot reads the headers instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class Intent(IntFlag):
    """What a gateway connection asks to hear; three of them are privileged."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


KNOWN_INTENTS = (1 << 22) - 1 | 1 << 24 | 1 << 25


class Permission(IntFlag):
    """The permission bits that matter to a chat bot."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    SEND_VOICE_MESSAGES = 1 << 46
    USE_EXTERNAL_APPS = 1 << 50
    PIN_MESSAGES = 1 << 51
    BYPASS_SLOWMODE = 1 << 52


ORDINARY = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.SEND_VOICE_MESSAGES
    | Permission.USE_EXTERNAL_APPS
)


class Flag(IntFlag):
    """Message flags."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    HAS_SNAPSHOT = 1 << 14
    IS_COMPONENTS_V2 = 1 << 15


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in code points unless the name says bytes; times in seconds; counts otherwise."""

    content: int = 2_000
    embeds: int = 10
    embed_total: int = 6_000
    components: int = 40
    components_text: int = 4_000
    files: int = 10
    file_bytes: int = 10 * 2**20
    request_bytes: int = 25 * 2**20
    active_threads: int = 1_000
    command_creates_per_day: int = 200
    interaction_deadline: float = 3.0
    interaction_token: float = 900.0
    user_install_followups: int = 5
    nonce_memory: float = 300.0
    attachment_url: float = 86_400.0
    typing: float = 10.0
    old_message: float = 3_600.0
    invalid_requests: int = 10_000
    invalid_window: float = 600.0
    heartbeat_interval: float = 41.25
    identify_interval: float = 5.0
    max_concurrency: int = 1
    session_starts_per_day: int = 1_000
    guilds_per_shard: int = 2_500
    gateway_sends: int = 120
    gateway_window: float = 60.0
    session_memory: float = 180.0


Window = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Rates:
    """(requests, seconds) of each kind of bucket; a window opens with its first request."""

    create: Window = (5, 5.0)
    edit: Window = (5, 5.0)
    old_edit: Window = (3, 6.0)
    delete: Window = (5, 1.0)
    typing: Window = (5, 5.0)
    reaction: Window = (1, 0.25)
    rename: Window = (2, 600.0)
    thread: Window = (50, 300.0)
    webhook: Window = (5, 2.0)
    other: Window = (50, 1.0)
    everything: Window = (50, 1.0)

    def of(self, kind: str) -> Window:
        """The window of ``kind``, a field's name."""
        window: Window = getattr(self, kind)
        return window
