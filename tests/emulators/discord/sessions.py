"""Gateway sessions: what was dispatched to one shard, kept so that it can be replayed to a client that resumes."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from pyzstd import ZstdCompressor

from tests.emulators.discord.limits import Intent
from tests.emulators.discord.records import Json

COMPRESSIONS = ("zlib-stream", "zstd-stream")
_FLUSH = zlib.Z_SYNC_FLUSH


@dataclass(slots=True)
class Session:
    """``frames``: (sequence number, frame) of everything dispatched. ``lost_at``: when its connection went.
    ``trim``: what is left of the data of an event."""

    id: str
    shard: int
    shards: int
    intents: int
    frames: list[tuple[int, str]] = field(default_factory=list)
    connection: Connection | None = None
    lost_at: float = 0.0
    ended: bool = False
    trim: Callable[[str, Json], Json | None] | None = None

    @property
    def sequence(self) -> int:
        return len(self.frames)

    def hears(self, intent: Intent | None) -> bool:
        return intent is None or bool(self.intents & intent)

    def dispatch(self, name: str, body: str) -> None:
        """Number an event whose data is the JSON ``body``, keep it and, while connected, send it."""
        number = self.sequence + 1
        if self.trim is not None:
            body = json.dumps(self.trim(name, json.loads(body)))
        frame = f'{{"op":0,"s":{number},"t":"{name}","d":{body}}}'
        self.frames.append((number, frame))
        if self.connection is not None:
            self.connection.send(frame)


@dataclass(slots=True)
class Connection:
    """One WebSocket. ``mood``: fine, or silent (it takes frames, answers none and delivers nothing)."""

    socket: web.WebSocketResponse
    request: web.Request
    compression: str  # "" for none
    session: Session | None = None
    mood: str = "fine"
    last_beat: float = 0.0
    sends: list[float] = field(default_factory=list)
    waiting: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    _deflate: zlib._Compress = field(default_factory=zlib.compressobj)
    _zstd: ZstdCompressor = field(default_factory=ZstdCompressor)

    def send(self, frame: str) -> None:
        """Put a frame on its way; frames leave in order."""
        if self.mood == "fine":
            self.waiting.put_nowait(frame)

    async def write(self) -> None:
        """Send what is waiting until the connection closes."""
        while (frame := await self.waiting.get()) is not None:
            if self.mood != "fine" or self.socket.closed:
                continue
            try:
                if self.compression:
                    await self.socket.send_bytes(self._packed(frame.encode()))
                else:
                    await self.socket.send_str(frame)
            except ConnectionError:
                return

    def _packed(self, data: bytes) -> bytes:
        """The next piece of the connection's one compressed stream, which can be read as it is."""
        if self.compression == "zstd-stream":
            return self._zstd.compress(data, ZstdCompressor.FLUSH_BLOCK)
        return self._deflate.compress(data) + self._deflate.flush(_FLUSH)

    def cut(self) -> None:
        """Drop the TCP connection."""
        if self.request.transport is not None:
            self.request.transport.abort()
