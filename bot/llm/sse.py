"""Server-sent events out of bytes, however the network cut them.

A pure machine: bytes in, finished events out, no I/O and no clock. It follows the WHATWG event-stream
rules (LF, CRLF and CR end a line, a comment starts with a colon, several ``data`` lines are joined by LF, a
leading byte order mark is dropped) and keeps everything as bytes, so that a character split between two
reads is never decoded in halves. ``id`` and ``retry`` mean nothing to a single answer and are passed over.
One event is an ordinary tuple: this code runs for every token.
"""

from __future__ import annotations

Event = tuple[bytes, bytes]
"""(name, data); the name is empty for an ordinary message."""

_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """One event grew over the limit: the other side does not speak the protocol we expect."""


class EventSplitter:
    """Feed it what arrives; ``limit`` bounds the bytes of one event."""

    __slots__ = ("_after_cr", "_data", "_first", "_limit", "_name", "_rest", "_size")

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes, in order. Raises ``EventTooLarge``."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == 0x0A:
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk[-1] == 0x0D
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = (self._rest + chunk if self._rest else chunk).split(b"\n")
        self._rest = lines.pop()
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[Event] = []
        for line in lines:
            if line[:6] == b"data: ":  # nearly every line
                self._data.append(line[6:])
                self._size += len(line) - 6
            elif line:
                self._take(line)
            elif self._data:
                if self._size > self._limit:
                    raise EventTooLarge
                events.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                self._data, self._size, self._name = [], 0, b""
            else:
                self._name = b""
        if self._size + len(self._rest) > self._limit:
            raise EventTooLarge
        return events

    def end(self) -> list[Event]:
        """The body is over: an event that only lacks its blank line counts (some servers end so)."""
        self._after_cr = False
        return self.feed(b"\n\n")

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            value = line[5:]
        elif line.startswith(b"event:"):
            self._name = line[6:].removeprefix(b" ")
            return
        elif line == b"data":
            value = b""
        else:
            return
        self._data.append(value)
        self._size += len(value)
