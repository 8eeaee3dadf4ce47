"""By which token, and as whom, the bot speaks in a workspace: ``Door``, and the configured token's only one.

An installation is named by its team's id, or by the organisation's when it is installed for all of it; that name is
the ``workspace`` of every address. ``many`` is the door of those that installed the app themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from starlette.routing import Route

from adapters.slack.calls import Calls, Refused, Web
from adapters.slack.config import SlackConfig
from adapters.slack.inbound import Me
from bot.errors import ConfigurationError, Gone, SlowDown, SurfaceError

_BACKOFF = (0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """The way into one workspace."""

    token: str = field(repr=False)
    me: Me


class Door(Protocol):
    """Opens workspaces by name.

    ``routes`` are those that installing needs. ``not_installed`` is told to people where the app is not installed.
    ``trouble``: why the bot cannot speak at all, "" when it can. ``only``: the name of the only workspace, once it is
    known, "" where there may be several.
    """

    routes: Sequence[Route]
    not_installed: str
    trouble: str
    only: str

    def known_as(self, name: str) -> str:
        """The name under which everything of workspace ``name`` is kept."""
        ...

    async def open(self, web: Web, session: aiohttp.ClientSession) -> None:
        """Learn what must be known before events come in. Raises ``ConfigurationError``."""
        ...

    async def enter(self, name: str) -> Entry:
        """Raises ``Gone`` where the app is not installed, ``SurfaceError`` or ``StoreError`` when that is not known."""
        ...

    async def removed(self, name: str, body: Mapping[str, Any]) -> bool:
        """Whether ``app_uninstalled`` or ``tokens_revoked`` closed the workspace. Raises ``StoreError``."""
        ...

    async def wipe(self, forget: Callable[[str], Awaitable[int]]) -> None:
        """Have the core ``forget`` the workspaces that were closed for good. Raises ``StoreError``: call it again."""
        ...

    async def tend(self) -> None:
        """What has to be done now and then. Raises ``StoreError``."""
        ...


def installed_as(enterprise: str | None, team: str | None, for_all: bool | None) -> str:
    """The name of the installation that a payload came through."""
    return (enterprise if for_all else team) or ""


def concerns_bot(event: Mapping[str, Any]) -> bool:
    """The bot's own access is taken away, and not only that of a person."""
    return event.get("type") == "app_uninstalled" or bool((event.get("tokens") or {}).get("bot"))


class OneWorkspace:
    """The workspace of the configured token, whatever it is called. Nobody enters before it is known."""

    routes: Sequence[Route] = ()
    not_installed = ""

    def __init__(self, slack: SlackConfig) -> None:
        self._slack, self._token = slack, slack.bot_token.get_secret_value()
        self._entry: Entry | None = None
        self._opened = asyncio.Event()
        self.trouble, self.only = "not started", ""

    def known_as(self, name: str) -> str:
        return ""

    async def enter(self, name: str) -> Entry:
        while (entry := self._entry) is None:
            await self._opened.wait()
        return entry

    async def open(self, web: Web, session: aiohttp.ClientSession) -> None:
        calls, tries = Calls(web, self._own_token), 0
        while True:
            try:
                answer = await calls.call("auth.test")
                break
            except (Gone, Refused):
                raise ConfigurationError(
                    "SLACK_BOT_TOKEN",
                    "Slack refuses it",
                    "Install the app in your workspace and set its Bot User OAuth Token.",
                ) from None
            except SurfaceError as error:
                self.trouble = "Slack does not answer"
                pause = error.retry_after if isinstance(error, SlowDown) else _BACKOFF[min(tries, len(_BACKOFF) - 1)]
                tries += 1
                await asyncio.sleep(pause)
        me = Me(
            str(answer.get("team_id") or ""),
            str(answer.get("user_id") or ""),
            str(answer.get("bot_id") or ""),
            str(answer.get("user") or ""),
            self._slack.agent,
        )
        self._entry, self.trouble, self.only = Entry(self._token, me), "", me.team
        self._opened.set()

    async def removed(self, name: str, body: Mapping[str, Any]) -> bool:
        if not concerns_bot(body["event"]):
            return False
        self.trouble = "the app was removed from the workspace, or its token revoked"
        return True

    async def wipe(self, forget: Callable[[str], Awaitable[int]]) -> None:
        """Nothing: the data is that of whoever configured the token, who may put in a new one."""

    async def tend(self) -> None:
        """Nothing changes."""

    async def _own_token(self) -> str:
        return self._token
