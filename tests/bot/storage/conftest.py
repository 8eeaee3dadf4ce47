"""Databases for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.storage.houses import ENGINES, SqlHouse, make_template, open_house


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(make_template(tmp_path_factory.mktemp("template")))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def house(engine: str, template: Path, tmp_path: Path) -> AsyncIterator[SqlHouse]:
    house = await open_house(engine, template, tmp_path / "data")
    yield house
    await house.db.close()
