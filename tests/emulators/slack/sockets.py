"""Socket Mode: up to ten WebSocket connections of the app, envelopes spread over them, acknowledgements in time.

Connections can be refreshed, dropped in the middle, or go deaf in two ways: ``silent`` (answers pings, delivers
nothing: what is sent to it is lost) and ``dead`` (answers nothing at all).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.emulators.slack.deliveries import Carried, Delivery
from tests.emulators.slack.records import Json
from tests.emulators.slack.state import State


@dataclass(slots=True)
class Connection:
    """``mood``: fine, silent or dead. ``pings`` counts those received, ``carried`` the envelopes sent."""

    id: str
    socket: web.WebSocketResponse
    request: web.Request
    mood: str = "fine"
    pings: int = 0
    carried: int = 0
    waiting: dict[str, asyncio.Future[Json]] = field(default_factory=dict)


class Sockets:
    """Carries deliveries over whatever connections there are.

    ``cuts``: how the next connections end before they say anything, by ``close`` or by ``noise`` and a close.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.connections: list[Connection] = []
        self.opened = 0
        self.cuts: list[str] = []
        self._turn = 0
        self._changed = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer ``/link``: one connection for its whole life."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.state.tickets or len(self.connections) >= self.state.limits.connections:
            if ticket in self.state.tickets:
                self.state.sin("too_many_connections", "socket", str(len(self.connections)))
            return web.Response(status=408)
        self.state.tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        if self.cuts:
            if self.cuts.pop(0) == "noise":
                await socket.send_bytes(b"\x00")
            await socket.close()
            return socket
        connection = Connection(uuid.uuid4().hex[:8], socket, request)
        hello: Json = {"type": "hello", "num_connections": len(self.connections) + 1}
        hello["connection_info"] = {"app_id": self.state.app.id}
        hello["debug_info"] = {"host": "emulator", "approximate_connection_time": 3_600}
        await socket.send_str(json.dumps(hello))
        await self._note(connection, joined=True)
        try:
            await self._listen(connection)
        finally:
            await self._note(connection, joined=False)
            for future in connection.waiting.values():
                if not future.done():
                    future.cancel()
        return socket

    async def _note(self, connection: Connection, *, joined: bool) -> None:
        async with self._changed:
            if joined:
                self.connections.append(connection)
                self.opened += 1
            elif connection in self.connections:
                self.connections.remove(connection)
            self._changed.notify_all()

    async def _listen(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if frame.type == WSMsgType.PING:
                connection.pings += 1
                if connection.mood != "dead":
                    await connection.socket.pong(frame.data)
            elif frame.type == WSMsgType.TEXT:
                self._acknowledge(connection, frame.data)

    def _acknowledge(self, connection: Connection, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            self.state.sin("malformed_frame", "socket")
            return
        future = connection.waiting.pop(str(answer.get("envelope_id", "")), None)
        if future is None:
            self.state.sin("late_or_unknown_ack", "socket")
        elif not future.done():
            future.set_result(answer)

    async def connected(self, count: int = 1) -> None:
        """Wait until at least ``count`` connections are open."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.connections) >= count)

    async def disconnected(self) -> None:
        """Wait until no connection is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.connections)

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        """Send one envelope to the next connection and wait for its acknowledgement."""
        try:
            await asyncio.wait_for(self.connected(), self.state.limits.ack_timeout)
        except TimeoutError:
            return Carried("timeout")
        envelope: Json = {"envelope_id": str(uuid.uuid4()), "type": delivery.kind, "payload": delivery.body}
        envelope["accepts_response_payload"] = delivery.answers
        if number:
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        if not self.connections:
            return Carried("timeout")
        self._turn += 1
        connection = self.connections[self._turn % len(self.connections)]
        return await self._exchange(connection, delivery, envelope)

    async def _exchange(self, connection: Connection, delivery: Delivery, envelope: Json) -> Carried:
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        connection.waiting[envelope["envelope_id"]] = future
        connection.carried += 1
        try:
            if connection.mood == "fine":
                await connection.socket.send_str(json.dumps(envelope))
            answer = await asyncio.wait_for(asyncio.shield(future), self.state.limits.ack_timeout)
        except TimeoutError:
            if connection.mood == "fine" and connection in self.connections:
                self.state.sin("not_acknowledged", delivery.kind, str(delivery.event.get("type", "")))
            return Carried("timeout")
        except ConnectionError:
            return Carried("connection_failed")
        except asyncio.CancelledError:
            if future.cancelled():
                return Carried("connection_failed")
            raise
        finally:
            connection.waiting.pop(envelope["envelope_id"], None)
        payload = answer.get("payload")
        if payload and not delivery.answers:
            self.state.sin("payload_not_accepted", "socket")
        return Carried(answer=payload if isinstance(payload, dict) else {"text": payload} if payload else {})

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Send every connection a ``disconnect`` frame; ``reason``: warning, refresh_requested or link_disabled."""
        frame = json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "emulator"}})
        for connection in list(self.connections):
            await connection.socket.send_str(frame)

    def drop(self) -> int:
        """Cut the TCP connection under every WebSocket; returns how many."""
        dropped = list(self.connections)
        for connection in dropped:
            if connection.request.transport is not None:
                connection.request.transport.abort()
        return len(dropped)

    def deafen(self, *, answers_pings: bool = True) -> None:
        """Make the present connections deaf; later ones hear again."""
        for connection in self.connections:
            connection.mood = "silent" if answers_pings else "dead"

    async def close(self) -> None:
        for connection in list(self.connections):
            await connection.socket.close()
