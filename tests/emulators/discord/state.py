"""What Discord knows, behind the emulator's own door: nothing here waits and nothing is sent.

What has to reach the app is handed to ``State.emit`` as a gateway dispatch.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from tests.emulators.discord.ledger import Ledger
from tests.emulators.discord.limits import Limits
from tests.emulators.discord.records import (
    App,
    Attachment,
    Channel,
    Guild,
    Interaction,
    Json,
    Message,
    Modal,
    Ping,
    Preview,
    User,
)
from tests.emulators.discord.snowflakes import Snowflakes
from tests.emulators.slack.clock import Clock


class Emit(Protocol):
    def __call__(self, name: str, data: Json, channel: Channel | None = None, *, blank: Json | None = None) -> None:
        """Dispatch an event. ``channel`` decides shard and visibility; ``blank`` is for those without the intent."""
        ...


def _nowhere(name: str, data: Json, channel: Channel | None = None, *, blank: Json | None = None) -> None:
    """The gateway before it is there."""


class State:
    def __init__(self, app: App, limits: Limits, clock: Clock, ledger: Ledger) -> None:
        self.app, self.limits, self.clock, self.ledger = app, limits, clock, ledger
        self.ids = Snowflakes(clock)
        self.base_url = ""
        self.emit: Emit = _nowhere
        self.bot = User(app.id, app.name, bot=True)
        self.users: dict[str, User] = {self.bot.id: self.bot}
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, Attachment] = {}
        self.interactions: dict[str, Interaction] = {}
        self.tokens: dict[str, Interaction] = {}
        self.ephemerals: list[Message] = []
        self.modals: list[Modal] = []
        self.pings: list[Ping] = []
        self.previews: list[Preview] = []
        self.nonces: dict[str, tuple[float, Message]] = {}
        self.commands: dict[str, dict[str, Json]] = {"": {}}
        self.command_creates: dict[str, list[float]] = {}
        self.edits_in_flight: dict[str, int] = {}

    def sin(self, name: str, where: str, detail: str = "") -> None:
        self.ledger.sin(name, where, detail, self.clock.now())

    def guild_of(self, channel: Channel) -> Guild | None:
        return self.guilds.get(channel.guild_id)

    def bot_in(self, guild_id: str) -> bool:
        guild = self.guilds.get(guild_id)
        return guild is not None and self.bot.id in guild.members

    def parent_of(self, channel: Channel) -> Channel:
        """The channel whose permissions count: a thread's parent, else the channel."""
        return self.channels.get(channel.parent_id, channel) if channel.is_thread else channel

    def dm(self, user: User) -> Channel:
        """The DM of ``user`` with the bot, opened when there is none."""
        for channel in self.channels.values():
            if channel.kind == 1 and set(channel.recipients) == {user.id, self.bot.id}:
                return channel
        channel = Channel(self.ids.old(), 1, "", recipients=[user.id, self.bot.id])
        self.channels[channel.id] = channel
        return channel

    def iso(self, unix: float) -> str:
        """A time as Discord writes it."""
        return datetime.fromtimestamp(unix, UTC).isoformat()
