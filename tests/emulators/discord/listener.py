"""A real discord.py client pointed at the emulator, which notes every event it hears; for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import yarl

from tests.emulators.discord.emulator import Discord
from tests.emulators.discord.library import DiscordWebSocket, Route, app_commands, discord

_PLAIN = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)


@asynccontextmanager
async def pointed_at(emulator: Discord) -> AsyncIterator[None]:
    """discord.py speaks to ``emulator`` meanwhile."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = emulator.api_url, yarl.URL(emulator.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway


class Listener(discord.Client):
    """``heard``: (event name, first argument), in order. ``on_press``: awaited for every interaction."""

    def __init__(self, *, intents: discord.Intents = _PLAIN, **options: Any) -> None:
        usual: dict[str, Any] = {"guild_ready_timeout": 0.05, "allowed_mentions": discord.AllowedMentions.none()}
        super().__init__(intents=intents, **(usual | options))
        self.heard: list[tuple[str, Any]] = []
        self.tree = app_commands.CommandTree(self)
        self.on_press: Callable[[discord.Interaction], Awaitable[object]] | None = None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not rest five seconds before identifying again: the emulator's clock can be advanced instead."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.heard.append((event, args[0] if args else None))
        super().dispatch(event, *args, **kwargs)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        if self.on_press is not None:
            await self.on_press(interaction)

    def of(self, event: str) -> list[Any]:
        """What was heard under this name."""
        return [value for name, value in self.heard if name == event]

    def place(self, channel_id: str) -> discord.PartialMessageable:
        """A channel by id, without a request."""
        known = self.get_channel(int(channel_id))
        guild = getattr(known, "guild", None)
        return self.get_partial_messageable(int(channel_id), guild_id=guild.id if guild else None)


@asynccontextmanager
async def listening(emulator: Discord, **options: Any) -> AsyncIterator[Listener]:
    """A client that is logged in, connected and ready."""
    async with pointed_at(emulator), Listener(**options) as client:
        running = asyncio.create_task(client.start(emulator.token))
        waiting = asyncio.create_task(_ready(client))
        done, _ = await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running in done:
            waiting.cancel()
            running.result()
        try:
            yield client
        finally:
            await client.close()
            await asyncio.gather(running, return_exceptions=True)


async def _ready(client: Listener) -> None:
    while not client.of("ready"):
        await asyncio.sleep(0.005)
