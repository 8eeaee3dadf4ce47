"""Finds what a reply has already posted, by the mark in its messages' metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.slack.calls import Calls, Refused
from adapters.slack.controls import has_stop, mark_under, part_in
from adapters.slack.inbound import Me, is_own, seconds
from bot.errors import Gone, SlowDown
from bot.events import Address

_PAGE = 200
_PAGES = 5


@dataclass(frozen=True, slots=True)
class Marked:
    """Message ``id`` is part ``number``. ``grows``: it is shown as still being written."""

    number: int
    id: str
    grows: bool = False


@dataclass(slots=True)
class Found:
    """``marked``: messages with the reply's mark. ``strays``: messages of ours without any mark, as a stream is until
    it ends."""

    marked: list[Marked] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    @property
    def parts(self) -> dict[int, str]:
        """Message id by part; of several the first."""
        found: dict[int, str] = {}
        for part in self.marked:
            found.setdefault(part.number, part.id)
        return found

    def ids(self) -> list[str]:
        """The parts in order, as far as none is missing, then what must be the one being written."""
        parts = self.parts
        known = [parts[number] for number in range(len(parts)) if number in parts]
        return known + self.strays[:1]


class Search:
    """Reads threads and rooms. ``me`` says who the bot is."""

    def __init__(self, calls: Calls, me: Callable[[], Me]) -> None:
        self._calls, self._me = calls, me

    async def parts(self, address: Address, mark: str, question: str = "") -> Found:
        """What stands there of the reply ``mark``. Raises ``Unsent`` or ``Gone``."""
        found = Found()
        async for message in self.messages(address, since=question):
            if not is_own(message, self._me()):
                continue
            ts, part, owner = str(message["ts"]), part_in(message, mark), mark_under(message)
            if part is not None:
                found.marked.append(Marked(part, ts, has_stop(message)))
            elif not message.get("metadata") and owner in ("", mark) and seconds(ts) > seconds(question):
                found.strays.insert(0 if owner else len(found.strays), ts)
        return found

    async def messages(self, address: Address, since: str | None = None) -> AsyncIterator[Mapping[str, Any]]:
        """The messages of a thread, oldest first, or of a room without threads, newest first. ``since`` a message: with
        metadata, and all of them; else the first ones are enough where Slack lets more be read only later."""
        method = "conversations.replies" if address.thread else "conversations.history"
        cursor = ""
        for number in range(_PAGES):
            try:
                page = await self._calls.call(
                    method,
                    channel=address.channel,
                    ts=address.thread or None,
                    limit=_PAGE,
                    cursor=cursor or None,
                    oldest=since or None,
                    include_all_metadata=True if since is not None else None,
                )
            except SlowDown:
                if number and since is None:
                    return
                raise
            except Refused as refusal:
                raise Gone(f"{method}: {refusal.word}") from refusal
            for message in page.get("messages") or ():
                yield message
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return
