"""Opens Discord as one of the bot's surfaces: ``configured``, ``open``, ``check``, and the adapter.

discord.py is imported when the adapter is opened, and not before: whoever runs without Discord starts without it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import structlog
from starlette.routing import BaseRoute

from adapters.discord.answers import Answers
from adapters.discord.asking import Asking
from adapters.discord.calls import Calls, FencedRequest, Refused, Shut, Unauthorized
from adapters.discord.commands import Command, is_registered, registration
from adapters.discord.config import API_URL, CoreConfig, DiscordConfig, check_together, is_meant, read_config
from adapters.discord.directory import Directory
from adapters.discord.examination import examine, is_for_persons
from adapters.discord.inbound import PLATFORM, Me
from adapters.discord.interactions import Interactions, PressCore
from adapters.discord.late import LateOnDiscord
from adapters.discord.listeners import Listeners
from adapters.discord.places import Places
from adapters.discord.signs import Signs
from adapters.discord.source import DiscordSource, Downloads
from adapters.discord.surface import DiscordSurface, Stage
from bot.errors import ConfigurationError, ParleyError, SlowDown, SurfaceError
from bot.events import Address
from bot.ports import Check, Shelf
from bot.replies import Reply, Standing
from bot.tasks import end_tasks

if TYPE_CHECKING:
    from adapters.discord.gateway import Gateway

log = structlog.get_logger("discord")

_BACKOFF = (0.3, 1.0, 3.0, 10.0, 30.0)
_START_PATIENCE = 15.0  # seconds the other surfaces wait for Discord at the start


class Core(PressCore, Protocol):
    """The front door of the conversation core, as far as this adapter uses it."""

    async def standing(self, mark: str) -> Standing | None: ...
    async def show_again(self, mark: str) -> None: ...
    def shelf(self, platform: str) -> Shelf: ...
    def lose(self, platform: str, why: ParleyError) -> None: ...


def configured(config: CoreConfig) -> bool:
    """The token is set. Raises ``ConfigurationError``."""
    return is_meant(read_config())


def open(bot: Core, config: CoreConfig) -> DiscordAdapter:
    """The adapter, not started. Raises ``ConfigurationError``."""
    discord = read_config()
    check_together(discord)
    return DiscordAdapter(bot, config, discord)


async def check(config: CoreConfig, commands: Sequence[Command]) -> Sequence[Check]:
    """The doctor's lines. ``commands``: the bot's."""
    try:
        discord = read_config()
        if not is_meant(discord):
            return [Check("Discord", True, "not configured")]
        check_together(discord)
    except ConfigurationError as error:
        return [Check("Discord", False, f"{error.variable}: {error.problem}", error.fix)]
    return await examine(discord, config, commands)


class DiscordPlatform:
    """Discord as the core sees it (``bot.ports.Platform``)."""

    name = PLATFORM

    def __init__(self, stage: Stage, adapter: DiscordAdapter) -> None:
        self._stage, self._adapter = stage, adapter

    def surface(self, reply: Reply) -> DiscordSurface:
        return DiscordSurface(self._stage, reply)

    def source(self, address: Address) -> DiscordSource:
        return self._adapter.source(address)


class DiscordAdapter:
    """The running surface (``bot.ports.Adapter``)."""

    name = PLATFORM

    def __init__(self, bot: Core, config: CoreConfig, discord: DiscordConfig) -> None:
        from adapters.discord.gateway import Gateway

        self._bot, self._config, self._discord = bot, config, discord
        self._me = Me("", "", config.bot_name)
        self._shelf = bot.shelf(PLATFORM)
        self._calls = Calls(discord.token.get_secret_value(), discord.api_url, discord.timeout)
        self._gateway: Gateway = Gateway(discord, self._take, self._session_began)
        self._directory = Directory(self._calls, self._gateway)
        self._places = Places(
            self._calls, self._directory, self.me, self._shelf, makes_threads=discord.replies == "thread"
        )
        self._signs = Signs(self._calls)
        self._downloads = Downloads(discord.api_url)
        self._late = LateOnDiscord(bot, self._shelf, self._calls, self._places, lambda: self._me.user)
        self._stage = Stage(
            calls=self._calls,
            places=self._places,
            signs=self._signs,
            me=lambda: self._me.user,
            late=self._late.looks,
        )
        self._listeners = Listeners(
            bot,
            me=self.me,
            calls=self._calls,
            directory=self._directory,
            places=self._places,
            shelf=self._shelf,
        )
        answers = Answers(self._calls, self.me)
        self._asking = Asking(bot, answers, self._places, self._directory, self._shelf, self.me)
        self._interactions = Interactions(bot, answers, self._asking, lambda: self._paused)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._for_persons = False
        self._paused = False
        self._trouble = "not started"
        self.platform = DiscordPlatform(self._stage, self)
        self.routes: Sequence[BaseRoute] = ()

    def me(self) -> Me:
        """Who the bot is; empty until it is connected."""
        return self._me

    def source(self, address: Address) -> DiscordSource:
        return DiscordSource(
            address,
            stage=self._stage,
            directory=self._directory,
            places=self._places,
            me=self.me,
            downloads=self._downloads,
        )

    def healthy(self) -> str:
        if self._calls.unauthorized:
            return "Discord refuses the token"
        return self._trouble or self._gateway.healthy()

    # --- life

    async def start(self) -> None:
        """Learn who the bot is and connect. Goes on connecting behind when Discord does not answer in time.

        Raises ``ConfigurationError`` when Discord refuses the token.
        """
        timeout = aiohttp.ClientTimeout(total=self._discord.timeout)
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            trust_env=True,
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=FencedRequest,
        )
        connecting = self._behind(self._connect(self._session))
        done, _ = await asyncio.wait({connecting}, timeout=_START_PATIENCE)
        if not done:
            log.warning("Discord does not answer; connecting goes on")
            connecting.add_done_callback(self._connecting_ended)
            return
        refused = connecting.exception()
        if refused is not None:
            await self.close()
            raise refused

    async def pause(self) -> None:
        """Take no more events; replies may still be shown."""
        self._paused = True
        await self._gateway.close()
        await self._listeners.close()
        await self._interactions.close()

    async def close(self) -> None:
        await self.pause()
        await end_tasks(self._tasks)
        await self._signs.close()
        if self._session is not None:
            await self._session.close()

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        # The session is open to these calls alone, until it is known who the bot is.
        first = Calls(self._discord.token.get_secret_value(), self._discord.api_url, self._discord.timeout)
        first.open(session)
        user = await self._insist(first.who)
        # A server that is not Discord's may know neither of these; the bot's user mostly has its application's id.
        app = await self._insist(lambda: first.call("GET", "/oauth2/applications/@me"), {})
        gateway = await self._insist(lambda: first.call("GET", "/gateway/bot"), {})
        name = str(user.get("username") or self._config.bot_name)
        self._me = Me(str(user["id"]), str(app.get("id") or user["id"]), name)
        self._for_persons = is_for_persons(app)
        self._calls.url = first.url
        self._calls.date = first.date
        self._calls.open(session)
        self._downloads.session = session
        running = self._gateway.start(self._me, int(gateway.get("shards") or 1), str(gateway.get("url") or ""))
        ready = self._behind(self._gateway.ready.wait())
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if running.done() and not running.cancelled() and (broken := running.exception()) is not None:
            raise broken
        self._trouble = ""
        running.add_done_callback(self._gateway_ended)
        self._behind(self._register_commands())
        self._behind(self._sweep())
        self._behind(self._late.looks.listen())
        log.info("connected to Discord")

    async def _insist(self, ask: Callable[[], Awaitable[Any]], usual: Any = None) -> Any:
        """What ``ask`` gives, asked for as long as nothing answers. ``usual``: taken when the answer is no."""
        tries = 0
        while True:
            try:
                return await ask() or usual
            except (Unauthorized, Refused, Shut) as error:
                if usual is not None and not isinstance(error, Unauthorized):
                    return usual
                if isinstance(error, Shut):
                    raise ConfigurationError(
                        "DISCORD_API_URL",
                        "there is no Discord API at it",
                        f"Leave it out, or set an address such as {API_URL}",
                    ) from None
                raise ConfigurationError(
                    "DISCORD_TOKEN",
                    "Discord refuses it",
                    "On the application's page Bot choose Reset Token, and set the new one.",
                ) from None
            except SurfaceError as error:
                self._trouble = "Discord does not answer"
                pause = error.retry_after if isinstance(error, SlowDown) else _BACKOFF[min(tries, len(_BACKOFF) - 1)]
                tries += 1
                await asyncio.sleep(pause)

    def _connecting_ended(self, connecting: asyncio.Task[None]) -> None:
        if not connecting.cancelled() and connecting.exception() is not None:
            self._gateway_ended(connecting)

    def _gateway_ended(self, running: asyncio.Task[None]) -> None:
        """Only something that no new try can mend ends the gateway while the bot lives."""
        if running.cancelled() or self._paused:
            return
        broken = running.exception()
        why = broken if isinstance(broken, ParleyError) else ParleyError("the gateway ended")
        self._trouble = str(why)
        log.critical("the gateway ended for good", variable=getattr(why, "variable", ""))
        self._bot.lose(PLATFORM, why)

    # --- what the gateway tells

    def _take(self, name: str, data: Mapping[str, Any]) -> None:
        if self._paused:
            return
        if name == "INTERACTION_CREATE":
            self._interactions.take(self._placed(data))
        else:
            self._listeners.take(name, data)

    def _placed(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """A press with the channel that it was made in, where only the channel's id is told. It also says for certain
        what the application's id is."""
        app = str(data.get("application_id") or self._me.app)
        if app != self._me.app:
            self._me = replace(self._me, app=app)
        spot = self._gateway.spot(str(data.get("channel_id")))
        if data.get("channel") or spot is None:
            return data
        return {**data, "channel": {"id": spot.id, "type": spot.kind, "parent_id": spot.parent}}

    def _session_began(self, shard: int) -> None:
        if not self._paused:
            self._listeners.session_began(shard)

    # --- beside

    async def _register_commands(self) -> None:
        """Register the commands when Discord has others, or none, whoever changed them there."""
        path = f"/applications/{self._me.app}/commands"
        wanted = registration(
            self._bot.commands(), self._config.command_name, self._config.bot_name, for_persons=self._for_persons
        )
        try:
            try:
                found = await self._calls.ask("GET", path) or []
            except (Refused, Shut):  # a server of the protocol that only takes them
                found = []
            if not is_registered(wanted, found):
                await self._calls.ask("PUT", path, wanted)
                log.info("commands registered", count=len(wanted))
        except ParleyError as error:
            log.warning("the commands could not be registered; the next start tries again", why=str(error))

    async def _sweep(self) -> None:
        with contextlib.suppress(ParleyError):
            await self._places.sweep_hooks()
        with contextlib.suppress(ParleyError):
            await self._asking.take_up()

    def _behind(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(work, name="discord")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
