from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.llm import find_local
from tests.emulators.llm import LlmEmulator


@asynccontextmanager
async def http_server(response: bytes) -> AsyncIterator[int]:
    """Answers everything with ``response``; an empty one means: never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if response:
            writer.write(response)
        else:
            await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def json_response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


async def test_a_local_server_is_found_with_its_first_chat_model() -> None:
    async with LlmEmulator(key="") as server:
        server.models = [
            {"id": "nomic-embed-text", "object": "model", "owned_by": "library"},
            {"id": "llama3.2:3b", "object": "model", "owned_by": "library"},
        ]
        async with http_server(b"") as silent:
            backend = await find_local((free_port(), silent, server.port), seconds=1)
    assert backend is not None
    assert (backend.kind, backend.model) == ("local", "llama3.2:3b")
    assert backend.url == f"http://127.0.0.1:{server.port}/v1"


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        json_response(b'{"ok": true}'),
        json_response(b'{"data": [{"id": "1", "name": "a row of some table"}]}'),
        json_response(b'{"object": "list", "data": []}'),
        json_response(b'{"object": "list", "data": null}'),
        json_response(b"[1, 2]"),
        b"",
    ],
)
async def test_another_server_on_the_port_is_not_mistaken_for_one(response: bytes) -> None:
    async with http_server(response) as port:
        assert await find_local((port,), seconds=0.3) is None
