"""What is known of channels, roles and messages: the gateway's own knowledge first, else asked for and remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from adapters.discord.calls import Calls, Refused
from adapters.discord.inbound import THREADS, Me, Spot, is_own, refers_to
from bot.errors import Gone, SurfaceError

_CHANNELS = 10_000
_MESSAGES = 20_000
_LONGEST_CHAIN = 30  # messages that are followed up to the root of a chain of replies

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """The newest entries of a mapping."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[str, Value] = OrderedDict()

    def get(self, key: str) -> Value | None:
        return self._held.get(key)

    def put(self, key: str, value: Value) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def drop(self, key: str) -> None:
        self._held.pop(key, None)

    def __contains__(self, key: str) -> bool:
        return key in self._held


class Guilds(Protocol):
    """What the gateway keeps up to date; empty before it is connected."""

    @property
    def shard_count(self) -> int: ...

    def shard(self, guild: str) -> int:
        """The shard that tells of a guild; of direct messages (""), the first."""
        ...

    async def arrived(self, shard: int) -> None:
        """Wait until the guilds of a session that has just begun are known, for as long as that is worth it."""
        ...

    def spot(self, channel: str) -> Spot | None: ...

    def role(self, guild: str, role: str) -> str: ...

    def channel(self, channel: str) -> str: ...

    def my_role(self, guild: str) -> str: ...

    def is_admin(self, guild: str, user: str, roles: Sequence[str]) -> bool: ...

    def permissions(self, channel: str) -> int | None:
        """The bot's bits in a channel, ``None`` when they are not known."""
        ...

    def newest(self, channel: str) -> str:
        """The newest message of a channel when the session began, "" when that is not known."""
        ...

    def latest(self, shard: int) -> int:
        """The newest message that a shard was told of when its session began, 0 when there is none."""
        ...

    def newer(self, than: int, shard: int) -> Sequence[str]:
        """A shard's channels and threads in which something was written since the message ``than``, newest first."""
        ...


class Directory:
    """``titles``: by message id, what a thread made from it would be called."""

    def __init__(self, calls: Calls, guilds: Guilds) -> None:
        self._calls, self.guilds = calls, guilds
        self._spots: Memory[Spot] = Memory(_CHANNELS)
        self._roots: Memory[str] = Memory(_MESSAGES)
        self._newest: Memory[str] = Memory(_CHANNELS)
        self._before: Memory[str] = Memory(_MESSAGES)
        self.titles: Memory[str] = Memory(_MESSAGES)

    async def spot_of(self, data: Mapping[str, Any]) -> Spot:
        """Where a message or a press stands: what it says itself counts when nobody can be asked."""
        channel = str(data["channel_id"])
        try:
            return await self.spot(channel)
        except SurfaceError:
            described = {"type": data.get("channel_type")} | (data.get("channel") or {})
            return spot_in(described | {"id": channel, "guild_id": data.get("guild_id")})

    async def spot(self, channel: str) -> Spot:
        """Raises ``Gone`` when there is no such channel for us, and ``Unsent``."""
        known = self.guilds.spot(channel) or self._spots.get(channel)
        if known is not None:
            return known
        try:
            found = await self._calls.ask("GET", f"/channels/{channel}")
        except Refused as refusal:
            raise Gone(f"channel: {refusal.code}") from refusal
        spot = spot_in(found)
        if spot.is_thread and spot.parent:
            parent = self.guilds.spot(spot.parent) or self._spots.get(spot.parent)
            spot = spot_in(found, parent.kind if parent else 0)
        self._spots.put(channel, spot)
        return spot

    def heard(self, channel: str, id: str) -> None:
        """A message was written, by whomever."""
        newest = self._newest.get(channel) or self.guilds.newest(channel)
        if int(id) > int(newest or 0):
            self._before.put(id, newest)
            self._newest.put(channel, id)

    def before(self, id: str) -> str:
        """The message right before this one, "" when that is not known."""
        return self._before.get(id) or ""

    def forget(self, channel: str) -> None:
        self._spots.drop(channel)

    def remember(self, spot: Spot) -> None:
        self._spots.put(spot.id, spot)

    async def with_cited(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The message with what it replies to; Discord may leave that out, which does not mean that it is gone."""
        target = refers_to(data)
        if not target or "referenced_message" in data:
            return data
        try:
            found = await self._calls.call("GET", f"/channels/{data['channel_id']}/messages/{target}")
        except SurfaceError:
            return data
        return {**data, "referenced_message": found}

    async def root(self, data: Mapping[str, Any], me: Me) -> str:
        """The root of the chain of replies through the bot's messages that a message in a channel belongs to: its own
        id when it answers nothing of ours."""
        id, target = str(data["id"]), refers_to(data)
        known = self._roots.get(id)
        if known is not None:
            return known
        channel, cited = str(data["channel_id"]), data.get("referenced_message")
        root = id
        if target and cited and is_own(cited, me):
            root = await self._follow(channel, cited, me)
        self._roots.put(id, root)
        return root

    def root_of(self, id: str) -> str:
        return self._roots.get(id) or id

    async def _follow(self, channel: str, message: Mapping[str, Any], me: Me) -> str:
        """Up from a message of ours: it refers to the question, which may refer to an earlier message of ours."""
        for _ in range(_LONGEST_CHAIN):
            known = self._roots.get(str(message["id"]))
            target = str((message.get("message_reference") or {}).get("message_id") or "")
            if known is not None or not target:
                return known or str(message["id"])
            above = message.get("referenced_message")
            known = self._roots.get(target)
            if known is not None:
                return known
            if not above or "message_reference" not in above:
                try:
                    above = await self._calls.ask("GET", f"/channels/{channel}/messages/{target}")
                except SurfaceError:
                    return target
            if not is_own(message, me) and not is_own(above, me):
                return str(message["id"])
            message = above
        return str(message["id"])


def spot_in(data: Mapping[str, Any], parent_kind: int = 0) -> Spot:
    """A channel as Discord describes it."""
    kind = int(data.get("type") or 0)
    is_thread = kind in THREADS
    return Spot(
        id=str(data["id"]),
        guild=str(data.get("guild_id") or ""),
        kind=kind,
        name=str(data.get("name") or ""),
        parent=str(data.get("parent_id") or "") if is_thread else "",
        parent_kind=parent_kind,
    )
