"""What was said while nobody listened, read from the history when a new session of a shard begins.

How far each shard and each channel in which the bot takes part was heard is noted behind what was taken, never before
it: a message that was under way when the process died is read again. From the welcome on, what comes in waits until it
is known where to begin to read; then it waits only for its own channel, which is read at once where somebody asks, and
else in the background, a few channels at a time, so that answers have most of what Discord allows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from adapters.discord.calls import Calls
from adapters.discord.directory import Directory
from adapters.discord.inbound import id_at
from bot.errors import StoreError
from bot.ports import Shelf

log = structlog.get_logger("discord")

Json = Mapping[str, Any]

MISSED = 900.0  # seconds; older questions are not answered late
_HEARD = "heard"
_HEARD_EVERY = 20.0  # seconds between two notes of how far a channel was heard
_LATELY = 86_400  # seconds
_REMEMBERED, _LISTED = 5_000, 20_000  # channels
_MOST = 2_000  # channels that are read after one welcome
_EVERYWHERE = "0"  # the message up to which all were taken, wherever they were written
_PAGE = 100
_AT_ONCE, _APART = 2, 0.05  # channels that are read in the background together, and seconds between two calls for one
_STORE_PAUSE = 0.3  # seconds
_LAST = 2.0  # seconds for the notes at the end


@dataclass(slots=True, eq=False)
class Ear:
    """What one shard has heard, as ids of messages. ``session``: how many began. ``since``: up to where all was taken
    when the last one did, 0 where the shelf has to be asked. ``unread``: by channel, where to begin to read. ``knows``:
    set when that is known of all channels."""

    shard: int
    key: str
    session: int = 0
    since: int = 0
    newest: int = 0
    under_way: set[int] = field(default_factory=set)
    unread: dict[str, int] = field(default_factory=dict)
    count: int = 0
    is_caught_up: bool = False
    knows: asyncio.Event = field(default_factory=asyncio.Event)

    def taken_to(self) -> int:
        """The message up to which nothing is left to be taken."""
        return min(self.under_way) - 1 if self.under_way else self.newest


class Missed:
    """The ears of one process. ``look``: reads a channel in its turn. ``behind``: what nobody waits for. ``wall``: Unix
    seconds."""

    def __init__(
        self,
        calls: Calls,
        directory: Directory,
        shelf: Shelf,
        *,
        look: Callable[[Ear, str], Awaitable[None]],
        behind: Callable[[Coroutine[Any, Any, Any]], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._calls, self._directory, self._guilds, self._shelf = calls, directory, directory.guilds, shelf
        self._look, self._behind, self._wall = look, behind, wall
        self._ears: dict[int, Ear] = {}
        self._heard: dict[str, tuple[int, str, float]] = {}  # by channel: its last message, its guild, when noted
        self._unnoted: set[str] = set()  # channels in which something was heard since
        self.is_open = True

    def ear_of(self, data: Json) -> Ear:
        """Of the shard that a dispatch came from; direct messages are the first one's."""
        guild = str(data.get("guild_id") or "")
        if not guild and (spot := self._guilds.spot(str(data["channel_id"]))) is not None:
            guild = spot.guild
        return self._ear(self._guilds.shard(guild))

    def _ear(self, shard: int) -> Ear:
        ear = self._ears.get(shard)
        if ear is None:
            ear = self._ears[shard] = Ear(shard, f"{_EVERYWHERE} {shard}/{self._guilds.shard_count}")
            ear.knows.set()
        return ear

    def done(self, ear: Ear, id: int) -> None:
        """This message was taken."""
        ear.under_way.discard(id)
        if ear.is_caught_up:
            self._hear(ear.key, ear.taken_to())

    def hear(self, channel: str, guild: str, id: int, *, takes_part: bool) -> None:
        """Everything up to ``id`` was heard in a channel; worth a note where the bot takes part."""
        if takes_part or channel in self._heard:
            self._hear(channel, id, guild)

    async def close(self) -> None:
        """Note how far all was heard, as far as that goes in a moment: what is not noted is read once more."""
        for ear in self._ears.values():
            if ear.is_caught_up and self._heard.get(ear.key, (0,))[0] != ear.taken_to():
                self._heard[ear.key] = ear.taken_to(), "", 0.0
                self._unnoted.add(ear.key)
        unnoted, self._unnoted = self._unnoted & self._heard.keys(), set()
        try:
            async with asyncio.timeout(_LAST):
                for channel in sorted(unnoted, key=_is_of_shard, reverse=True):
                    id, guild, _ = self._heard[channel]
                    await self._keep(channel, id, guild)
        except TimeoutError:
            log.warning("how far channels were heard is not kept: there was no time")

    # --- a new session

    def begin(self, shard: int) -> None:
        """Its welcome is here: to be called before what comes behind it is taken."""
        ear = self._ear(shard)
        ear.session += 1
        if ear.is_caught_up:
            ear.since = ear.taken_to()
        ear.is_caught_up = False
        ear.knows.clear()
        self._behind(self._catch_up(ear, ear.session))

    async def _catch_up(self, ear: Ear, session: int) -> None:
        ear.count = 0
        try:
            await self._guilds.arrived(ear.shard)
            unread = await self._missed_since(ear)
            if ear.session == session:
                ear.unread = unread
        finally:
            if ear.session == session:
                ear.knows.set()
        some = asyncio.Semaphore(_AT_ONCE)

        async def look(channel: str) -> None:
            async with some:
                if self.is_open and ear.session == session and channel in ear.unread:
                    await self._look(ear, channel)
                    await asyncio.sleep(_APART)

        await asyncio.gather(*map(look, unread))
        if not self.is_open or ear.session != session:
            return
        ear.is_caught_up = True
        await self._keep(ear.key, ear.taken_to())
        if ear.count:
            log.info("read what was written meanwhile", messages=ear.count, shard=ear.shard)

    async def read(self, ear: Ear, channel: str) -> AsyncIterator[Json]:
        """What was missed in a channel and was not read yet, in the order in which it was written."""
        after = ear.unread.pop(channel, None)
        try:
            while after is not None:
                spot = await self._directory.spot(channel)
                page = await self._page(channel, after)
                for message in page:
                    ear.count += 1
                    yield dict(message) | ({"guild_id": spot.guild} if spot.guild else {})
                after = int(page[-1]["id"]) if len(page) == _PAGE else None
                if after is not None:
                    await asyncio.sleep(_APART)
        except Exception as error:  # whatever the server told: what is said now is taken all the same
            log.info("what was missed in a channel cannot be read", kind=type(error).__name__)

    async def _page(self, channel: str, after: int) -> list[Json]:
        query = {"limit": str(_PAGE), "after": str(after)}
        key = f"discord:read:{channel}"
        found = await self._calls.ask("GET", f"/channels/{channel}/messages", query=query, key=key)
        return sorted(found or [], key=lambda message: int(message["id"]))

    async def _missed_since(self, ear: Ear) -> dict[str, int]:
        """channel → the message up to which it was heard, or the oldest that may be answered late."""
        oldest = int(id_at(self._calls.now(self._wall()) - MISSED))
        ear.newest = max(ear.newest, 1, self._guilds.latest(ear.shard))
        while True:
            try:
                rows = await self._shelf.list(_HEARD, after=int(self._wall()) - _LATELY, limit=_LISTED)
                kept = await self._shelf.get(_HEARD, ear.key)
                if kept is None:  # the very first start: whatever comes now is not older than this
                    await self._shelf.put(_HEARD, ear.key, {"last": str(ear.taken_to())}, int(self._wall()))
                break
            except StoreError:
                if not self.is_open:
                    return {}
                await asyncio.sleep(_STORE_PAUSE)
        since = ear.since or int((kept or {}).get("last") or 0) or self._since_otherwise(rows)
        since = max(since, oldest) if since else 0
        heard = {
            channel: max(self._heard[channel][0] if channel in self._heard else int(value["last"]), oldest)
            for channel, value in reversed(rows)
            if not _is_of_shard(channel) and self._guilds.shard(str(value.get("guild") or "")) == ear.shard
        }
        lively = self._guilds.newer(since, ear.shard) if since else ()
        begins = {channel: heard.get(channel, since) for channel in (*lively, *heard)}
        unread = [(it, after) for it, after in begins.items() if int(self._guilds.newest(it) or after + 1) > after]
        if len(unread) > _MOST:
            log.warning("something was missed in more channels than are read", read=_MOST, left=len(unread) - _MOST)
        return dict(unread[:_MOST])

    def _since_otherwise(self, rows: Sequence[tuple[str, Json]]) -> int:
        """Up to where all was taken when there was another number of shards; 0: not known."""
        here = f"/{self._guilds.shard_count}"
        return min(
            (int(value["last"]) for key, value in rows if _is_of_shard(key) and not key.endswith(here)), default=0
        )

    # --- what is kept

    def _hear(self, channel: str, id: int, guild: str = "") -> None:
        _, _, noted = self._heard.get(channel, (0, "", 0.0))
        now = time.monotonic()
        is_due = now - noted > _HEARD_EVERY
        self._heard[channel] = id, guild, now if is_due else noted
        if is_due:
            self._unnoted.discard(channel)
            self._behind(self._keep(channel, id, guild))
        else:
            self._unnoted.add(channel)
        if len(self._heard) > _REMEMBERED:
            self._heard.pop(next(iter(self._heard)))

    async def _keep(self, channel: str, id: int, guild: str = "") -> None:
        try:
            await self._shelf.put(_HEARD, channel, {"last": str(id), "guild": guild}, int(self._wall()))
        except StoreError:
            log.warning("how far a channel was heard is not kept: the database is away")


def _is_of_shard(key: str) -> bool:
    return key.partition(" ")[0] == _EVERYWHERE
