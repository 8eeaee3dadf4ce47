"""Carries every change of the room to the open tabs over WebSockets.

Each tab has a bounded queue of its own and sees only what its person may see. A tab that does not keep up is
dropped; its page reconnects and loads what it shows afresh, so it misses nothing and slows nobody down.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.web.entries import (
    DIRECT,
    Announced,
    Change,
    Changed,
    Message,
    Posted,
    Removed,
    StatusSet,
    Told,
    shown_controls,
)
from adapters.web.room import Room

_LONGEST_QUEUE = 1_000
_LARGEST_QUEUE = 4_000_000  # characters
_MOST_TABS = 500
_FAREWELL = 1.0  # seconds a closing tab may take
GOING_AWAY, TRY_AGAIN_LATER = 1001, 1013


class Tab:
    """One open page. ``n`` counts its events without a gap."""

    def __init__(self, person: str) -> None:
        self.person = person
        self.code = 0
        self._n = 0
        self._queue: deque[str] = deque()
        self._size = 0
        self._wake = asyncio.Event()

    def push(self, event: str) -> None:
        """``event`` is a JSON object without its closing brace: the number is this tab's own."""
        if self.code:
            return
        if len(self._queue) >= _LONGEST_QUEUE or self._size > _LARGEST_QUEUE:
            self.leave(TRY_AGAIN_LATER)
            return
        self._n += 1
        numbered = f'{event},"n":{self._n}}}'
        self._queue.append(numbered)
        self._size += len(numbered)
        self._wake.set()

    def leave(self, code: int) -> None:
        """Let the tab go; what waits for it is thrown away."""
        self.code = self.code or code
        self._queue.clear()
        self._wake.set()

    async def next(self) -> str | None:
        """The next event, or ``None`` when the tab has to go."""
        while not self._queue and not self.code:
            self._wake.clear()
            await self._wake.wait()
        if self.code:
            return None
        event = self._queue.popleft()
        self._size -= len(event)
        return event

    async def gone(self) -> None:
        """Returns when the tab has to go, even while an event is stuck on its way."""
        while not self.code:
            self._wake.clear()
            await self._wake.wait()


class Hub:
    """All open tabs."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._tabs: set[Tab] = set()
        self._closed = False
        room.watch(self.publish)

    def __len__(self) -> int:
        return len(self._tabs)

    def publish(self, change: Change) -> None:
        """Queue a change for every tab that may see it. Encoded once, whatever the number of tabs."""
        audience = _audience(change)
        tabs = [tab for tab in self._tabs if not audience or tab.person == audience]
        if tabs:
            encoded = _encode(self._event(change))
            for tab in tabs:
                tab.push(encoded)

    async def serve(self, socket: WebSocket) -> None:
        """The whole life of one tab."""
        await socket.accept()
        tab = Tab(socket.query_params.get("person", ""))
        if self._closed or len(self._tabs) >= _MOST_TABS:
            await socket.close(TRY_AGAIN_LATER)
            return
        tab.push(_encode({"type": "hello"}))
        for status in self._room.statuses():
            if _audience(status) in ("", tab.person):
                tab.push(_encode(_status(status)))
        self._tabs.add(tab)
        tasks = [asyncio.create_task(work) for work in (_send(socket, tab), _listen(socket), tab.gone())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._tabs.discard(tab)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if tab.code:
            with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect, OSError):
                await asyncio.wait_for(socket.close(tab.code), _FAREWELL)

    def close(self) -> None:
        """Let every tab go; the pages come back when there is a workspace again."""
        self._closed = True
        for tab in list(self._tabs):
            tab.leave(GOING_AWAY)

    def _event(self, change: Change) -> dict[str, Any]:
        match change:
            case Changed(before, after) if before is not after and (grown := text_event(before, after)) is not None:
                return grown
            case Posted(message) | Changed(_, message):
                return {"type": "message", "message": self._room.show(message)}
            case Removed(message):
                return {"type": "deleted", "id": message.id, **_place(message.channel, message.thread)}
            case StatusSet():
                return _status(change)
            case Told(_, channel, thread, notice):
                return {"type": "notice", **_place(channel, thread), "text": notice.text, "error": notice.error}
            case Announced(kind, value):
                return {"type": kind, kind: value}


def text_event(before: Message, after: Message) -> dict[str, Any] | None:
    """What to change of the shown text, when nothing else of the message changed; positions in UTF-16 units.

    The page's text becomes ``old[:keep] + tail`` and must then be ``len`` long.
    """
    unchanged = ("author", "thread", "revision", "files", "deleted", "mark", "part", "ts")
    if any(getattr(before, name) != getattr(after, name) for name in unchanged):
        return None
    kept = _common(before.text, after.text)
    event: dict[str, Any] = {
        "type": "text",
        "id": after.id,
        "keep": utf16(after.text[:kept]),
        "tail": after.text[kept:],
        "len": utf16(after.text),
        "streaming": after.streaming,
    }
    if before.notes != after.notes:
        event["notes"] = list(after.notes)
    if before.controls != after.controls:
        event["controls"] = shown_controls(after.controls)
    return event


def utf16(text: str) -> int:
    """The length a JavaScript string would have."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _common(old: str, new: str) -> int:
    """How many characters both begin with. A growing text is the ordinary case and costs one comparison."""
    if new.startswith(old):
        return len(old)
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _audience(change: Change) -> str:
    """The one person who may see a change; "" for everybody."""
    match change:
        case Posted(message) | Removed(message) | Changed(_, message):
            channel = message.channel
        case StatusSet(channel=channel):
            pass
        case Told(person=person):
            return person
        case Announced():
            return ""
    return channel.removeprefix(DIRECT) if channel.startswith(DIRECT) else ""


def _status(status: StatusSet) -> dict[str, Any]:
    return {"type": "status", **_place(status.channel, status.thread), "text": status.text or None}


def _place(channel: str, thread: str) -> dict[str, Any]:
    return {"channel": channel, "thread": thread or None}


def _encode(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))[:-1]


async def _send(socket: WebSocket, tab: Tab) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
        while (event := await tab.next()) is not None:
            await socket.send_text(event)


async def _listen(socket: WebSocket) -> None:
    """Pages say nothing here; reading is how their leaving is noticed."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.receive_text()
