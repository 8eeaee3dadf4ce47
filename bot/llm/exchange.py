"""One HTTP exchange with a model server: sending, waiting for headers, reading with a guard against silence, closing.

Knows httpx and nothing of completions. ``Silent`` and ``Broken`` say what was missing, not which library noticed:
transports raise different exceptions for the same trouble.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import cache
from typing import cast
from urllib.parse import urlsplit

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from bot.llm.config import LlmConfig

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_BODY_LIMIT = 8 << 20
_DRAIN_SECONDS = 1.0
_SLICE = 1 << 18
_SECOND_LOOK = 0.25


class Broken(Exception):
    """The connection failed or ended; ``timed_out`` when it was only silent for too long."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("silent" if timed_out else "broken")
        self.timed_out = timed_out


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def open_client(config: LlmConfig) -> httpx.AsyncClient:
    """A client with its own connections, through the environment's proxy unless the server is on this machine.

    Redirects are not followed: the key must not travel to another host.
    """
    kind = httpx.AsyncClient if config.transport == "httpx" else HttpxAiohttpClient
    headers = {"accept-encoding": "identity", "user-agent": "parley"}
    if config.api_key:
        headers["authorization"] = f"Bearer {config.api_key}"
    return kind(
        base_url=config.base_url.rstrip("/"),
        headers=headers,
        verify=_tls() if config.base_url.startswith("https") else False,
        timeout=httpx.Timeout(None, connect=config.connect_timeout),
        limits=httpx.Limits(
            max_connections=config.connections, max_keepalive_connections=config.connections, keepalive_expiry=30.0
        ),
        trust_env=urlsplit(config.base_url).hostname not in _THIS_MACHINE,
    )


class Exchange:
    """A request that was answered with headers. Read it to the end or close it; closing ends it upstream at once."""

    def __init__(self, response: httpx.Response, stall: float, owned: httpx.AsyncClient | None) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._owned = owned
        self._reads = _reads(response)
        self._guard = _Guard(stall)

    async def read(self) -> bytes:
        """The bytes of the next network read, ``b""`` at the end of the body. Raises ``Broken``."""
        guard = self._guard
        guard.since, guard.task = guard.now(), asyncio.current_task()
        try:
            return await anext(self._reads)
        except StopAsyncIteration:
            return b""
        except httpx.TransportError as error:
            raise Broken(timed_out=isinstance(error, httpx.TimeoutException)) from None
        except asyncio.CancelledError:
            if guard.is_own():
                raise Broken(timed_out=True) from None
            raise
        finally:
            guard.task = None

    async def body(self) -> bytes:
        """Everything, up to a bound no proper answer reaches. Raises ``Broken``."""
        parts, size = [], 0
        while (part := await self.read()) and size < _BODY_LIMIT:
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    async def drain(self) -> None:
        """The answer is complete: read the few bytes that end the body so that the connection can be used again."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await self.read():
                    pass
        except (Broken, TimeoutError):
            return
        finally:
            await self.close()

    async def close(self) -> None:
        self._guard.close()
        try:
            await self._response.aclose()
        except (httpx.HTTPError, OSError):
            return
        finally:
            if self._owned is not None:
                await self._owned.aclose()


async def send(client: httpx.AsyncClient, config: LlmConfig, body: bytes, *, fresh: bool = False) -> Exchange:
    """POST a completion and wait for its headers. ``fresh``: on a connection nothing has used. Raises ``Broken``."""
    owned = open_client(config) if fresh else None
    used = owned or client
    guard = _Guard(config.headers_timeout)
    try:
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        content = body if len(body) <= _SLICE else _slices(body)
        request = used.build_request("POST", "/chat/completions", content=content, headers=headers)
        guard.since, guard.task = guard.now(), asyncio.current_task()
        response = await used.send(request, stream=True)
    except BaseException as error:
        is_silent = isinstance(error, asyncio.CancelledError) and guard.is_own()
        if owned is not None:
            await owned.aclose()
        if is_silent:
            raise Broken(timed_out=True) from None
        if isinstance(error, (httpx.TransportError, OSError)):
            raise Broken(timed_out=False) from None
        raise
    finally:
        guard.close()
    return Exchange(response, config.stall_timeout, owned)


async def _slices(body: bytes) -> AsyncGenerator[bytes, None]:
    """A body with images in pieces, so that sending it does not hold up every other answer."""
    for start in range(0, len(body), _SLICE):
        yield body[start : start + _SLICE]


def _reads(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it arrives, without the layers of httpx that a plain body does not need."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return response.aiter_bytes()
    return aiter(cast(httpx.AsyncByteStream, response.stream))


class _Guard:
    """Cancels who waits for the server after ``seconds`` of silence, with one timer for a whole stream of reads.

    While ``task`` is set, it reads since ``since``; plain fields, because they are set for every token. Silence is
    believed at the second look only: when this process itself was held up for so long, what came meanwhile waits in
    the socket and gets its turn before that.
    """

    __slots__ = ("_fired", "_handle", "_loop", "_seconds", "_suspected", "now", "since", "task")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._fired = False
        self._suspected = -1.0
        self._handle: asyncio.TimerHandle | None = self._loop.call_later(seconds, self._look)
        self.now = self._loop.time
        self.since = 0.0
        self.task: asyncio.Task[object] | None = None

    def is_own(self) -> bool:
        """Whether the cancellation in hand is this guard's, and nobody else's."""
        task = asyncio.current_task()
        return self._fired and task is not None and task.uncancel() == 0

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        idle = self.now() - self.since if self.task is not None else 0.0
        if self.task is None or idle < self._seconds:
            self._handle = self._loop.call_later(self._seconds - idle, self._look)
        elif self._suspected != self.since:
            self._suspected = self.since
            self._handle = self._loop.call_later(min(_SECOND_LOOK, self._seconds), self._look)
        else:
            self._fired = True
            self.task.cancel()
