"""A server, a client of it, and short ways to ask and to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from bot.errors import CompletionFailed
from bot.llm import ChatCompletions, LlmConfig
from bot.ports import ChatMessage, CompletionRequest, Piece
from tests.emulators.llm import LlmEmulator

MODEL = "openai/gpt-oss-20b"


def ask(text: str = "Say something.", **changes: Any) -> CompletionRequest:
    return CompletionRequest(**{"model": MODEL, "messages": (ChatMessage("user", text),), **changes})


async def read(client: ChatCompletions, request: CompletionRequest, into: list[Piece]) -> None:
    async with aclosing(client.stream(request)) as batches:
        async for batch in batches:
            into.extend(batch)


async def fails(
    client: ChatCompletions, request: CompletionRequest, into: list[Piece] | None = None
) -> CompletionFailed:
    """The error an answer ends with; what came before goes into ``into``."""
    with pytest.raises(CompletionFailed) as caught:
        await read(client, request, [] if into is None else into)
    assert "org_" not in caught.value.user_text
    assert caught.value.user_text
    return caught.value


@pytest.fixture
async def server() -> AsyncIterator[LlmEmulator]:
    async with LlmEmulator() as running:
        yield running


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


OpenClient = Callable[..., ChatCompletions]


@pytest.fixture
async def open_client(server: LlmEmulator, transport: str) -> AsyncIterator[OpenClient]:
    """Opens clients of the server; retries do not wait."""
    clients: list[ChatCompletions] = []

    def open_one(**changes: Any) -> ChatCompletions:
        config = LlmConfig(server.url, server.key, transport=transport, backoff=0.0)
        clients.append(ChatCompletions(replace(config, **changes), chance=lambda: 0.5))
        return clients[-1]

    yield open_one
    for client in clients:
        await client.close()
