"""Slack and the provider, started; the bot is started by each story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.slack.conversing import Talk
from tests.emulators.llm import LlmEmulator
from tests.emulators.slack import Slack


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Slack]:
    monkeypatch.chdir(tmp_path)
    async with Slack() as emulator:
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.fixture
async def talk(slack: Slack, tmp_path: Path) -> AsyncIterator[Talk]:
    async with LlmEmulator(tpm=50_000_000) as llm:
        yield Talk(slack, llm, tmp_path / "data")
        assert slack.sins == []
        assert slack.open_streams() == []
