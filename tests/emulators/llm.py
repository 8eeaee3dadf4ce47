"""A strict, Groq-like chat completions server on 127.0.0.1, for tests, for the bench and for trying things out.

Run it alone with ``python -m tests.emulators.llm --port 8900``. Plain asyncio streams and hand-written HTTP/1.1, so
that every fault can be produced on purpose (a reset, silence, a packet cut inside a character) and hundreds of streams
cost little. It keeps a ``Seen`` for every completion request. Behaviour per request comes from ``scripts`` (a queue),
else from a marker found in the last message (``markers``), else from ``answer``, else from ``default``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.emulators import llm_rules as rules
from tests.emulators.llm_rules import Refusal
from tests.emulators.llm_script import Script, Stream, apply, whole

__all__ = ["LlmEmulator", "Script", "Seen"]

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 413: "Payload Too Large"}


@dataclass(slots=True)
class Seen:
    """A completion request as received. ``left_early``: the client closed before the answer was all sent.

    ``at``, ``first_token_at`` and ``last_token_at`` are of the monotonic clock, which all processes share.
    """

    body: dict[str, Any]
    headers: dict[str, str]
    connection: int
    at: float
    status: int = 0
    tokens_sent: int = 0
    first_token_at: float = 0.0
    last_token_at: float = 0.0
    left_early: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class LlmEmulator:
    """Use as an async context manager; ``url`` is the base address. ``key`` "" lets everybody in.

    ``tpm`` and ``rpd``: tokens per minute and requests per day, by model; tokens are enforced as the real service
    does. ``models``: the list it serves. ``answer``: what to do with a request that no script and no marker speaks for.
    """

    def __init__(
        self,
        *,
        key: str = "gsk_emulator",
        tpm: int = 250_000,
        rpd: int = 500_000,
        default: Script | None = None,
        answer: Callable[[dict[str, Any]], Script] | None = None,
        port: int = 0,
    ) -> None:
        self.key, self.tpm, self.rpd = key, tpm, rpd
        self.default = default or Script()
        self.answer = answer
        self.port = port
        self.scripts: deque[Script] = deque()
        self.markers: dict[str, Script] = {}
        self.models = rules.model_list()
        self.seen: list[Seen] = []
        self.connections = 0
        self._buckets: dict[str, _Bucket] = {}
        self._requests: dict[str, int] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/openai/v1"

    async def __aenter__(self) -> LlmEmulator:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def drop_idle(self) -> None:
        """Close every open connection, as a server does that is tired of waiting."""
        for writer in tuple(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        self.connections += 1
        number = self.connections
        try:
            while await self._request(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        """One request on a connection; False when the connection is over."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            await self._refuse(writer, Refusal(401, "Invalid API Key", code="invalid_api_key"))
        elif method == "GET" and target.endswith("/models"):
            await self._json(writer, 200, {"object": "list", "data": self.models})
        elif method == "POST" and target.endswith("/chat/completions"):
            return await self._complete(reader, writer, headers, raw, number)
        else:
            await self._refuse(writer, Refusal(404, f"Unknown request URL: {method} {target}.", code="unknown_url"))
        return True

    async def _complete(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: dict[str, str],
        raw: bytes,
        number: int,
    ) -> bool:
        if len(raw) > rules.MAX_BODY:
            await self._refuse(writer, Refusal(413, "Request Entity Too Large", code="request_too_large"))
            return True
        try:
            body = json.loads(raw)
        except ValueError:
            await self._refuse(writer, Refusal(400, "request body is not valid JSON"))
            return True
        seen = Seen(body, headers, number, time.monotonic())
        self.seen.append(seen)
        refusal = rules.check(body, frozenset(entry["id"] for entry in self.models)) or self._admit(body)
        if refusal is not None:
            seen.status = refusal.status
            await self._refuse(writer, refusal, self._limit_headers(body))
            return True
        script = self._choose(body)
        seen.status = script.status
        return await self._play(reader, writer, script, seen)

    def _choose(self, body: dict[str, Any]) -> Script:
        if self.scripts:
            return self.scripts.popleft()
        last = json.dumps(body["messages"][-1])
        for marker, script in self.markers.items():
            if marker in last:
                return script
        return self.answer(body) if self.answer else self.default

    async def _play(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, script: Script, seen: Seen
    ) -> bool:
        if script.header_delay:
            await asyncio.sleep(script.header_delay)
        if script.hold is not None:
            await script.hold.wait()
        if script.fault == "closed":
            return False
        if script.fault == "hang":
            seen.left_early = not await reader.read(1)
            seen.over.set()
            return False
        number = f"req_{len(self.seen):06d}"
        headers = {**self._limit_headers(seen.body), "x-request-id": number, "x-groq-region": "emulator"}
        headers |= dict(script.headers)
        if script.status != 200 or script.body is not None:
            await self._json(writer, script.status, script.body, headers, script.content_type)
            return True
        answer = apply(script, seen.body)
        prompt = rules.count_tokens(seen.body["messages"])
        if not seen.body.get("stream"):
            await asyncio.sleep(script.ttft)
            await self._json(writer, 200, whole(answer, script, seen.body, number, prompt), headers)
            return True
        stream = Stream(answer, script, seen.body, number, prompt)
        return await self._send_stream(reader, writer, script, seen, stream, headers)

    async def _send_stream(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        script: Script,
        seen: Seen,
        stream: Stream,
        headers: dict[str, str],
    ) -> bool:
        kind = script.content_type or "text/event-stream"
        head = {"content-type": kind, "cache-control": "no-cache", "transfer-encoding": "chunked", **headers}
        writer.write(_head(200, head))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            send = _Packets(writer, script.slice)
            send(stream.opening())
            finished = await self._send_tokens(script, seen, stream, send, gone)
            if finished and script.fault != "end":
                send(stream.closing())
            await send.flush()
            if finished or script.fault in ("end", "error_event", "malformed"):
                writer.write(b"0\r\n\r\n")
                await writer.drain()
                return not gone.done()
            return False
        except ConnectionError:
            seen.left_early = True
            return False
        finally:
            seen.left_early = seen.left_early or (gone.done() and not gone.cancelled() and script.fault != "reset")
            seen.over.set()
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await gone

    async def _send_tokens(
        self, script: Script, seen: Seen, stream: Stream, send: _Packets, gone: asyncio.Future[bytes]
    ) -> bool:
        """Every token in its time; False when a fault struck or the client went away."""
        clock = asyncio.get_running_loop().time
        start = clock() + script.ttft
        strikes = script.fault in ("stall", "reset", "close", "end", "malformed", "error_event")
        for index, packet in enumerate(stream.tokens()):
            if strikes and index >= script.after:
                return await self._strike(script, stream, send, gone)
            due = start + index / script.rate if script.rate else start
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            elif index % 64 == 63:
                await asyncio.sleep(0)
            if gone.done() or send.is_closing():
                raise ConnectionResetError
            send(packet)
            seen.tokens_sent += 1
            seen.last_token_at = time.monotonic()
            seen.first_token_at = seen.first_token_at or seen.last_token_at
        if strikes:
            return await self._strike(script, stream, send, gone)
        return True

    async def _strike(self, script: Script, stream: Stream, send: _Packets, gone: asyncio.Future[bytes]) -> bool:
        await send.flush()
        if script.fault == "stall":
            await gone
            raise ConnectionResetError
        if script.fault == "reset":
            await send.reset()
        elif script.fault == "malformed":
            send(stream.malformed())
        elif script.fault == "error_event":
            send(stream.failure())
        return False

    def _admit(self, body: dict[str, Any]) -> Refusal | None:
        """The per-minute token limit counts the prompt and the whole completion budget before anything is made."""
        model = body["model"]
        wanted = rules.count_tokens(body["messages"]) + int(
            body.get("max_completion_tokens") or body.get("max_tokens") or 0
        )
        where = f"for model `{model}` in organization `org_01emulator` service tier `on_demand`"
        if wanted > self.tpm:
            text = (
                f"Request too large {where} on tokens per minute (TPM): Limit {self.tpm}, Requested {wanted}, "
                "please reduce your message size and try again."
            )
            return Refusal(413, text, "tokens", "rate_limit_exceeded")
        now = time.monotonic()
        bucket = self._buckets.setdefault(model, _Bucket(self.tpm, now))
        bucket.level, bucket.at = min(self.tpm, bucket.level + (now - bucket.at) * self.tpm / 60), now
        if wanted > bucket.level:
            rest = (wanted - bucket.level) * 60 / self.tpm
            used = int(self.tpm - bucket.level)
            text = (
                f"Rate limit reached {where} on tokens per minute (TPM): Limit {self.tpm}, Used {used}, "
                f"Requested {wanted}. Please try again in {rest:.3f}s."
            )
            return Refusal(429, text, "tokens", "rate_limit_exceeded", retry_after=rest)
        bucket.level -= wanted
        self._requests[model] = self._requests.get(model, 0) + 1
        return None

    def _limit_headers(self, body: dict[str, Any]) -> dict[str, str]:
        model = str(body.get("model"))
        bucket = self._buckets.get(model)
        left = int(bucket.level) if bucket else self.tpm
        used = self._requests.get(model, 0)
        return {
            "x-ratelimit-limit-requests": str(self.rpd),
            "x-ratelimit-remaining-requests": str(max(0, self.rpd - used)),
            "x-ratelimit-reset-requests": _go(used * 86_400 / self.rpd),
            "x-ratelimit-limit-tokens": str(self.tpm),
            "x-ratelimit-remaining-tokens": str(left),
            "x-ratelimit-reset-tokens": _go((self.tpm - left) * 60 / self.tpm),
        }

    async def _refuse(
        self, writer: asyncio.StreamWriter, refusal: Refusal, headers: dict[str, str] | None = None
    ) -> None:
        more = dict(headers or {})
        if refusal.retry_after is not None:
            more["retry-after"] = str(max(1, round(refusal.retry_after + 0.5)))
        await self._json(writer, refusal.status, refusal.body(), more)

    async def _json(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        value: object,
        headers: dict[str, str] | None = None,
        content_type: str = "",
    ) -> None:
        data = value if isinstance(value, bytes) else (json.dumps(value) + "\n").encode()
        head = {"content-type": content_type or "application/json", "content-length": str(len(data)), **(headers or {})}
        writer.write(_head(status, head) + data)
        await writer.drain()


