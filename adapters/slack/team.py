"""Everything the adapter has of one workspace, and the workspaces it has anything of."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.access import Door, Entry
from adapters.slack.asking import Asking
from adapters.slack.calls import Calls, Web
from adapters.slack.config import CoreConfig
from adapters.slack.directory import Directory
from adapters.slack.forms import Forms
from adapters.slack.inbound import Me
from adapters.slack.listeners import Core, Listeners
from adapters.slack.search import Search
from adapters.slack.signs import Signs
from adapters.slack.source import Downloads, SlackSource
from adapters.slack.stream import Streams
from adapters.slack.surface import Stage
from bot.errors import SurfaceError
from bot.events import Address
from bot.late import Late

_KEPT = 200  # workspaces that are kept although nothing has happened there for long
_UNUSED = 3_600.0  # seconds; no reply takes as long


@dataclass(frozen=True, slots=True)
class House:
    """What all workspaces share. ``removed(name, body)``: Slack says that the app lost its access."""

    core: Core
    config: CoreConfig
    door: Door
    web: Web
    downloads: Downloads
    agent: bool
    native: bool
    respond: Callable[[str, Mapping[str, Any]], Awaitable[None]]
    removed: Callable[[str, Mapping[str, Any]], Awaitable[None]]
    echoes: Callable[[], None]
    late: Late


class Team:
    """One workspace. Who the bot is there is known from the first call on."""

    def __init__(self, house: House, name: str) -> None:
        self._house, self._name = house, name
        self._me = Me("", "", "", agent=house.agent)
        self.used = time.monotonic()
        self.calls = Calls(house.web, self._token, name)
        self.streams = Streams(self.calls)
        self._began = time.monotonic()
        self._directory = Directory(self.calls)
        self._search = Search(self.calls, self.me)
        self._signs = Signs(self.calls, house.agent)
        core, config = house.core, house.config
        self.listeners = Listeners(
            core,
            me=self.me,
            calls=self.calls,
            directory=self._directory,
            streams=self.streams,
            forms=Forms(core, self.calls, self._directory, self.me, command=config.command_name, name=config.bot_name),
            asking=Asking(core, self.calls, self.me),
            respond=house.respond,
            removed=lambda body: house.removed(name, body),
        )
        self.stage = Stage(
            calls=self.calls,
            streams=self.streams,
            search=self._search,
            signs=self._signs,
            directory=self._directory,
            native=house.native,
            late=house.late,
            echoes=house.echoes,
            stopped=self.listeners.stopped,
        )

    def me(self) -> Me:
        return self._me

    def source(self, address: Address) -> SlackSource:
        return SlackSource(
            address,
            calls=self.calls,
            search=self._search,
            directory=self._directory,
            me=self.me,
            downloads=self._house.downloads,
            began=self._began,
        )

    @property
    def is_idle(self) -> bool:
        unused = time.monotonic() - self.used > _UNUSED
        return unused and not (self.streams.any_open or self._signs.any_set)

    async def hear(self, message: Mapping[str, Any]) -> None:
        """Take a message that was read and not told. Raises ``StoreError``."""
        with contextlib.suppress(SurfaceError):  # the app was removed meanwhile
            await self.enter()
            await self.listeners.heard(message, late=True)

    async def sweep(self) -> None:
        await self.streams.sweep()
        await self._signs.sweep()

    async def hush(self) -> None:
        """End the streams and take the working signs away."""
        await asyncio.gather(self.streams.close(), self._signs.close())

    async def close(self) -> None:
        await self.listeners.close()
        await self._directory.close()

    async def enter(self) -> Entry:
        """The token, and who the bot is there. Raises ``Gone`` where the app is not installed."""
        self.used = time.monotonic()
        entry = await self._house.door.enter(self._name)
        self._me, self.calls.team = entry.me, entry.me.team
        return entry

    async def _token(self) -> str:
        return (await self.enter()).token


class Teams:
    """The workspaces by name, made when they are first needed; bounded, for those that are quiet are forgotten."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._teams: dict[str, Team] = {}

    def at(self, name: str) -> Team:
        name = self._house.door.known_as(name)
        team = self._teams.get(name)
        if team is None:
            team = self._teams[name] = Team(self._house, name)
        team.used = time.monotonic()
        return team

    def find(self, name: str) -> Team | None:
        """The workspace if it is known already."""
        return self._teams.get(self._house.door.known_as(name))

    def all(self) -> Sequence[Team]:
        return tuple(self._teams.values())

    async def forget(self, name: str) -> None:
        """Drop the clients of a workspace; what still uses them finds no token any more."""
        team = self._teams.pop(name, None)
        if team is not None:
            await team.close()

    async def sweep(self) -> None:
        for name, team in sorted(self._teams.items(), key=lambda item: item[1].used):
            await team.sweep()
            if len(self._teams) > _KEPT and team.is_idle:
                await self.forget(name)
