"""The running surface, and Slack as the core sees it. Importing this module imports slack-bolt.

One process speaks for one workspace, whose token is configured, or for all that installed the app: the ``Door`` knows.
Which workspace a payload or a reply belongs to is asked in two places only, ``_enter`` and ``SlackPlatform``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from starlette.routing import BaseRoute, Route

from adapters.slack.access import Door, OneWorkspace, installed_as
from adapters.slack.calls import FencedRequest, Web
from adapters.slack.config import CoreConfig, SlackConfig
from adapters.slack.dispatch import Endpoint, bolt_app, take_envelope
from adapters.slack.inbound import PLATFORM, is_own
from adapters.slack.late import LateOnSlack
from adapters.slack.listeners import Core, register
from adapters.slack.manifest import PATH
from adapters.slack.missed import Missed
from adapters.slack.socket import Socket
from adapters.slack.source import Downloads, SlackSource
from adapters.slack.surface import SlackSurface
from adapters.slack.team import House, Teams
from bot.errors import Gone, StoreError
from bot.events import Address
from bot.replies import Reply
from bot.tasks import end_tasks

log = structlog.get_logger("slack")

_START_PATIENCE = 15.0  # seconds the other surfaces wait for Slack at the start
_SWEEP = 10.0  # seconds
_ROUNDS = 6  # sweeps after which the installations are looked after
_CLOSING = 5.0


class SlackPlatform:
    """Slack as the core sees it (``bot.ports.Platform``)."""

    name = PLATFORM

    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    def surface(self, reply: Reply) -> SlackSurface:
        return SlackSurface(self._teams.at(reply.address.workspace).stage, reply)

    def source(self, address: Address) -> SlackSource:
        return self._teams.at(address.workspace).source(address)


class SlackAdapter:
    """The running surface (``bot.ports.Adapter``)."""

    name = PLATFORM

    def __init__(self, bot: Core, config: CoreConfig, slack: SlackConfig) -> None:
        self._bot, self._slack = bot, slack
        self._door: Door
        if slack.install == "many":
            from adapters.slack.many import ManyWorkspaces  # brings what one workspace does without

            self._door = ManyWorkspaces(slack, bot.shelf(PLATFORM), config.bot_name)
        else:
            self._door = OneWorkspace(slack)
        self._web = Web(slack.api_url, slack.timeout)
        self._downloads = Downloads(slack.api_url)
        self._late = LateOnSlack(bot, bot.shelf(PLATFORM), lambda workspace: self._teams.at(workspace).stage)
        self._teams = Teams(
            House(
                core=bot,
                config=config,
                door=self._door,
                web=self._web,
                downloads=self._downloads,
                agent=slack.agent,
                native=slack.native_stream,
                respond=self._respond,
                removed=self._removed,
                echoes=self._expect_echo,
                late=self._late.looks,
            )
        )
        self._session: aiohttp.ClientSession | None = None
        self._app: AsyncApp | None = None
        self._socket: Socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()
        self._paused = False
        self._missed = Missed(
            bot,
            bot.shelf(PLATFORM),
            self._teams.at,
            is_listening=lambda: not (self._paused or self.healthy()),
            clock=self._web.clock,
            only=lambda: self._door.only,
        )
        self.platform = SlackPlatform(self._teams)
        self.routes: Sequence[BaseRoute] = self._door.routes
        if slack.mode == "http":
            endpoint = Endpoint(slack.signing_secret.get_secret_value(), self._taking, self._is_echo)
            self.routes = (*self.routes, Route(PATH, endpoint.__call__, methods=["GET", "POST"]))

    def healthy(self) -> str:
        if self._door.trouble:
            return self._door.trouble
        if not self._ready.is_set():
            return "not started"
        return self._socket.trouble if self._socket is not None else ""

    # --- life

    async def start(self) -> None:
        """Learn who the bot is and connect. Goes on connecting behind when Slack does not answer in time.

        Raises ``ConfigurationError`` when Slack refuses the token.
        """
        timeout = aiohttp.ClientTimeout(total=self._slack.timeout)
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(
            timeout=timeout, trust_env=True, connector=connector, request_class=FencedRequest
        )
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
        await end_tasks(self._tasks)
        await self._missed.close()
        teams = self._teams.all()
        if self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(team.hush() for team in teams)), _CLOSING)
        await asyncio.gather(*(team.close() for team in teams))
        if self._session is not None:
            await self._session.close()

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        self._web.open(session)
        await self._door.open(self._web, session)
        self._downloads.session = session
        client = self._web.client(session)  # each payload brings its own token
        app = bolt_app(client, self._enter, self._door.not_installed)
        register(app, lambda context: self._teams.at(_name_in(context)).listeners)
        self._app = app
        self._ready.set()
        if self._slack.mode == "socket":
            self._socket = Socket(client, session, self._slack.app_token.get_secret_value(), self._take)
            await self._socket.open(_START_PATIENCE)
        self._tasks.append(asyncio.create_task(self._missed.listen(), name="slack-missed"))
        self._tasks.append(asyncio.create_task(self._late.looks.listen(), name="slack-late"))
        log.info("connected to Slack", mode=self._slack.mode, install=self._slack.install)

    async def _sweep(self) -> None:
        await self._ready.wait()
        rounds = 0
        while True:
            if rounds % _ROUNDS == 0:
                try:
                    await self._door.tend()
                    await self._wipe()
                except StoreError as error:
                    log.warning("installations could not be looked after", why=type(error).__name__)
            rounds += 1
            await asyncio.sleep(_SWEEP)
            await self._teams.sweep()

    # --- seams

    async def _enter(self, context: AsyncBoltContext) -> AuthorizeResult | None:
        """The token of a payload's workspace, ``None`` where the app is not installed."""
        try:
            entry = await self._teams.at(_name_in(context)).enter()
        except Gone:
            return None
        me = entry.me
        return AuthorizeResult(
            enterprise_id=me.team if me.everywhere else context.enterprise_id,
            team_id=context.team_id if me.everywhere else me.team,
            bot_user_id=me.user,
            bot_id=me.bot,
            bot_token=entry.token,
        )

    def _taking(self) -> AsyncApp | None:
        return None if self._paused else self._app

    async def _take(self, envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
        app = self._taking()
        return await take_envelope(app, envelope, self._is_echo) if app is not None else None

    def _is_echo(self, body: Mapping[str, Any]) -> bool:
        event = body.get("event")
        if not isinstance(event, dict) or event.get("type") != "message":
            return False
        granted: Mapping[str, Any] = (body.get("authorizations") or ({},))[0]
        team = self._teams.find(
            installed_as(granted.get("enterprise_id"), granted.get("team_id"), granted.get("is_enterprise_install"))
        )
        said = event.get("message") or event.get("previous_message") or event
        if team is None or not team.me().user or not is_own(said, team.me()):
            return False
        self._late.heard(str(event.get("channel") or ""), said)
        return True

    def _expect_echo(self) -> None:
        if self._socket is not None:
            self._socket.expect_echo()

    async def _removed(self, name: str, body: Mapping[str, Any]) -> None:
        if await self._door.removed(name, body):
            log.warning("Slack took the app's access away", dispatch=body["event"].get("type"))
            # Behind the acknowledgement: it waits a moment for what still has to be said there.
            self._tasks.append(asyncio.create_task(self._forget(name), name="slack-forget"))

    async def _forget(self, name: str) -> None:
        await self._teams.forget(name)
        with contextlib.suppress(StoreError):  # the next round tries again
            await self._wipe()

    async def _wipe(self) -> None:
        await self._door.wipe(lambda name: self._bot.forget_workspace(PLATFORM, name))

    async def _respond(self, url: str, answer: Mapping[str, Any]) -> None:
        if self._session is None or not url.startswith(("https://", "http://")):  # signed by Slack, like all of it
            return
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(url, json=dict(answer)):
                pass


def _name_in(context: AsyncBoltContext) -> str:
    return installed_as(context.enterprise_id, context.team_id, context.is_enterprise_install)
