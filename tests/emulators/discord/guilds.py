"""The routes of guilds, members, roles and the app itself, and the way to the gateway."""

from __future__ import annotations

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.describe import (
    describe_application,
    describe_channel,
    describe_guild_briefly,
    describe_member,
    describe_role,
    describe_user,
)
from tests.emulators.discord.permissions import guild_permissions
from tests.emulators.discord.records import Json
from tests.emulators.discord.refusals import Refused
from tests.emulators.discord.state import State


@route("me", "GET", "/users/@me", major=())
def me(state: State, ask: Ask) -> Answer:
    return describe_user(state.bot) | {"verified": True, "mfa_enabled": True, "flags": 0, "email": None}


@route("my_guilds", "GET", "/users/@me/guilds", major=())
def my_guilds(state: State, ask: Ask) -> Answer:
    limit = ask.number("limit", 200, 1, 200)
    after = int(ask.query.get("after", 0))
    found = [it for it in state.guilds.values() if state.bot.id in it.members and int(it.id) > after]
    return [
        {"id": it.id, "name": it.name, "icon": None, "owner": False, "features": []}
        | {"permissions": str(guild_permissions(it, state.bot.id))}
        for it in found[:limit]
    ]


@route("get_user", "GET", "/users/{user}", major=())
def get_user(state: State, ask: Ask) -> Answer:
    if ask.path["user"] not in state.users:
        raise Refused(10013)
    return describe_user(state.users[ask.path["user"]])


@route("my_application", "GET", "/oauth2/applications/@me", major=())
def my_application(state: State, ask: Ask) -> Answer:
    return describe_application(state)


@route("get_application", "GET", "/applications/{application}", major=())
def get_application(state: State, ask: Ask) -> Answer:
    if ask.path["application"] not in (state.app.id, "@me"):
        raise Refused(20012)
    return describe_application(state)


@route("gateway", "GET", "/gateway", major=())
def gateway(state: State, ask: Ask) -> Answer:
    return {"url": gateway_url(state)}


@route("gateway_bot", "GET", "/gateway/bot", major=())
def gateway_bot(state: State, ask: Ask) -> Answer:
    guilds = sum(state.bot.id in guild.members for guild in state.guilds.values())
    limits = state.limits
    recent = [at for _, op, at in state.ledger.frames if op == 2 and state.clock.now() - at < 86_400]
    start: Json = {"total": limits.session_starts_per_day, "reset_after": 86_400_000}
    start |= {"remaining": max(0, start["total"] - len(recent)), "max_concurrency": limits.max_concurrency}
    shards = max(1, -(-guilds // limits.guilds_per_shard))
    return {"url": gateway_url(state), "shards": shards, "session_start_limit": start}


def gateway_url(state: State) -> str:
    return state.base_url.replace("http", "ws", 1) + "/gw"


@route("get_guild", "GET", "/guilds/{guild}", major=("guild",))
def get_guild(state: State, ask: Ask) -> Answer:
    return describe_guild_briefly(ask.guild())


@route("guild_channels", "GET", "/guilds/{guild}/channels", major=("guild",))
def guild_channels(state: State, ask: Ask) -> Answer:
    channels = ask.guild().channels.values()
    return [describe_channel(state, it) for it in channels if not it.is_thread and not it.deleted]


@route("guild_roles", "GET", "/guilds/{guild}/roles", major=("guild",))
def guild_roles(state: State, ask: Ask) -> Answer:
    return [describe_role(role) for role in ask.guild().roles.values()]


@route("list_members", "GET", "/guilds/{guild}/members", major=("guild",))
def list_members(state: State, ask: Ask) -> Answer:
    guild = ask.guild()
    if not state.app.guild_members:
        raise Refused(50001)
    limit, after = ask.number("limit", 1, 1, 1_000), int(ask.query.get("after", 0))
    found = [member for member in guild.members.values() if int(member.user.id) > after]
    return [describe_member(member) for member in found[:limit]]


@route("get_member", "GET", "/guilds/{guild}/members/{user}", major=("guild",))
def get_member(state: State, ask: Ask) -> Answer:
    member = ask.guild().members.get(ask.path["user"])
    if member is None:
        raise Refused(10007 if ask.path["user"] in state.users else 10013)
    return describe_member(member)


@route("leave_guild", "DELETE", "/users/@me/guilds/{guild}", major=("guild",))
def leave_guild(state: State, ask: Ask) -> Answer:
    guild = ask.guild()
    del guild.members[state.bot.id]
    state.emit("GUILD_DELETE", {"id": guild.id})
    return None
