"""Databases for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.storage.houses import ENGINES, SqlHouse, make_template, open_house
from tests.postgres import Server


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(make_template(tmp_path_factory.mktemp("template")))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(engine: str, request: pytest.FixtureRequest) -> Server | None:
    """The server to make databases on, where the engine has one."""
    found: Server | None = request.getfixturevalue("postgresql") if engine == "postgresql" else None
    return found


@pytest.fixture
async def house(engine: str, template: Path, tmp_path: Path, server: Server | None) -> AsyncIterator[SqlHouse]:
    house = await open_house(engine, template, tmp_path / "data", server)
    yield house
    await house.end()