class _Packets:
    """Writes each piece as an HTTP chunk of its own, or cut into packets of ``size`` bytes wherever that falls."""

    def __init__(self, writer: asyncio.StreamWriter, size: int) -> None:
        self._writer = writer
        self._size = size
        self._held = b""

    def __call__(self, data: bytes) -> None:
        if self._size:
            self._held += data
        else:
            self._chunk(data)

    def is_closing(self) -> bool:
        return self._writer.is_closing()

    async def flush(self) -> None:
        while self._held:
            part, self._held = self._held[: self._size], self._held[self._size :]
            self._chunk(part)
            await self._writer.drain()
            await asyncio.sleep(0)
        await self._writer.drain()

    async def reset(self) -> None:
        """End the connection with a TCP RST, once what was written has left."""
        while self._writer.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        sock = self._writer.get_extra_info("socket")
        if sock is None:  # the client was faster
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _chunk(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _go(seconds: float) -> str:
    """A duration as Go prints it."""
    if seconds < 1:
        return f"{seconds * 1000:.6g}ms" if seconds else "0s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if minutes or hours else ''}{rest:.6g}s"


async def _run(arguments: argparse.Namespace) -> None:
    default = Script(text=arguments.text, ttft=arguments.ttft, rate=arguments.rate)
    async with LlmEmulator(port=arguments.port, key=arguments.key, tpm=arguments.tpm, default=default) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A Groq-like server on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="gsk_emulator")
    parser.add_argument("--text", default=Script().text)
    parser.add_argument("--ttft", type=float, default=0.2)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--tpm", type=int, default=250_000)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
