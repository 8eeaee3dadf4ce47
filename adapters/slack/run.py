"""Opens Slack as one of the bot's surfaces: ``configured``, ``open``, ``check``, and the adapter.

One process speaks for one workspace, whose token is the configured one. Which token a payload or a reply belongs to
is asked in two places only, ``_authorize`` and ``SlackPlatform``: an installation store would go there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from starlette.routing import BaseRoute, Route

from adapters.slack.asking import Asking
from adapters.slack.calls import Calls, Refused
from adapters.slack.config import CoreConfig, SlackConfig, check_together, is_meant, read_config
from adapters.slack.directory import Directory
from adapters.slack.dispatch import Endpoint, bolt_app, take_envelope
from adapters.slack.examination import examine
from adapters.slack.forms import Forms
from adapters.slack.inbound import PLATFORM, Me
from adapters.slack.listeners import Core, Listeners
from adapters.slack.manifest import PATH
from adapters.slack.search import Search
from adapters.slack.signs import Signs
from adapters.slack.socket import Socket
from adapters.slack.source import Downloads, SlackSource
from adapters.slack.stream import Streams
from adapters.slack.surface import SlackSurface, Stage
from bot.errors import ConfigurationError, Gone, SlowDown, SurfaceError
from bot.events import Address
from bot.ports import Check
from bot.replies import Reply

log = structlog.get_logger("slack")

_BACKOFF = (0.3, 1.0, 3.0, 10.0, 30.0)
_START_PATIENCE = 15.0  # seconds the other surfaces wait for Slack at the start
_SWEEP = 10.0
_CLOSING = 5.0


def configured(config: CoreConfig) -> bool:
    """One of the tokens is set. Raises ``ConfigurationError``."""
    return is_meant(read_config())


def open(bot: Core, config: CoreConfig) -> SlackAdapter:
    """The adapter, not started. Raises ``ConfigurationError``."""
    slack = read_config()
    check_together(slack)
    return SlackAdapter(bot, config, slack)


async def check(config: CoreConfig) -> Sequence[Check]:
    """The doctor's lines."""
    try:
        slack = read_config()
        if not is_meant(slack):
            return [Check("Slack", True, "not configured")]
        check_together(slack)
    except ConfigurationError as error:
        return [Check("Slack", False, f"{error.variable}: {error.problem}", error.fix)]
    return await examine(slack)


class SlackPlatform:
    """Slack as the core sees it (``bot.ports.Platform``)."""

    name = PLATFORM

    def __init__(self, stage: Stage, adapter: SlackAdapter) -> None:
        self._stage, self._adapter = stage, adapter

    def surface(self, reply: Reply) -> SlackSurface:
        return SlackSurface(self._stage, reply)

    def source(self, address: Address) -> SlackSource:
        return self._adapter.source(address)


