"""Slack's native streams: messages that grow by appending, each of which ends after minutes, whatever happens.

A stream can only be added to, only be ended once, and never be edited while it is open. Once its answer was lost, its
size or age is near Slack's limits, or a person stopped it, the stream is over and the same message goes on by
edits. Every stream that was opened here is ended here: by its reply, by age, or when the adapter closes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.calls import Calls, Lost, Refused
from adapters.slack.dialect import hold_back
from bot.errors import Gone, SurfaceError

LONGEST = 230.0  # seconds; Slack ends a stream after about 300
LARGEST = 9_800  # bytes of UTF-8; Slack refuses more than about 10,600
_REFUSED_FOR = 600.0  # seconds a channel that takes no streams is not asked again
_STOPPED_FOR = 900.0


class Over(Exception):
    """The stream takes nothing more: its message is edited from now on."""


@dataclass(slots=True)
class Stream:
    """An open stream. ``sent``: what people see of it. ``doubtful``: whether the last call arrived is not known.

    ``metadata`` can only be given when it ends.
    """

    channel: str
    ts: str
    thread: str
    opened: float
    sent: str
    metadata: Mapping[str, Any]
    doubtful: bool = False

    def is_spent(self, text: str, now: float) -> bool:
        """It cannot carry ``text``: too old, too large, or not known to read as it should."""
        too_large = len(text) * 4 > LARGEST and len(text.encode("utf-8", "replace")) > LARGEST
        return self.doubtful or too_large or now - self.opened > LONGEST


class Streams:
    """The open streams of this process, by message. ``clock``: rising seconds."""

    def __init__(self, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls, self._clock = calls, clock
        self._open: dict[tuple[str, str], Stream] = {}
        self._refused: dict[str, float] = {}
        self._stopped: dict[tuple[str, str], float] = {}

    @property
    def any_open(self) -> bool:
        return bool(self._open)

    def find(self, channel: str, ts: str) -> Stream | None:
        return self._open.get((channel, ts))

    def is_spent(self, stream: Stream, text: str) -> bool:
        return stream.is_spent(text, self._clock())

    def are_taken(self, channel: str) -> bool:
        """``channel`` has refused no stream lately."""
        return self._refused.get(channel, 0.0) <= self._clock()

    def refuse(self, channel: str) -> None:
        """Slack draws no streams in ``channel``."""
        self._refused[channel] = self._clock() + _REFUSED_FOR

    async def start(self, channel: str, thread: str, text: str, metadata: Mapping[str, Any], **more: Any) -> Stream:
        """A new message that reads ``text``. Raises as ``Calls.call`` does."""
        answer = await self._calls.call(
            "chat.startStream", channel=channel, thread_ts=thread, markdown_text=text, **more
        )
        stream = Stream(channel, str(answer["ts"]), thread, self._clock(), text, metadata)
        self._open[channel, stream.ts] = stream
        return stream

    async def append(self, stream: Stream, text: str) -> None:
        """Show the beginning of ``text`` that is not shown yet; nothing when the message reads otherwise.

        Raises ``Over``, and as ``Calls.call`` does.
        """
        text = hold_back(text)
        if not text.startswith(stream.sent) or len(text) == len(stream.sent):
            return
        added = text[len(stream.sent) :]
        await self._change("chat.appendStream", stream, markdown_text=added)
        stream.sent = text

    async def finish(self, stream: Stream, text: str, **more: Any) -> None:
        """Make it read ``text`` and end it. Raises ``Over``, also when only an edit can make it read so."""
        if stream.doubtful or not text.startswith(stream.sent):
            raise Over
        rest = text[len(stream.sent) :]
        await self._change("chat.stopStream", stream, markdown_text=rest or None, metadata=stream.metadata, **more)
        self._open.pop((stream.channel, stream.ts), None)

    async def end(self, stream: Stream) -> None:
        """End it as it reads; it does not matter whether it was over already. Raises as ``Calls.call`` does."""
        await self.end_message(stream.channel, stream.ts, stream.metadata)
        self._open.pop((stream.channel, stream.ts), None)

    async def end_message(self, channel: str, ts: str, metadata: Mapping[str, Any] | None = None) -> bool:
        """End the stream that message ``ts`` may be; whether it was one."""
        try:
            await self._calls.call("chat.stopStream", channel=channel, ts=ts, metadata=metadata)
        except (Refused, Gone):
            return False
        return True

    def stopped(self, channel: str, thread: str, messages: list[str]) -> None:
        """A person pressed Stop: Slack has ended these streams, and nothing new may be posted for this answer."""
        self._stopped[channel, thread] = self._clock() + _STOPPED_FOR if messages else 0.0
        for ts in messages:
            self._open.pop((channel, ts), None)

    def was_stopped(self, channel: str, thread: str) -> bool:
        return self._stopped.get((channel, thread), 0.0) > self._clock()

    def resumed(self, channel: str, thread: str) -> None:
        """A person has written in the thread again."""
        self._stopped.pop((channel, thread), None)

    async def sweep(self) -> None:
        """End what is too old, and forget what no longer matters."""
        now = self._clock()
        for stream in [stream for stream in self._open.values() if now - stream.opened > LONGEST]:
            await self.end_quietly(stream)
        self._refused = {key: until for key, until in self._refused.items() if until > now}
        self._stopped = {key: until for key, until in self._stopped.items() if until > now}

    async def close(self) -> None:
        """End every open stream."""
        await asyncio.gather(*(self.end_quietly(stream) for stream in list(self._open.values())))

    async def end_quietly(self, stream: Stream) -> None:
        """As ``end``; when it cannot be told, it is tried again later."""
        try:
            await self.end(stream)
        except SurfaceError:
            stream.doubtful = True

    async def _change(self, method: str, stream: Stream, **more: Any) -> None:
        try:
            await self._calls.call(method, channel=stream.channel, ts=stream.ts, **more)
        except Lost:
            stream.doubtful = True
            raise
        except Refused as refusal:
            if refusal.word == "stopped_by_user":
                self._stopped[stream.channel, stream.thread] = self._clock() + _STOPPED_FOR
                self._open.pop((stream.channel, stream.ts), None)
            stream.doubtful = True
            raise Over from refusal
