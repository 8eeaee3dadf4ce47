"""What Discord carries out late is put right.

Its nonces keep a post from being made twice, but not one that the reply needs no more, and an edit may come after the
last one. Of a reply that is not being written, a message that looks as if it were is late: it is taken away, or, where
it is the part itself, shown again as it should read. When replies are looked at: ``bot.late``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import structlog

from adapters.discord.calls import Calls, Refused
from adapters.discord.controls import is_growing
from adapters.discord.inbound import PLATFORM
from adapters.discord.places import HOOK_PREFIX, Places
from adapters.discord.search import is_mine, newest
from bot.errors import Gone
from bot.late import Late, Watched
from bot.ports import Shelf, fenced
from bot.replies import Standing

log = structlog.get_logger("discord")


class Core(Protocol):
    async def standing(self, mark: str) -> Standing | None: ...
    async def show_again(self, mark: str) -> None: ...


class LateOnDiscord:
    """The looks of this process. ``me``: the bot's id; ``wall``: Unix seconds."""

    def __init__(
        self,
        core: Core,
        shelf: Shelf,
        calls: Calls,
        places: Places,
        me: Callable[[], str],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._calls, self._places, self._me = core, calls, places, me
        self.looks = Late(PLATFORM, shelf, self._look, wall)

    async def _look(self, mark: str, watched: Watched) -> bool:
        if watched.address.thread.startswith(HOOK_PREFIX):
            return True  # what an interaction answers with can only be written
        if await self._core.standing(mark) is None:
            return False
        channel = watched.place = watched.place or await self._places.reading(watched.address)
        after = {"after": watched.question} if watched.question.isdigit() else {}
        found = {str(it["id"]): it for it in await newest(self._calls, channel, **after) if is_mine(it, self._me())}
        standing = await self._core.standing(mark)  # once more: what was found was posted before this
        if standing is None:
            return False
        known = {*standing.parts, *watched.ids()}
        if standing.shown and known.isdisjoint(found):
            return True  # a person took it away, or its place is not known: which one to keep is not known either
        grows = {id for id, message in found.items() if is_growing(message, mark)}
        with fenced(standing.fence):
            for id in grows - known:
                log.info("a message that came late is taken away")
                await self._remove(channel, id)
        if grows & known:
            log.info("a reply was written over late, and is shown again")
            await self._core.show_again(mark)
        return True

    async def _remove(self, channel: str, id: str) -> None:
        try:
            await self._calls.call("DELETE", f"/channels/{channel}/messages/{id}")
        except (Gone, Refused):  # a person was faster
            return
