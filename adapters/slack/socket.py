"""Socket Mode: one WebSocket to Slack, kept alive.

slack-sdk's client acknowledges on whatever connection is newest and closes the old one before it opens the new;
this one acknowledges where the envelope came from, after it was dealt with, and overlaps connections when Slack asks
for a refresh. A connection that answers no pings is dropped; one on which nothing is heard although something must
have been said is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.tasks import end_tasks

log = structlog.get_logger("slack")

_PING = 10.0  # seconds of silence after which a ping is sent; half of that is waited for the answer
_BACKOFF = (0.2, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
_ECHO = 30.0  # seconds within which Slack tells of a message the bot itself posted
_QUIET = 900.0  # seconds without any envelope after which the connection is made anew, to be sure
_LEAVING = 3.0  # seconds the envelopes of an old connection may take

# ``TypeError``: aiohttp's word for a connection that ends, or says something else, where text was awaited.
_FAILURES = (SlackClientError, aiohttp.ClientError, OSError, TimeoutError, LookupError, TypeError, ValueError)

Envelope = Mapping[str, Any]
Take = Callable[[Envelope], Awaitable[Mapping[str, Any] | None]]
"""Deals with an envelope: the payload to acknowledge it with, {} for none, or ``None`` to leave it unacknowledged."""


@dataclass(slots=True, eq=False)
class Line:
    """One connection. ``over`` is set when it must be replaced."""

    socket: aiohttp.ClientWebSocketResponse
    over: asyncio.Event = field(default_factory=asyncio.Event)
    heard: float = field(default_factory=time.monotonic)
    work: set[asyncio.Task[None]] = field(default_factory=set)

    def ended(self, _: asyncio.Task[None]) -> None:
        self.over.set()


class Socket:
    """Keeps a connection until it is closed. ``client`` opens it with ``token``; ``take`` gets every envelope."""

    def __init__(self, client: AsyncWebClient, session: aiohttp.ClientSession, token: str, take: Take) -> None:
        self._client, self._session, self._token, self._take = client, session, token, take
        self._keeping: asyncio.Task[None] | None = None
        self._lines: dict[Line, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._echo_by = 0.0
        self.trouble = "not connected yet"

    async def open(self, patience: float) -> bool:
        """Start connecting; whether a connection was there within ``patience`` seconds."""
        self._keeping = asyncio.create_task(self._keep(), name="slack-socket")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), patience)
        return self._connected.is_set()

    async def close(self) -> None:
        """Take nothing more; what was taken is acknowledged."""
        if self._keeping is not None:
            await end_tasks({self._keeping})
        await asyncio.gather(*(self._leave(line) for line in list(self._lines)))
        await end_tasks(self._leaving)

    def expect_echo(self) -> None:
        """Something was posted or edited: unless the connection is deaf, Slack tells of it soon."""
        self._echo_by = self._echo_by or time.monotonic() + _ECHO

    async def _keep(self) -> None:
        while True:
            line = await self._connect()
            reading = self._lines[line] = asyncio.create_task(self._read(line), name="slack-line")
            reading.add_done_callback(line.ended)
            await self._watch(line)
            if reading.done():
                self.trouble = "the connection to Slack broke"
                await self._leave(line)
            else:  # refreshed: the next one is opened first, then this one is left
                leaving = asyncio.create_task(self._leave_later(line))
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)

    async def _connect(self) -> Line:
        tries = 0
        while True:
            try:
                answer = await self._client.apps_connections_open(app_token=self._token)
                socket = await self._session.ws_connect(str(answer["url"]), heartbeat=_PING, max_msg_size=16 * 2**20)
                line = Line(socket)
                await asyncio.wait_for(self._greet(line), _PING)
            except _FAILURES as error:
                self.trouble = _told(error)
                log.warning("no connection to Slack", why=self.trouble, tries=tries + 1)
                jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads reconnections, keeps no secret
                await asyncio.sleep(_BACKOFF[min(tries, len(_BACKOFF) - 1)] * jitter)
                tries += 1
                continue
            self.trouble = ""
            self._echo_by = 0.0
            self._connected.set()
            return line

    async def _greet(self, line: Line) -> None:
        frame = _parsed(await line.socket.receive_str())
        if frame.get("type") != "hello":
            raise ValueError("no hello")

    async def _watch(self, line: Line) -> None:
        """Wait until ``line`` must be replaced."""
        while not line.over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(line.over.wait(), _PING / 2)
                return
            now = time.monotonic()
            if self._echo_by and now > self._echo_by:
                self.trouble = "nothing is heard from Slack although messages were posted"
            elif now - line.heard > _QUIET:
                self.trouble = ""
            else:
                continue
            log.info("connecting to Slack anew", why=self.trouble or "nothing was heard for long")
            return

    async def _read(self, line: Line) -> None:
        async for frame in line.socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            envelope = _parsed(frame.data)
            if envelope.get("type") == "disconnect":
                line.over.set()
            elif envelope.get("envelope_id"):
                line.heard, self._echo_by = time.monotonic(), 0.0
                task = asyncio.create_task(self._deal(line, envelope))
                line.work.add(task)
                task.add_done_callback(line.work.discard)

    async def _deal(self, line: Line, envelope: Envelope) -> None:
        payload = await self._take(envelope)
        if payload is None:
            return
        answer: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        if payload and envelope.get("accepts_response_payload", envelope.get("type") != "events_api"):
            answer["payload"] = payload
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # Slack sends it again, and it is known then
            await line.socket.send_json(answer)

    async def _leave_later(self, line: Line) -> None:
        self._connected.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), _LEAVING)
        await self._leave(line)

    async def _leave(self, line: Line) -> None:
        reading = self._lines.pop(line, None)
        if reading is None:
            return
        if line.work and not line.socket.closed:
            await asyncio.wait(line.work, timeout=_LEAVING)
        await line.socket.close()
        reading.cancel()
        await asyncio.wait({reading, *line.work}, timeout=_LEAVING)


def _parsed(text: str) -> Envelope:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _told(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        data = getattr(error.response, "data", None)
        word = data.get("error", "") if isinstance(data, dict) else ""
        return f"Slack opens no connection ({word or 'no reason given'})"
    return f"Slack cannot be reached ({type(error).__name__})"
