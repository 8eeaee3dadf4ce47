"""What Slack carries out late is put right.

Slack takes no key by which it would know a post again. Of a reply that is not being written, a message that looks as if
it were, a second message of the same part, and a stream that nobody knows of are late: they are taken away, or, where
it is the part itself, shown again as it should read. When replies are looked at: ``bot.late``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from adapters.slack.calls import Calls, Refused
from adapters.slack.controls import part_in
from adapters.slack.inbound import PLATFORM
from adapters.slack.search import Found, Search
from adapters.slack.stream import Streams
from bot.errors import Gone
from bot.events import Address
from bot.late import Late, Watched
from bot.ports import Shelf, fenced
from bot.replies import Standing

log = structlog.get_logger("slack")


class Core(Protocol):
    async def standing(self, mark: str) -> Standing | None: ...
    async def show_again(self, mark: str) -> None: ...


class Room(Protocol):
    """A workspace, as far as it is needed here (``adapters.slack.surface.Stage``)."""

    @property
    def calls(self) -> Calls: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def search(self) -> Search: ...


class LateOnSlack:
    """The looks of this process. ``room`` finds a workspace by name; ``wall``: Unix seconds."""

    def __init__(
        self, core: Core, shelf: Shelf, room: Callable[[str], Room], wall: Callable[[], float] = time.time
    ) -> None:
        self._core, self._room = core, room
        self.looks = Late(PLATFORM, shelf, self._look, wall)

    def heard(self, channel: str, message: Mapping[str, Any]) -> None:
        """Slack tells of a message of ours; one that was not expected is looked at soon."""
        id, thread = str(message.get("ts") or ""), str(message.get("thread_ts") or "")
        for mark, watched in self.looks.watched():
            if (watched.address.channel, watched.address.thread) != (channel, thread):
                continue
            if message.get("metadata") and part_in(message, mark) is None:
                continue
            if id in watched.ids():
                continue
            if self._room(watched.address.workspace).streams.find(channel, id) is None:
                self.looks.hurry(watched)

    async def _look(self, mark: str, watched: Watched) -> bool:
        """Put right what is there; whether that was all."""
        if await self._core.standing(mark) is None:
            return False
        room, address = self._room(watched.address.workspace), watched.address
        found = await room.search.parts(address, mark, watched.question)
        standing = await self._core.standing(mark)  # once more: what was found was posted before this
        if standing is None:
            return False
        known = {*standing.parts, *watched.ids()}
        parts = {part.number for part in found.marked if part.id in known}
        if standing.shown and not parts and known.isdisjoint(found.strays):
            return True  # a person took it away, or its place is not known: which one to keep is not known either
        late = [
            part.id
            for part in found.marked
            if part.id not in known and (part.grows or part.number in parts or not standing.shown)
        ]
        with fenced(standing.fence):
            for id in late:
                await self._remove(room, address, id)
            is_all = await self._end_strays(room, address, found, known, standing)
        if any(part.grows for part in found.marked if part.id in known):
            log.info("a reply was written over late, and is shown again")
            await self._core.show_again(mark)
        return is_all

    async def _end_strays(
        self, room: Room, address: Address, found: Found, known: set[str], standing: Standing
    ) -> bool:
        """An open stream bears no mark: it is nobody's if none of those that are written here and now is it."""
        strays = [id for id in found.strays if id not in known and room.streams.find(address.channel, id) is None]
        if not address.thread or not strays:
            return True
        if not standing.quiet:
            return False
        for id in strays:
            if await room.streams.end_message(address.channel, id):
                await self._remove(room, address, id)
        return True

    async def _remove(self, room: Room, address: Address, id: str) -> None:
        log.info("a message that came late is taken away")
        try:
            await room.calls.call("chat.delete", channel=address.channel, ts=id)
        except (Gone, Refused):  # a person was faster
            return
