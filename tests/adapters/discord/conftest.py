"""Discord and the provider, started; the bot is started by each story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.discord.conversing import Talk
from tests.emulators.discord import Discord
from tests.emulators.llm import LlmEmulator


@pytest.fixture
async def discord(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Discord]:
    monkeypatch.chdir(tmp_path)
    async with Discord() as emulator:
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.fixture
async def llm() -> AsyncIterator[LlmEmulator]:
    async with LlmEmulator(tpm=50_000_000) as emulator:
        yield emulator


@pytest.fixture
async def talk(discord: Discord, llm: LlmEmulator, tmp_path: Path) -> AsyncIterator[Talk]:
    yield Talk(discord, llm, tmp_path / "data")
    assert discord.sins == []
