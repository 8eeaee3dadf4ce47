"""The furnished world: guilds, people, roles, channels and permissions, and how changes reach the app.

A new world has one guild "acme" with the app in it, two people (ada, its owner, and grace) and the channels
"general" and, of the forum kind, "questions".
"""

from __future__ import annotations

from tests.emulators.discord.channels import drop_channel
from tests.emulators.discord.describe import describe_channel, describe_guild, describe_role, describe_user
from tests.emulators.discord.gateway import Gateway
from tests.emulators.discord.ledger import Ledger
from tests.emulators.discord.limits import ORDINARY, Limits, Permission
from tests.emulators.discord.records import (
    CATEGORY,
    FORUM,
    GROUP_DM,
    NEWS,
    TEXT,
    App,
    Channel,
    Guild,
    Json,
    Member,
    Role,
    User,
)
from tests.emulators.discord.state import State
from tests.emulators.discord.threads import set_archived
from tests.emulators.slack.clock import Clock

_KINDS = {"text": TEXT, "news": NEWS, "forum": FORUM, "category": CATEGORY}


class Impossible(AssertionError):
    """A person could not do this in Discord: the button is not there, the channel is closed to them, …"""


class Room:
    def __init__(self, app: App | None, limits: Limits) -> None:
        self.ledger, self.clock = Ledger(), Clock()
        self.state = State(app or App(), limits, self.clock, self.ledger)
        self.gateway = Gateway(self.state)
        self.state.emit = self.gateway.emit
        self.ada = self.add_person("ada")
        self.home = self.add_guild("acme", owner=self.ada)
        self.grace = self.add_person("grace", self.home)
        self.general = self.add_channel("general")
        self.questions = self.add_channel("questions", kind="forum")

    @property
    def app(self) -> App:
        return self.state.app

    @property
    def bot(self) -> User:
        return self.state.bot

    # --- furniture ---------------------------------------------------------------------------------

    def add_person(self, name: str, *guilds: Guild, bot: bool = False, installed: bool = False) -> User:
        """Somebody, in these guilds; ``installed``: uses the app as a user app; ``bot``: another app's bot."""
        user = User(self.state.ids.old(), name, bot=bot, installed=installed)
        self.state.users[user.id] = user
        for guild in guilds:
            self._join(guild, user)
        return user

    def add_guild(self, name: str, *, owner: User | None = None, with_bot: bool = True) -> Guild:
        """A guild; the app joins it unless ``with_bot`` is False. Connected clients hear of it."""
        guild = Guild(self.state.ids.old(), name, (owner or self.ada).id)
        guild.roles[guild.id] = Role(guild.id, "@everyone", int(ORDINARY))
        self.state.guilds[guild.id] = guild
        self._join(guild, owner or self.ada)
        if with_bot:
            self.invite_bot(guild)
        return guild

    def add_guilds(self, count: int) -> list[Guild]:
        """Many small guilds with one channel each."""
        guilds = []
        for number in range(count):
            guild = self.add_guild(f"guild {number}")
            self.add_channel("general", guild=guild)
            guilds.append(guild)
        return guilds

    def invite_bot(self, guild: Guild) -> None:
        role = Role(self.state.ids.old(), self.app.name, int(ORDINARY), 1, bot_id=self.bot.id)
        guild.roles[role.id] = role
        self._join(guild, self.bot).roles.append(role.id)
        self.state.emit("GUILD_CREATE", describe_guild(self.state, guild))

    def remove_bot(self, guild: Guild) -> None:
        """An admin removes the app: GUILD_DELETE, and every request there is refused from now on."""
        del guild.members[self.bot.id]
        self.state.emit("GUILD_DELETE", {"id": guild.id})

    def guild_outage(self, guild: Guild, *, over: bool = False) -> None:
        """The guild becomes unavailable, or comes back."""
        if over:
            self.state.emit("GUILD_CREATE", describe_guild(self.state, guild))
        else:
            self.state.emit("GUILD_DELETE", {"id": guild.id, "unavailable": True})

    def add_role(self, name: str, *members: User, guild: Guild | None = None, mentionable: bool = False) -> Role:
        home = guild or self.home
        role = Role(self.state.ids.old(), name, int(ORDINARY), len(home.roles), mentionable)
        home.roles[role.id] = role
        for user in members:
            home.members[user.id].roles.append(role.id)
        self.state.emit("GUILD_ROLE_CREATE", {"guild_id": home.id, "role": describe_role(role)})
        return role

    def add_channel(self, name: str, *, kind: str = "text", guild: Guild | None = None) -> Channel:
        """A channel; ``kind``: text, news, forum or category."""
        home = guild or self.home
        channel = Channel(self.state.ids.old(), _KINDS[kind], name, home.id)
        self.state.channels[channel.id] = home.channels[channel.id] = channel
        self.state.emit("CHANNEL_CREATE", describe_channel(self.state, channel), channel)
        return channel

    def dm(self, user: User | str) -> Channel:
        """The DM of somebody with the app's bot."""
        return self.state.dm(self._who(user))

    def private_channel(self, *people: User) -> Channel:
        """A DM among people, without the bot: only a user app can be used there."""
        channel = Channel(
            self.state.ids.old(), 1 if len(people) == 2 else GROUP_DM, "", recipients=[it.id for it in people]
        )
        self.state.channels[channel.id] = channel
        return channel

    def _join(self, guild: Guild, user: User) -> Member:
        member = guild.members[user.id] = Member(user, self.state.iso(self.clock.unix()))
        return member

    # --- changes -----------------------------------------------------------------------------------

    def deny(self, channel: Channel, *permissions: Permission, user: User | None = None) -> None:
        """Take permissions from the bot (or somebody else) in one channel."""
        self._overwrite(channel, user or self.bot, sum(permissions), granted=False)

    def allow(self, channel: Channel, *permissions: Permission, user: User | None = None) -> None:
        """Grant permissions to the bot (or somebody else) in one channel."""
        self._overwrite(channel, user or self.bot, sum(permissions), granted=True)

    def _overwrite(self, channel: Channel, user: User, bits: int, *, granted: bool) -> None:
        place = self.state.parent_of(channel)
        visible = describe_channel(self.state, place)
        _, allowed, denied = place.overwrites.get(user.id, (1, 0, 0))
        allowed, denied = (allowed | bits, denied & ~bits) if granted else (allowed & ~bits, denied | bits)
        if user is self.bot and denied & Permission.VIEW_CHANNEL:
            self.state.emit("CHANNEL_DELETE", visible, place)
        place.overwrites[user.id] = (1, allowed, denied)
        self.state.emit("CHANNEL_UPDATE", describe_channel(self.state, place), place)

    def slow_mode(self, channel: Channel, seconds: int) -> None:
        channel.slowmode = seconds
        name = "THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE"
        self.state.emit(name, describe_channel(self.state, channel), channel)

    def archive(self, thread: Channel, *, archived: bool = True) -> None:
        set_archived(self.state, thread, archived=archived)

    def lock(self, thread: Channel, *, locked: bool = True, archived: bool = True) -> None:
        """A moderator locks a thread, which also archives it."""
        set_archived(self.state, thread, archived=archived, locked=locked)

    def delete_channel(self, channel: Channel) -> None:
        """Somebody deletes a channel or a thread."""
        drop_channel(self.state, channel)

    def remove_member(self, user: User, guild: Guild | None = None) -> None:
        """Somebody leaves or is kicked."""
        home = guild or self.home
        del home.members[user.id]
        data: Json = {"guild_id": home.id, "user": describe_user(user)}
        self.state.emit("GUILD_MEMBER_REMOVE", data)

    # --- finding -----------------------------------------------------------------------------------

    def person(self, name: str) -> User:
        """Somebody by id or by name."""
        for user in self.state.users.values():
            if name in (user.id, user.name):
                return user
        raise Impossible(f"nobody is called {name}")

    def channel(self, name: str) -> Channel:
        """A channel or thread by id or by name."""
        for channel in self.state.channels.values():
            if name in (channel.id, channel.name) and not channel.deleted:
                return channel
        raise Impossible(f"there is no channel {name}")

    def _who(self, user: User | str) -> User:
        return self.person(user) if isinstance(user, str) else user

    def _where(self, channel: Channel | str) -> Channel:
        return self.channel(channel) if isinstance(channel, str) else channel
