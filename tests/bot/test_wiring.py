"""The beginning and the end of the house, with surfaces that do not do as they should."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bot import wiring
from bot.config import Config
from bot.errors import StoreError
from bot.wiring import house, living
from tests.fakes.surface import FakePlatform

PATIENCE = 30.0


class Surface:
    """An adapter. ``hanging``: what of it does not end by itself; ``wrong``: what breaks."""

    name = "fake"
    routes = ()

    def __init__(self, hanging: tuple[str, ...] = (), wrong: tuple[str, ...] = ()) -> None:
        self.platform = FakePlatform()
        self.hanging, self.wrong = hanging, wrong
        self.done: list[str] = []

    async def start(self) -> None:
        try:
            await self._do("start")
        except asyncio.CancelledError:
            raise StoreError("what a driver made of it") from None

    async def pause(self) -> None:
        await self._do("pause")

    async def close(self) -> None:
        await self._do("close")

    async def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.hanging:
            await asyncio.Event().wait()
        if what in self.wrong:
            raise KeyError(what)

    def healthy(self) -> str:
        return ""


def module(surface: Surface) -> Any:
    made: Any = ModuleType("fake")
    made.open = lambda bot, config: surface
    return made


async def lives(folder: Path, *surfaces: Surface, end: bool = False) -> None:
    """One life of the house with these; ``end``: it is told to end while it starts."""
    config = Config(_env_file=None, data_dir=folder, port=0, shutdown_grace=0.0, groq_api_key="gsk_x")
    over = asyncio.Event()
    async with asyncio.timeout(PATIENCE), house(config, modules=[module(it) for it in surfaces]) as opened:
        if end:
            asyncio.get_running_loop().call_later(0.1, over.set)
        async with living(opened, over):
            pass


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "_PAUSING", 0.1)
    monkeypatch.setattr(wiring, "_CLOSING", 0.1)


async def test_a_start_that_is_called_off_is_no_failure_whatever_it_makes_of_it(tmp_path: Path) -> None:
    surface = Surface(hanging=("start",))
    await lives(tmp_path, surface, end=True)
    assert surface.done == ["start", "pause", "close"]


@pytest.mark.parametrize("bad", [{"hanging": ("pause", "close")}, {"wrong": ("pause", "close")}], ids=str)
async def test_a_surface_that_does_not_end_well_keeps_no_other_and_nobody_waiting(
    tmp_path: Path, bad: dict[str, tuple[str, ...]]
) -> None:
    surfaces = Surface(**bad), Surface()
    await lives(tmp_path, *surfaces)
    assert [surface.done for surface in surfaces] == [["start", "pause", "close"]] * 2