class SlackAdapter:
    """The running surface (``bot.ports.Adapter``)."""

    name = PLATFORM

    def __init__(self, bot: Core, config: CoreConfig, slack: SlackConfig) -> None:
        self._slack = slack
        self._me = Me("", "", "", agent=slack.agent)
        token = slack.bot_token.get_secret_value()
        self._calls = Calls(token, slack.api_url, slack.timeout)
        self._streams = Streams(self._calls)
        self._directory = Directory(self._calls)
        self._search = Search(self._calls, self.me)
        self._downloads = Downloads(token, slack.api_url)
        self._signs = Signs(self._calls, slack.agent)
        self._listeners = Listeners(
            bot,
            me=self.me,
            calls=self._calls,
            directory=self._directory,
            streams=self._streams,
            forms=Forms(bot, self._calls, self._directory, self.me, command=config.command_name, name=config.bot_name),
            asking=Asking(bot, self._calls, self.me),
            respond=self._respond,
            removed=self._removed,
        )
        self._session: aiohttp.ClientSession | None = None
        self._app: AsyncApp | None = None
        self._socket: Socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()
        self._paused = False
        self._trouble = "not started"
        self.platform = SlackPlatform(self._stage(), self)
        self.routes: Sequence[BaseRoute] = ()
        if slack.mode == "http":
            endpoint = Endpoint(slack.signing_secret.get_secret_value(), self._taking)
            self.routes = (Route(PATH, endpoint.__call__, methods=["POST"]),)

    def me(self) -> Me:
        """Who the bot is; empty until it is connected."""
        return self._me

    def source(self, address: Address) -> SlackSource:
        return SlackSource(
            address,
            calls=self._calls,
            search=self._search,
            directory=self._directory,
            me=self.me,
            downloads=self._downloads,
        )

    def healthy(self) -> str:
        if self._trouble:
            return self._trouble
        return self._socket.trouble if self._socket is not None else ""

    # --- life

    async def start(self) -> None:
        """Learn who the bot is and connect. Goes on connecting behind when Slack does not answer in time.

        Raises ``ConfigurationError`` when Slack refuses the token.
        """
        timeout = aiohttp.ClientTimeout(total=self._slack.timeout)
        session = aiohttp.ClientSession(timeout=timeout, trust_env=True, connector=aiohttp.TCPConnector(limit=0))
        self._session = session
        connecting = asyncio.create_task(self._connect(session), name="slack-connect")
        self._tasks = [connecting, asyncio.create_task(self._sweep(), name="slack-sweep")]
        done, _ = await asyncio.wait({connecting}, timeout=_START_PATIENCE)
        if not done:
            log.warning("Slack does not answer; connecting goes on")
            return
        refused = connecting.exception()
        if refused is not None:
            await self.close()
            raise refused

    async def pause(self) -> None:
        """Take no more events; replies may still be shown."""
        self._paused = True
        if self._socket is not None:
            await self._socket.close()

    async def close(self) -> None:
        await self.pause()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(self._streams.close(), self._signs.close()), _CLOSING)
            await self._listeners.close()
        await self._directory.close()
        if self._session is not None:
            await self._session.close()

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        tries = 0
        # The session is open to this call alone, until it is known who the bot is.
        first = Calls(self._slack.bot_token.get_secret_value(), self._slack.api_url, self._slack.timeout)
        first.open(session)
        while True:
            try:
                answer = await first.call("auth.test")
                break
            except (Gone, Refused):
                raise ConfigurationError(
                    "SLACK_BOT_TOKEN",
                    "Slack refuses it",
                    "Install the app in your workspace and set its Bot User OAuth Token.",
                ) from None
            except SurfaceError as error:
                self._trouble = "Slack does not answer"
                pause = error.retry_after if isinstance(error, SlowDown) else _BACKOFF[min(tries, len(_BACKOFF) - 1)]
                tries += 1
                await asyncio.sleep(pause)
        self._me = Me(
            str(answer["team_id"]),
            str(answer["user_id"]),
            str(answer.get("bot_id") or ""),
            str(answer.get("user") or ""),
            self._slack.agent,
        )
        self._calls.team = self._me.team
        self._calls.open(session)
        self._downloads.session = session
        client = self._calls.client(session, with_token=False)  # each payload brings its own
        app = bolt_app(client, self._authorize)
        self._listeners.register(app)
        self._app, self._trouble = app, ""
        self._ready.set()
        if self._slack.mode == "socket":
            self._socket = Socket(client, session, self._slack.app_token.get_secret_value(), self._take)
            await self._socket.open(_START_PATIENCE)
        log.info("connected to Slack", mode=self._slack.mode)

    async def _sweep(self) -> None:
        await self._ready.wait()
        while True:
            await asyncio.sleep(_SWEEP)
            await self._streams.sweep()
            await self._signs.sweep()

    # --- seams

    def _stage(self) -> Stage:
        return Stage(
            calls=self._calls,
            streams=self._streams,
            search=self._search,
            signs=self._signs,
            directory=self._directory,
            native=self._slack.native_stream,
            began=time.time(),
            echoes=self._expect_echo,
        )

    def _authorize(self, team: str) -> AuthorizeResult:
        """The token of a payload's workspace: there is one."""
        return AuthorizeResult(
            enterprise_id=None,
            team_id=self._me.team,
            bot_user_id=self._me.user,
            bot_id=self._me.bot,
            bot_token=self._slack.bot_token.get_secret_value(),
        )

    def _taking(self) -> AsyncApp | None:
        return None if self._paused else self._app

    async def _take(self, envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
        app = self._taking()
        return await take_envelope(app, envelope) if app is not None else None

    def _expect_echo(self) -> None:
        if self._socket is not None:
            self._socket.expect_echo()

    def _removed(self, why: str) -> None:
        self._trouble = why

    async def _respond(self, url: str, answer: Mapping[str, Any]) -> None:
        if self._session is None or not self._downloads.is_slack(url):
            return
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(url, json=dict(answer)):
                pass
