"""A provider, a house and a person for each story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot.wiring import House
from tests.emulators.llm import LlmEmulator
from tests.stories.home import Person, home, person


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[LlmEmulator]:
    async with LlmEmulator() as emulator:
        yield emulator


@pytest_asyncio.fixture
async def opened(tmp_path: Path, llm: LlmEmulator) -> AsyncIterator[House]:
    async with home(tmp_path, llm) as it:
        yield it


@pytest_asyncio.fixture
async def ana(opened: House) -> AsyncIterator[Person]:
    async with person(opened, "Ana") as someone:
        yield someone


@pytest_asyncio.fixture
async def bo(opened: House) -> AsyncIterator[Person]:
    async with person(opened, "Bo") as someone:
        yield someone
