"""The door of the workspaces that installed the app themselves (``access.Door``)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp
import structlog
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from starlette.routing import Route

from adapters.slack.access import Entry, concerns_bot
from adapters.slack.calls import Calls, Web
from adapters.slack.config import SlackConfig
from adapters.slack.inbound import Me
from adapters.slack.install import Installing
from adapters.slack.installations import Installations, name_of
from adapters.slack.rotation import Rotation
from adapters.slack.seal import Seal
from adapters.slack.states import States
from bot.errors import Gone, StoreBusy, SurfaceError
from bot.ports import Shelf

log = structlog.get_logger("slack")

_PROMPT = 2.0  # seconds; an event has to be acknowledged within three
_LEFT = "left"  # rows of the shelf: the workspaces whose conversations are still to be wiped
_SAME_TIME = 2.0  # seconds; an event's time is told in whole ones


class ManyWorkspaces:
    """``name``: what the bot is called."""

    def __init__(self, slack: SlackConfig, shelf: Shelf, name: str) -> None:
        seal = Seal(slack.token_key.get_secret_value())
        self._slack, self._name, self._shelf = slack, name, shelf
        self._installations = Installations(shelf, seal)
        self._states = States(shelf, seal)
        self._rotation = Rotation(self._installations)
        self._web: Web | None = None
        installing = Installing(slack, self._installations, self._states, self._client)
        self.routes: Sequence[Route] = installing.routes()
        self.not_installed = f"I am not installed in this workspace (any more). Install me again: {installing.address}"
        self.trouble = self.only = ""

    def known_as(self, name: str) -> str:
        return name

    async def open(self, web: Web, session: aiohttp.ClientSession) -> None:
        self._web = web
        secret = self._slack.client_secret.get_secret_value().strip()
        self._rotation.open(
            AsyncTokenRotator(client_id=self._slack.client_id.strip(), client_secret=secret, client=web.client(session))
        )
        await self._installations.seal_anew()
        count, closed = await self._installations.count()
        log.info("installed in workspaces", count=count, without_key=closed)

    async def enter(self, name: str) -> Entry:
        found = await self._rotation.usable(name)
        if found is None or not found.bot_token:
            raise Gone("the app is not installed there")
        me = Me(
            name_of(found),
            found.bot_user_id or "",
            found.bot_id or "",
            self._name,
            self._slack.agent,
            bool(found.is_enterprise_install),
        )
        return Entry(found.bot_token, me)

    async def removed(self, name: str, body: Mapping[str, Any]) -> bool:
        found = await self._installations.at(name)
        if found is None or not concerns_bot(body["event"]):
            return False
        if float(body.get("event_time") or 0.0) + _SAME_TIME < float(found.installed_at):
            return False  # late news of an installation before this one
        if body["event"].get("type") == "tokens_revoked" and await self._still_works(found.bot_token or ""):
            return False
        await self._shelf.put(_LEFT, name, {})  # first: a crash after the removal must not keep what is to be wiped
        await self._installations.remove(name)
        self._rotation.forget(name)
        log.warning("the app was removed from a workspace; its installation is wiped", workspace=name)
        return True

    async def wipe(self, forget: Callable[[str], Awaitable[int]]) -> None:
        for name, _ in await self._shelf.list(_LEFT):
            if await self._installations.at(name) is None:
                count = await forget(name)
                log.warning("what was kept of a workspace is wiped", workspace=name, conversations=count)
            await self._shelf.remove(_LEFT, name)

    async def tend(self) -> None:
        await self._installations.write_late()
        await self._states.tidy()
        await self._rotation.renew_due()

    def _client(self) -> Any:
        return self._web.open_client if self._web is not None else None

    async def _still_works(self, token: str) -> bool:
        """A token that was revoked may not be the one that is kept. Raises ``StoreBusy``: the event comes again."""
        if self._web is None:
            raise StoreBusy("not started")

        async def own_token() -> str:
            return token

        try:
            await asyncio.wait_for(Calls(self._web, own_token).call("auth.test"), _PROMPT)
        except Gone:
            return False
        except (SurfaceError, TimeoutError) as error:
            raise StoreBusy("Slack does not say whether a token works") from error
        return True
