"""The doctor's lines for Discord: each thing that is missing, with what exactly to do; and the invite link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from adapters.discord.calls import Calls, Refused, Shut
from adapters.discord.commands import Command, is_registered, registration
from adapters.discord.config import API_URL, CoreConfig, DiscordConfig
from bot.errors import Gone, SurfaceError
from bot.ports import Check

_SEE = "View Channels"
NEEDED = {
    _SEE: 1 << 10,
    "Send Messages": 1 << 11,
    "Embed Links": 1 << 14,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,
    "Create Public Threads": 1 << 35,
    "Send Messages in Threads": 1 << 38,
}
_WRITTEN_IN = (0, 2, 5, 13, 15, 16)  # kinds of channels
_MOST_GUILDS = 10  # servers whose channels are looked at, by two calls each
_MOST_CHANNELS = 5  # named for a server
_ADMINISTRATOR = 1 << 3
_CONTENT_FLAGS = 1 << 18 | 1 << 19
_PORTAL = "https://discord.com/developers/applications"


def invite_link(app: str) -> str:
    """Adds the bot to a server with what it needs."""
    bits = sum(NEEDED.values())
    return f"https://discord.com/oauth2/authorize?client_id={app}&scope=bot+applications.commands&permissions={bits}"


def is_for_persons(app: Mapping[str, Any]) -> bool:
    """People may install the application for themselves."""
    return "1" in (app.get("integration_types_config") or {})


async def examine(config: DiscordConfig, core: CoreConfig, commands: Sequence[Command]) -> Sequence[Check]:
    """Look at token, intents, sessions, servers with their permissions, and commands."""
    timeout = aiohttp.ClientTimeout(total=config.timeout)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        calls = Calls(config.token.get_secret_value(), config.api_url, config.timeout)
        calls.open(session)
        try:
            me = await calls.who()
            app = await calls.ask("GET", "/oauth2/applications/@me")
        except Shut:
            fix = f"Leave DISCORD_API_URL out, or set an address such as {API_URL}"
            return [Check("Discord token", False, "there is no Discord API at DISCORD_API_URL", fix)]
        except (Gone, Refused):
            fix = f"On {_PORTAL} open the application's page Bot, choose Reset Token, and set DISCORD_TOKEN to it."
            return [Check("Discord token", False, "Discord refuses it", fix)]
        except SurfaceError:
            fix = "Check the network, proxies and DISCORD_API_URL, then try again."
            return [Check("Discord token", False, "Discord did not answer", fix)]
        lines = [Check("Discord token", True, f"{me.get('username')}, application {app['id']}"), _intents(app)]
        lines += [_interactions(app), await _gateway(calls)]
        lines += await _guilds(calls, str(app["id"]), str(me["id"]))
        wanted = registration(commands, core.command_name, core.bot_name, for_persons=is_for_persons(app))
        return [*lines, await _commands(calls, str(app["id"]), wanted)]


def _intents(app: Mapping[str, Any]) -> Check:
    if int(app.get("flags") or 0) & _CONTENT_FLAGS:
        return Check("Discord intents", True, "messages can be read, so follow-ups need no mention")
    fix = f"On {_PORTAL} open the application's page Bot and switch on Message Content Intent."
    return Check("Discord intents", False, "messages cannot be read: follow-ups need a mention every time", fix)


def _interactions(app: Mapping[str, Any]) -> Check:
    if app.get("interactions_endpoint_url"):
        fix = f"On {_PORTAL} open General Information and empty Interactions Endpoint URL."
        return Check("Discord interactions", False, "commands and buttons are sent to another address", fix)
    return Check("Discord interactions", True, "come over the gateway")


async def _gateway(calls: Calls) -> Check:
    try:
        found = await calls.ask("GET", "/gateway/bot")
    except SurfaceError:
        return Check("Discord gateway", False, "Discord did not say where it is", "Check the network, then try again.")
    limit = found.get("session_start_limit") or {}
    left, shards = int(limit.get("remaining", 1)), int(found.get("shards") or 1)
    if left < shards:
        hours = int(limit.get("reset_after", 0)) / 3_600_000
        fix = f"Wait {hours:.1f} h, and find out what makes the bot restart so often."
        return Check("Discord gateway", False, "today's session starts are used up", fix)
    return Check("Discord gateway", True, f"{shards} shard(s), {left} session starts left today")


async def _guilds(calls: Calls, app: str, me: str) -> Sequence[Check]:
    try:
        found = await calls.ask("GET", "/users/@me/guilds")
    except SurfaceError:
        return [Check("Discord servers", False, "they could not be listed", "Try again.")]
    link = invite_link(app)
    if not found:
        return [Check("Discord servers", False, "the bot is in none", f"Open {link} and choose a server.")]
    lines = [Check("Discord servers", True, f"{len(found)}; to add one, open {link}")]
    for number, guild in enumerate(found):
        bits = int(guild.get("permissions") or 0)
        if bits & _ADMINISTRATOR:
            continue
        if missing := _lacking(bits):
            fix = f"In the server's settings give the bot's role: {', '.join(missing)}."
            lines.append(
                Check(f"Discord server {guild.get('name')}", False, f"{len(missing)} permissions missing", fix)
            )
        elif number < _MOST_GUILDS and (closed := await _closed_channels(calls, str(guild["id"]), me, bits)):
            some = "; ".join(closed[:_MOST_CHANNELS]) + (" …" if len(closed) > _MOST_CHANNELS else "")
            lines.append(Check(f"Discord server {guild.get('name')}", True, f"works, but {some}"))
    return lines


async def _closed_channels(calls: Calls, guild: str, me: str, bits: int) -> list[str]:
    """The channels that deny something the server grants (``bits``), each with what. It may be meant so."""
    try:
        member = await calls.ask("GET", f"/guilds/{guild}/members/{me}")
        channels = await calls.ask("GET", f"/guilds/{guild}/channels")
    except SurfaceError:
        return []
    found = []
    for channel in channels or ():
        overwrites = {str(it["id"]): it for it in channel.get("permission_overwrites") or ()}
        if int(channel.get("type") or 0) not in _WRITTEN_IN or not overwrites:
            continue
        here = bits
        for ids in ([guild], map(str, member.get("roles") or ()), [me]):  # as Discord weighs them
            its = [overwrites[id] for id in ids if id in overwrites]
            for overwrite in its:
                here &= ~int(overwrite.get("deny") or 0)
            for overwrite in its:
                here |= int(overwrite.get("allow") or 0)
        if missing := _lacking(here):
            # What cannot be seen cannot be written in either.
            found.append(f"#{channel.get('name')} without {missing[0] if _SEE in missing else ', '.join(missing)}")
    return found


def _lacking(bits: int) -> list[str]:
    return [name for name, bit in NEEDED.items() if not bits & bit]


async def _commands(calls: Calls, app: str, wanted: Sequence[dict[str, Any]]) -> Check:
    try:
        found = await calls.ask("GET", f"/applications/{app}/commands") or []
    except SurfaceError:
        return Check("Discord commands", False, "they could not be listed", "Try again.")
    if is_registered(wanted, found):
        return Check("Discord commands", True, f"/{wanted[0]['name']} is registered")
    told = "they are others than this version has" if found else f"/{wanted[0]['name']} is not registered"
    fix = "Start Parley, or restart it: it registers its commands when it has connected."
    return Check("Discord commands", False, told, fix)
