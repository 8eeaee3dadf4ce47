"""The gateway, kept by discord.py: identify, shards, heartbeats, resume; and supervised, because some things end it.

Messages and interactions are taken as Discord sends them, before the library makes objects of them; of the rest it
keeps what it needs to know guilds, channels, roles and threads. Nothing that comes in can end the connection: a
dispatch that cannot be read is noted and left. What does end it is begun again, with a pause.

Who the bot is was asked before, so the library makes no call of the REST API itself. What it takes for granted in a
welcome, and another server than Discord's may leave out, is filled in.

Importing this module imports discord.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog
import yarl

from adapters.discord.config import GATEWAY_URL, DiscordConfig
from adapters.discord.inbound import Me, Spot
from bot.errors import ConfigurationError
from bot.tasks import end_tasks

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
    import discord.shard
    from discord.gateway import DiscordWebSocket, KeepAliveHandler
    from discord.http import Route

log = structlog.get_logger("discord")

Take = Callable[[str, Mapping[str, Any]], None]

TAKEN = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE"})
_IDENTIFY_EVERY = 5.2  # seconds; Discord grants one in five
_SPREAD, _WIDEST = 5.0, 40.0  # seconds more that the first and any later try may wait; the library gives it 60 in all
_BACKOFF = (1.0, 2.0, 5.0, 15.0, 30.0)
_SILENCE = 110.0  # seconds without any frame, heartbeats included, after which a shard counts as deaf
_ARRIVING, _ARRIVAL = 0.1, 2.0  # seconds within which a session's guilds are told, and those that may pass at most
_LAST_BEAT = 5.0  # seconds that a heartbeat which is being sent is waited for
_BAD_TOKEN, _NO_INTENT = 4004, 4014
_DISCORDS_HOST = "discord.gg"
_FATAL = {
    4010: ("DISCORD_SHARD_IDS", "Discord knows no such shard", "Leave DISCORD_SHARD_IDS and DISCORD_SHARD_COUNT out."),
    4011: ("DISCORD_SHARD_COUNT", "Discord asks for more shards", "Leave it out, or set a larger number."),
    4012: ("DISCORD_GATEWAY_URL", "it speaks another version", "Leave it out."),
    4013: ("DISCORD_TOKEN", "Discord does not know the intents asked for", "Update Parley."),
    4014: ("DISCORD_TOKEN", "Discord grants no intents to this application", "Look at its page Bot in the portal."),
}


class Gateway:
    """The connection of this process. ``take`` is given every message and interaction; ``begun`` is told the shard
    whenever a new session began, before anything of it is taken: what was said before it has not been heard."""

    def __init__(self, config: DiscordConfig, take: Take, begun: Callable[[int], None]) -> None:
        self._config, self._take, self._begun = config, take, begun
        self._client: _Client | None = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._identified: dict[int, float] = {}
        self._unwelcome: dict[int, int] = {}  # by shard: how often it asked for a session since it had one
        self._sessions: set[int] = set()
        self._shard_count = 1
        self._me = Me("", "")
        self._is_closing = False
        self.reads_content = True
        self.trouble = "not started"
        Route.BASE = config.api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(config.gateway_url)
        discord.shard.DiscordWebSocket = _Socket  # type: ignore[misc]  # the library has no other way to choose it
        # The library logs every reconnect with its trace; ours says what matters.
        logging.getLogger("discord").setLevel(logging.CRITICAL)

    @property
    def ready(self) -> asyncio.Event:
        """Set when every shard of this process has a session for the first time."""
        return self._ready

    def start(self, me: Me, shard_count: int, url: str = "") -> asyncio.Task[None]:
        """Connect and stay connected; the task ends only by ``close`` or with a ``ConfigurationError``. ``url``: where
        Discord says that the gateway is, which counts unless DISCORD_GATEWAY_URL says otherwise."""
        self._me = me
        self._shard_count = self._config.shard_count or shard_count
        if url.startswith(("ws://", "wss://")) and self._config.gateway_url == GATEWAY_URL:
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
        self.trouble = "connecting"
        self._running = asyncio.create_task(self._run(), name="discord-gateway")
        return self._running

    async def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        running, self._running = self._running, None
        if self._client is not None:
            with contextlib.suppress(Exception):  # whatever the library says of a connection that is being left
                await self._client.close()
        if running is not None:
            await end_tasks({running})
        if self._client is not None:
            await self._client.end_strays()  # again, for the cancellation may have cut it off
        self.trouble = self.trouble or "closed"

    def healthy(self) -> str:
        """Why nothing is heard, "" when all is well; from the frames that came in."""
        if self.trouble or self._client is None:
            return self.trouble or "connecting"
        for number, shard in self._client.shards.items():
            silent = self._client.silence(number)
            if silent > _SILENCE:
                return f"nothing heard from Discord for {silent:.0f} s (shard {number})"
            if shard.is_closed():
                return f"connecting again (shard {number})"
        return ""

    # --- what the library knows

    def spot(self, channel: str) -> Spot | None:
        found = self._client.get_channel(int(channel)) if self._client is not None and channel.isdigit() else None
        if found is None or isinstance(found, discord.abc.PrivateChannel):
            return None
        guild = found.guild
        name, kind = str(getattr(found, "name", "")), int(found.type.value)
        if isinstance(found, discord.Thread):
            parent_kind = int(found.parent.type.value) if found.parent is not None else 0
            return Spot(channel, str(guild.id), kind, name, str(found.parent_id), parent_kind)
        return Spot(channel, str(guild.id), kind, name)

    def role(self, guild: str, role: str) -> str:
        found = self._guild(guild)
        known = found.get_role(int(role)) if found is not None else None
        return known.name if known is not None else ""

    def channel(self, channel: str) -> str:
        spot = self.spot(channel)
        return spot.name if spot is not None else ""

    def my_role(self, guild: str) -> str:
        found = self._guild(guild)
        role = found.self_role if found is not None else None
        return str(role.id) if role is not None else ""

    def is_admin(self, guild: str, user: str, roles: Sequence[str]) -> bool:
        found = self._guild(guild)
        if found is None:
            return False
        held = [role for role in (found.get_role(int(id)) for id in roles) if role is not None]
        may = any(role.permissions.administrator or role.permissions.manage_guild for role in held)
        return may or str(found.owner_id) == user

    def permissions(self, channel: str) -> int | None:
        """The bot's bits in a channel, ``None`` when they are not known."""
        found = self._client.get_channel(int(channel)) if self._client is not None and channel.isdigit() else None
        if found is None or isinstance(found, discord.abc.PrivateChannel) or found.guild.me is None:
            return None
        return int(found.permissions_for(found.guild.me).value)

    def newest(self, channel: str) -> str:
        """The newest message of a channel when the session began, "" when that is not known."""
        found = self._client.get_channel(int(channel)) if self._client is not None and channel.isdigit() else None
        return str(getattr(found, "last_message_id", None) or "")

    def newer(self, than: int, shard: int) -> Sequence[str]:
        """A shard's channels and threads that may be read and in which something was written since the message
        ``than``, newest first."""
        found = [(last, str(place.id)) for last, place in self._places(shard) if last > than and _may_read(place)]
        return [id for _, id in sorted(found, reverse=True)]

    def latest(self, shard: int) -> int:
        """The newest message that a shard was told of when its session began, 0 when there is none."""
        return max((last for last, _ in self._places(shard)), default=0)

    def _places(self, shard: int) -> Iterator[tuple[int, discord.abc.GuildChannel | discord.Thread]]:
        """A shard's channels and threads, with their newest messages."""
        for guild in self._guilds_of(shard):
            for place in (*guild.channels, *guild.threads):
                yield int(getattr(place, "last_message_id", None) or 0), place

    @property
    def shard_count(self) -> int:
        return self._shard_count

    def shard(self, guild: str) -> int:
        """The shard that tells of a guild; of direct messages (""), the first."""
        return (int(guild) >> 22) % self._shard_count if guild.isdigit() else 0

    async def arrived(self, shard: int) -> None:
        """Wait until the guilds of a session that has just begun are known, for as long as that is worth it."""
        until = time.monotonic() + _ARRIVAL
        while True:
            await asyncio.sleep(_ARRIVING)
            late = any(guild.unavailable for guild in self._guilds_of(shard))
            if not late or time.monotonic() > until:
                return

    def _guilds_of(self, shard: int) -> Sequence[discord.Guild]:
        guilds = self._client.guilds if self._client is not None else ()
        return [guild for guild in guilds if self.shard(str(guild.id)) == shard]

    def _guild(self, guild: str) -> discord.Guild | None:
        return self._client.get_guild(int(guild)) if self._client is not None and guild.isdigit() else None

    # --- supervision

    async def _run(self) -> None:
        tries = 0
        while True:
            began = time.monotonic()
            self._client = client = self._new_client()
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await stack.enter_async_context(client)
                    stack.push_async_callback(client.end_strays)
                    await client.start(self._config.token.get_secret_value())
                if self._is_closing:
                    return
                raise ConnectionError("the connection ended")
            except discord.PrivilegedIntentsRequired:
                self._do_without_content()
                continue
            except discord.ConnectionClosed as closed:
                self._raise_if_fatal(closed.code)
                why = f"closed with {closed.code}"
            except Exception as error:  # the library ends on whatever it did not expect
                why = type(error).__name__
            tries = 0 if time.monotonic() - began > 60 else tries + 1
            pause = _BACKOFF[min(tries, len(_BACKOFF)) - 1] if tries else _BACKOFF[0]
            self.trouble = "connecting again"
            log.warning("the gateway ended; connecting again", kind=why, seconds=pause)
            await asyncio.sleep(pause)

    def _raise_if_fatal(self, code: int) -> None:
        if code == _BAD_TOKEN:
            raise bad_token()
        if code in _FATAL:
            raise ConfigurationError(*_FATAL[code])

    def _do_without_content(self) -> None:
        if not self.reads_content:
            raise ConfigurationError(*_FATAL[_NO_INTENT])
        self.reads_content = False
        self._unwelcome.clear()
        log.warning(
            "Discord does not let this application read messages: people have to mention the bot every time. Switch "
            "on Message Content Intent on the application's page Bot, then restart"
        )

    def _new_client(self) -> _Client:
        return _Client(
            self,
            self._me,
            shard_count=self._shard_count,
            shard_ids=list(self._config.shard_ids) or None,
            intents=intents(self.reads_content),
            proxy=_proxy(self._config.api_url),
        )

    # --- what the client tells

    async def before_identify(self, shard: int) -> None:
        """One session may begin every five seconds, also when a client was begun anew. Other processes of this bot are
        not seen: whoever was not welcomed comes again at a moment of its own, later each time."""
        last = max(self._identified.values(), default=float("-inf"))
        wait = last + _IDENTIFY_EVERY - time.monotonic()
        tries = self._unwelcome.get(shard, 0)
        self._unwelcome[shard] = tries + 1
        if tries:
            wait += random.uniform(0, min(_SPREAD * 2 ** (tries - 1), _WIDEST))  # noqa: S311 - it keeps no secret
        if wait > 0:
            await asyncio.sleep(wait)
        self._identified[shard] = time.monotonic()

    def took(self, name: str, data: Mapping[str, Any]) -> None:
        if name in TAKEN:
            self._take(name, data)

    def session_began(self, shard: int, shards: Sequence[int]) -> None:
        self._begun(shard)
        self._unwelcome.pop(shard, None)
        self._sessions.add(shard)
        if self._sessions < set(shards):
            return
        self.trouble = ""
        self._ready.set()


