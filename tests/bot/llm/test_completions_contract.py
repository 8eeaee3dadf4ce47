"""The contract of ``Completions``, on both transports of the client, on the guide and behind the switch."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.llm import Guide, LlmConfig, Switchable, open_completions
from bot.ports import Completions
from tests.contracts.completions import CompletionsContract
from tests.emulators.llm import LlmEmulator

DOCUMENTS = {"README.md": "# Parley\n\nParley answers in the thread, while the model is still writing.\n"}


class TestChatCompletions(CompletionsContract):
    @pytest.fixture(params=["aiohttp", "httpx"])
    async def completions(self, request: pytest.FixtureRequest) -> AsyncIterator[Completions]:
        async with LlmEmulator() as server:
            client = open_completions(LlmConfig(server.url, server.key, transport=request.param))
            yield client
            await client.close()


class TestServerOfAnotherMake(CompletionsContract):
    @pytest.fixture
    async def completions(self) -> AsyncIterator[Completions]:
        async with LlmEmulator(key="") as server:
            client = open_completions(LlmConfig(server.url, kind="server"))
            yield client
            await client.close()


class TestGuide(CompletionsContract):
    model = "guide"

    @pytest.fixture
    def completions(self) -> Completions:
        return Guide(DOCUMENTS, pace=0)


class TestSwitchable(CompletionsContract):
    model = "guide"

    @pytest.fixture
    def completions(self) -> Completions:
        return Switchable(Guide(DOCUMENTS, pace=0))
