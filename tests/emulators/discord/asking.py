"""One REST call as its route sees it, and the register of routes.

A route is a plain function ``(state, ask) -> answer`` that either changes the state and returns Discord's JSON
(``None``: 204) or raises ``Refused`` before changing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.discord.limits import Permission
from tests.emulators.discord.permissions import permissions
from tests.emulators.discord.records import Channel, Guild, Message
from tests.emulators.discord.refusals import Refused, bad_form, bad_length
from tests.emulators.discord.state import State


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart request; ``slot`` is n of its field name ``files[n]``."""

    slot: str
    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)
class Ask:
    """``path`` and ``query`` as given, ``body`` the JSON (or ``payload_json``), ``files`` what came along."""

    route: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: list[Upload]
    state: State
    size: int = 0

    @property
    def form(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise bad_form("", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return self.body

    def channel(self, name: str = "channel") -> Channel:
        """The channel of the path, if the bot can see it."""
        channel = self.state.channels.get(self.path[name])
        if channel is None or channel.deleted:
            raise Refused(10003)
        if not permissions(self.state, channel, self.state.bot.id):
            raise Refused(50001)
        return channel

    def guild(self) -> Guild:
        guild = self.state.guilds.get(self.path["guild"])
        if guild is None:
            raise Refused(10004)
        if self.state.bot.id not in guild.members:
            raise Refused(50001)
        return guild

    def message(self, channel: Channel, name: str = "message") -> Message:
        message = channel.messages.get(self.path[name])
        if message is None or message.deleted:
            raise Refused(10008)
        return message

    def require(self, channel: Channel, *needed: Permission) -> None:
        """Refuse with 50013 unless the bot has all of ``needed`` here."""
        bits = permissions(self.state, channel, self.state.bot.id)
        if not all(bits & need for need in needed):
            raise Refused(50013)

    def has(self, channel: Channel, permission: Permission) -> bool:
        return bool(permissions(self.state, channel, self.state.bot.id) & permission)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number of the query."""
        try:
            value = int(self.query.get(name, default))
        except ValueError:
            raise bad_form(name, "NUMBER_TYPE_COERCE", "Value is not int.") from None
        if not least <= value <= most:
            raise bad_form(name, "NUMBER_TYPE_MAX", f"int value should be between {least} and {most}.")
        return value

    def name(self, *, least: int = 1, most: int = 100) -> str:
        """The ``name`` of a channel or thread."""
        value = self.form.get("name")
        if not isinstance(value, str) or not least <= len(value.strip()) <= most:
            raise bad_length("name", least, most)
        return value.strip()

    def sin(self, name: str, detail: str = "") -> None:
        self.state.sin(name, self.route, detail)


Answer = dict[str, Any] | list[Any] | None
Run = Callable[[State, Ask], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """``bucket``: the kind of its rate limit; ``major``: the part of the path each bucket belongs to.

    ``open``: needs no bot token and does not count to the global limit (the token is in the path).
    """

    name: str
    method: str
    path: str
    run: Run
    bucket: str = "other"
    major: tuple[str, ...] = ()
    open: bool = False


@dataclass(slots=True)
class Register:
    routes: list[Route] = field(default_factory=list)

    def __call__(
        self,
        name: str,
        method: str,
        path: str,
        *,
        bucket: str = "other",
        major: tuple[str, ...] = ("channel",),
        open: bool = False,
    ) -> Callable[[Run], Run]:
        """Register a function as the route ``name``."""

        def register(run: Run) -> Run:
            self.routes.append(Route(name, method, path, run, bucket, major, open))
            return run

        return register


route = Register()
