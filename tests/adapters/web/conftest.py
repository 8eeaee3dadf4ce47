"""A running workspace for tests that speak HTTP to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import Running, running


@pytest.fixture
def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def web(core: FakeCore, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(core, tmp_path) as workspace:
        yield workspace
