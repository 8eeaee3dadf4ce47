"""Mentions in a message: which there are, which the sender let through, and whom they notify.

Without ``allowed_mentions`` ordinary messages let everything through, and messages of interactions only users. Text
in code is no mention. Only a new message notifies; an edit merely marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.emulators.discord.limits import Flag, Permission
from tests.emulators.discord.permissions import may, permissions
from tests.emulators.discord.records import Channel, Json, Message, Ping
from tests.emulators.discord.refusals import bad_form
from tests.emulators.discord.state import State

_CODE = re.compile(r"```.*?```|``.*?``|`[^`\n]*`", re.DOTALL)
_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = re.compile(r"@(everyone|here)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """``parse``: kinds let through wholesale; ``users`` and ``roles``: single ones; ``replied``: the one replied to."""

    parse: frozenset[str]
    users: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    replied: bool = False


ORDINARY = Allowed(frozenset(["users", "roles", "everyone"]), replied=True)
ONLY_USERS = Allowed(frozenset(["users"]))


def read_allowed(value: Any, default: Allowed) -> Allowed:
    """The ``allowed_mentions`` of a request. Raises ``Refused`` for contradictions, as Discord does."""
    if value is None:
        return default
    if not isinstance(value, dict):
        raise bad_form("allowed_mentions", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
    users = frozenset(str(it) for it in value.get("users") or ())
    roles = frozenset(str(it) for it in value.get("roles") or ())
    kinds = frozenset(value["parse"]) if "parse" in value else frozenset()
    if (users and "users" in kinds) or (roles and "roles" in kinds):
        word = "parse:[users] and users" if users and "users" in kinds else "parse:[roles] and roles"
        raise bad_form("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f"{word} are exclusive.")
    if len(users) > 100 or len(roles) > 100:
        raise bad_form("allowed_mentions", "BASE_TYPE_BAD_LENGTH", "Must be 100 or fewer in length.")
    return Allowed(kinds, users, roles, bool(value.get("replied_user", False)))


def text_of(message: Message) -> str:
    """All text of a message in which a mention may stand, code taken out (embeds never mention anybody)."""
    pieces = [message.content]
    stack = list(message.components)
    while stack:
        component = stack.pop()
        if component.get("type") == 10:
            pieces.append(str(component.get("content", "")))
        stack += component.get("components") or []
    return _CODE.sub(" ", "\n".join(pieces))


def settle_mentions(state: State, channel: Channel, message: Message, allowed: Allowed) -> list[tuple[str, str]]:
    """Set the message's mentions; returns whom it would notify, as (user id, why)."""
    text, author = text_of(message), message.author.id
    users = [user for user in dict.fromkeys(_USER.findall(text)) if _can_see(state, channel, user)]
    let = [user for user in users if "users" in allowed.parse or user in allowed.users]
    pings = [(user, "user") for user in let]
    guild = state.guild_of(channel)
    everyone = may(state, channel, author, Permission.MENTION_EVERYONE)
    roles = [role for role in dict.fromkeys(_ROLE.findall(text)) if guild and role in guild.roles]
    message.mention_roles = []
    for role in roles:
        if guild is None or not ("roles" in allowed.parse or role in allowed.roles):
            continue
        if not (everyone or guild.roles[role].mentionable or guild.roles[role].bot_id):
            continue
        message.mention_roles.append(role)
        pings += [(user, "role") for user, member in guild.members.items() if role in member.roles]
    found = bool(_EVERYONE.search(text)) and "everyone" in allowed.parse
    message.mention_everyone = found and everyone and guild is not None
    if message.mention_everyone and guild is not None:
        pings += [(user, "everyone") for user in guild.members]
    message.bot_named = state.bot.id in let
    replied = _replied(state, message)
    if replied is not None and allowed.replied:
        let.append(replied.author.id)
        pings.append((replied.author.id, "reply"))
        message.bot_named = message.bot_named or (replied.author is state.bot and replied.interaction is None)
    message.mentions = list(dict.fromkeys(let))
    return [(user, why) for user, why in pings if user != author]


def _can_see(state: State, channel: Channel, user: str) -> bool:
    return user in state.users and (user in channel.recipients or not channel.is_private)


def _replied(state: State, message: Message) -> Message | None:
    if message.reference is None or message.reference.get("type") == 1 or message.kind != 19:
        return None
    channel = state.channels.get(str(message.reference.get("channel_id")))
    target = channel.messages.get(str(message.reference.get("message_id"))) if channel else None
    return None if target is None or target.deleted else target


def ring(state: State, channel: Channel, message: Message, pings: list[tuple[str, str]]) -> None:
    """Notify: each person once, for the first reason found."""
    silent = bool(message.flags & Flag.SUPPRESS_NOTIFICATIONS)
    rung: set[str] = set()
    for user, why in pings:
        seen = user in channel.recipients or bool(permissions(state, channel, user))
        if user in rung or user == state.bot.id or not seen:
            continue
        rung.add(user)
        by_app = message.author is state.bot
        state.pings.append(Ping(user, message.id, why, by_app, silent, state.clock.now()))


def note_ping_sins(state: State, how: str, form: Json, message: Message, pings: list[tuple[str, str]]) -> None:
    """What an app that shows a model's words must never let happen, in new messages and in edits."""
    if form.get("allowed_mentions") is None and ("content" in form or "components" in form):
        state.sin("mentions_not_restricted", how, message.id)
    reasons = {why for _, why in pings}
    listed = {str(user) for user in (form.get("allowed_mentions") or {}).get("users") or ()}
    if message.mention_everyone:
        state.sin("pings_everyone", how, message.id)
    if message.mention_roles:
        state.sin("pings_role", how, message.id)
    if "user" in reasons and any(why == "user" and user not in listed for user, why in pings):
        state.sin("pings_user", how, message.id)
