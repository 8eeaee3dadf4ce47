"""A provider, a house and a person for each story; a module that says ``ENGINES = BOTH`` is told on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.wiring import House
from tests.emulators.llm import LlmEmulator
from tests.postgres import Server
from tests.stories.home import Person, home, person


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engines = getattr(metafunc.module, "ENGINES", None)
    if engines and "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines)


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.fixture
def server(engine: str, request: pytest.FixtureRequest) -> Server | None:
    """The server to make databases on, where the engine has one."""
    found: Server | None = request.getfixturevalue("postgresql") if engine == "postgresql" else None
    return found


@pytest_asyncio.fixture
async def database_url(server: Server | None) -> AsyncIterator[str]:
    """What DATABASE_URL says: a new database of the server, or "" for a file in the data folder."""
    if server is None:
        yield ""
        return
    async with server.database() as url:
        yield url


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[LlmEmulator]:
    async with LlmEmulator() as emulator:
        yield emulator


@pytest_asyncio.fixture
async def opened(tmp_path: Path, llm: LlmEmulator, database_url: str) -> AsyncIterator[House]:
    async with home(tmp_path, llm, database_url=database_url) as it:
        yield it


@pytest_asyncio.fixture
async def ana(opened: House) -> AsyncIterator[Person]:
    async with person(opened, "Ana") as someone:
        yield someone


@pytest_asyncio.fixture
async def bo(opened: House) -> AsyncIterator[Person]:
    async with person(opened, "Bo") as someone:
        yield someone
