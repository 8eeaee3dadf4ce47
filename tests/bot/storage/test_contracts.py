"""The SQL store and shelf keep their contracts, on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from bot.ports import Shelf
from bot.storage import SqlShelf
from tests.bot.storage.houses import SqlHouse, open_house
from tests.contracts.shelf import ShelfContract
from tests.contracts.store import House, StoreContract
from tests.contracts.store_machine import LaneMachine
from tests.postgres import Server


class TestSqlStore(StoreContract):
    pass


class TestSqlShelf(ShelfContract):
    @pytest.fixture
    def shelf(self, house: SqlHouse) -> Shelf:
        return SqlShelf(house.db, "web")

    @pytest.fixture
    def other_shelf(self, house: SqlHouse) -> Shelf:
        return SqlShelf(house.db, "slack")


def _machine(engine: str, template: Path, folder: Path, server: Server | None) -> Any:
    class Machine(LaneMachine):
        opened = 0

        async def open_house(self) -> House:
            type(self).opened += 1
            return await open_house(engine, template, folder / f"{self.opened}", server)

        async def close_house(self, house: House) -> None:
            assert isinstance(house, SqlHouse)
            await house.end()

    # Without shrinking: on real files it takes minutes, and forty steps can be read as they are.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    examples = max(10, settings().max_examples // 4)
    Machine.TestCase.settings = settings(max_examples=examples, stateful_step_count=40, phases=phases)
    return Machine.TestCase


def test_lanes_never_run_two_turns_and_never_lose_one(
    engine: str, template: Path, tmp_path: Path, server: Server | None
) -> None:
    _machine(engine, template, tmp_path, server)().runTest()
