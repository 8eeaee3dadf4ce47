"""One Web API call as its method sees it, the register of methods, and the ways to refuse.

A method is a plain function ``(state, ask) -> answer`` that either changes the state and returns Slack's answer
(without ``ok``) or raises ``Refused`` before changing anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.emulators.slack.records import Channel, Installation, Json, Message, Person, Token, Workspace
from tests.emulators.slack.state import State


class Refused(Exception):
    """Slack's ``{"ok": false, "error": …}`` with more fields, if any."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error, self.more = error, more


@dataclass(slots=True)
class Ask:
    """The arguments, however they travelled, with the token that was checked."""

    method: str
    args: Json
    token: Token | None
    state: State

    @property
    def workspace(self) -> Workspace:
        if self.token is None or self.token.team not in self.state.workspaces:
            raise Refused("not_authed")
        return self.state.workspaces[self.token.team]

    @property
    def installation(self) -> Installation:
        installation = self.workspace.installation
        if installation is None:
            raise Refused("account_inactive")
        return installation

    @property
    def bot(self) -> Person:
        return self.installation.bot

    def text(self, name: str) -> str:
        """A string argument, "" when absent."""
        value = self.args.get(name)
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def need(self, name: str, error: str = "invalid_arguments") -> str:
        value = self.text(name)
        if not value:
            raise Refused(error, response_metadata={"messages": [f"[ERROR] missing required field: {name}"]})
        return value

    def given(self, name: str) -> bool:
        return self.args.get(name) is not None

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.args.get(name)
        return default if value is None else value in (True, "true", "True", "1", 1)

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.args.get(name) or default)
        except (TypeError, ValueError):
            raise Refused("invalid_arguments") from None

    def structure(self, name: str, error: str = "invalid_arguments") -> Any:
        """A JSON argument: already an object, or a string that holds one (forms and queries); None when absent."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refused(error) from None

    def require(self, *scopes: str) -> None:
        """Refuse with ``missing_scope`` unless the token has one of ``scopes``."""
        provided = self.token.scopes if self.token else frozenset()
        if not provided.intersection(scopes):
            raise Refused("missing_scope", needed=scopes[0], provided=",".join(sorted(provided)))

    def has(self, scope: str) -> bool:
        return self.token is not None and scope in self.token.scopes

    def channel(self, name: str = "channel") -> Channel:
        """The channel an id names, if this bot can know of it: else ``channel_not_found``."""
        value = self.need(name, "channel_not_found")
        channel = self.state.channels.get(value)
        if channel is None or self.workspace.id not in self.state.teams_of(channel):
            raise Refused("channel_not_found")
        if channel.kind not in ("public", "session") and self.bot.id not in channel.members:
            raise Refused("channel_not_found")
        return channel

    def writable(self, name: str = "channel") -> Channel:
        """A channel this bot may post in now."""
        channel = self.channel(name)
        if channel.archived:
            raise Refused("is_archived")
        outside = self.bot.id not in channel.members
        if outside and not (channel.kind == "public" and self.has("chat:write.public")):
            raise Refused("not_in_channel")
        return channel

    def own_message(self, channel: Channel, *, missing: str = "message_not_found", foreign: str) -> Message:
        """The bot's own message that ``ts`` names: else the error ``missing`` or ``foreign``."""
        message = channel.messages.get(self.need("ts", missing))
        if message is None or message.deleted:
            raise Refused(missing)
        if message.user != self.bot.id:
            raise Refused(foreign)
        return message


Method = Callable[[State, Ask], Json]


@dataclass(frozen=True, slots=True)
class Entry:
    """``tier``: 1 to 4, or 0 for special. ``kinds``: token kinds let in, none needed if empty. ``scopes``: any one."""

    name: str
    run: Method
    tier: int
    kinds: tuple[str, ...]
    scopes: tuple[str, ...]


METHODS: dict[str, Entry] = {}


def method(
    name: str, *, tier: int = 3, kinds: tuple[str, ...] = ("bot",), scopes: tuple[str, ...] = ()
) -> Callable[[Method], Method]:
    """Register a function as the Web API method ``name``."""

    def register(run: Method) -> Method:
        METHODS[name] = Entry(name, run, tier, kinds, scopes)
        return run

    return register