class _Client(discord.AutoShardedClient):
    """The library's client, which hands on what it hears."""

    def __init__(self, gateway: Gateway, me: Me, **options: Any) -> None:
        super().__init__(
            **options,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0.1,
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=30.0,
        )
        self._gateway = gateway
        _Socket.me = {"id": me.user, "username": me.name, "discriminator": "0", "avatar": None, "bot": True}
        self.http.request = self._known  # type: ignore[method-assign]  # see ``login``
        parsers = self._connection.parsers
        for name, parse in list(parsers.items()):
            parsers[name] = self._guarded(name, parse)

    async def login(self, token: str) -> None:
        """The library would ask who it is, and for the application; both are known."""
        await self.http.static_login(token)
        me: Any = _Socket.me  # as much as the library reads of what it calls a user
        self._connection.user = discord.ClientUser(state=self._connection, data=me)

    async def _known(self, route: Route, **_: Any) -> Any:
        if (route.method, route.path) != ("GET", "/users/@me"):
            raise RuntimeError(f"the library calls {route.method} {route.path}")
        return _Socket.me

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        await self._gateway.before_identify(shard_id or 0)

    def silence(self, shard: int) -> float:
        """Seconds since this shard heard anything."""
        info = self.get_shard(shard)
        keeper = getattr(info._parent.ws, "_keep_alive", None) if info is not None else None
        return time.perf_counter() - keeper._last_recv if keeper is not None else 0.0

    async def end_strays(self) -> None:
        """End every connection and the threads that send heartbeats. The library forgets a connection that is cut off
        before its session began, and its thread would go on for as long as the process lives."""
        mine = [
            thread
            for thread in threading.enumerate()
            if isinstance(thread, KeepAliveHandler) and getattr(thread.ws, "_connection", None) is self._connection
        ]
        for thread in mine:
            thread.stop()
        for thread in mine:
            with contextlib.suppress(Exception):  # whatever the library says of a connection that is being left
                await thread.ws.socket.close()
            await asyncio.to_thread(thread.join, _LAST_BEAT)

    def _guarded(self, name: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
        def take(data: Any) -> None:
            try:
                if name in TAKEN:
                    self._gateway.took(name, data)
                else:
                    parse(data)
            except Exception as error:  # one frame that cannot be read is not worth the connection
                log.warning("a dispatch could not be read", dispatch=name, kind=type(error).__name__)
            if name == "READY":
                self._gateway.session_began(int(data["shard"][0]), list(self._connection.shard_ids))

        return take


class _Socket(DiscordWebSocket):
    """One connection, which reads welcomes with few fields too."""

    me: ClassVar[dict[str, Any]] = {}

    async def received_message(self, msg: Any, /) -> None:
        if type(msg) is bytes:
            msg = self._decompressor.decompress(msg)
            if msg is None:
                return
        if '"READY"' in msg or '"RESUMED"' in msg:
            msg = self._completed(msg)
        await super().received_message(msg)

    def _completed(self, msg: str) -> str:
        frame = json.loads(msg)
        name, data = frame.get("t"), frame.get("d")
        if name == "RESUMED":
            frame["d"] = data or {}
        elif name == "READY":
            usual = {"guilds": [], "shard": [self.shard_id or 0, self.shard_count or 1], "session_id": ""}
            data = usual | (data or {})
            data["user"] = self.me | (data.get("user") or {})
            data["application"] = {"id": "0", "flags": 0} | (data.get("application") or {})
            data["resume_gateway_url"] = self._resumes_at(str(data.get("resume_gateway_url") or ""))
            frame |= {"d": data, "s": frame.get("s")}
        return json.dumps(frame)

    def _resumes_at(self, url: str) -> str:
        """Discord's own address is not for a connection that leads through a proxy or to another server."""
        usual = DiscordWebSocket.DEFAULT_GATEWAY
        is_discords = (yarl.URL(url).host or "").endswith(_DISCORDS_HOST) if url else False
        is_elsewhere = not (usual.host or "").endswith(_DISCORDS_HOST)
        return str(usual) if not url or (is_discords and is_elsewhere) else url


def _may_read(place: discord.abc.GuildChannel | discord.Thread) -> bool:
    """As far as the server tells what the bot may."""
    guild = place.guild
    if isinstance(place, discord.ForumChannel):  # its messages are in its threads
        return False
    me: discord.Member | None = guild.me
    if me is None or guild.get_role(guild.id) is None:
        return True
    try:
        may = place.permissions_for(me)
    except discord.ClientException:  # a thread of a channel that is not told of
        return True
    return may.view_channel and may.read_message_history


def intents(content: bool) -> discord.Intents:
    """What to hear: messages and the guilds they are in; reading them needs a privilege."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=content)


def bad_token() -> ConfigurationError:
    return ConfigurationError(
        "DISCORD_TOKEN",
        "Discord refuses it",
        "On the application's page Bot choose Reset Token, and set the new one.",
    )


def _proxy(api_url: str) -> str | None:
    """The environment's proxy; the library reads none."""
    parts = urlsplit(api_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
