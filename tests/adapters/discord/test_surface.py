"""The surface and the source keep the contract, with real calls to a strict Discord."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from adapters.discord.config import read_config
from adapters.discord.controls import nonce
from adapters.discord.run import DiscordAdapter
from bot.errors import ParleyError, Superseded
from bot.events import Address, Author
from bot.ports import Platform, fenced
from bot.replies import Phase, Receipt, Reply, Status
from tests.contracts.surface import Falling, SourceContract, SurfaceContract, put
from tests.emulators.discord import Discord, Message


class Shelf:
    """Rows in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, Mapping[str, Any]]] = {}

    async def put(self, kind: str, id: str, value: Mapping[str, Any], position: int = 0) -> None:
        self.rows[kind, id] = (position, value)

    async def get(self, kind: str, id: str) -> Mapping[str, Any] | None:
        found = self.rows.get((kind, id))
        return found[1] if found is not None else None

    async def remove(self, kind: str, id: str) -> None:
        self.rows.pop((kind, id), None)

    async def list(self, kind: str, after: int = -1, limit: int = 1_000) -> Sequence[tuple[str, Mapping[str, Any]]]:
        found = sorted((position, id) for (of, id), (position, _) in self.rows.items() if of == kind)
        return [(id, self.rows[kind, id][1]) for position, id in found if position > after][:limit]


class Core:
    """A core that takes nothing."""

    command_name, bot_name = "ai", "Parley"

    async def receive(self, event: object) -> Receipt:
        return Receipt(False)

    async def form(self, *_: Any) -> Any:
        raise AssertionError("nobody asks for a form here")

    async def suggest(self, *_: Any) -> Any:
        return []

    def commands(self) -> Any:
        return []

    def shelf(self, platform: str) -> Shelf:
        return Shelf()

    async def standing(self, mark: str) -> Any:
        return None

    async def show_again(self, mark: str) -> None:
        raise AssertionError("nothing is settled here")

    def lose(self, platform: str, why: ParleyError) -> None:
        raise AssertionError(f"{platform} ended: {why}")


class DiscordPlace:
    def __init__(self, discord: Discord, platform: Platform, root: Message) -> None:
        self._discord, self.platform, self._root = discord, platform, root

    def reply(self, mark: str, parts: Sequence[str] = ()) -> Reply:
        address = Address("discord", self._discord.home.id, self._root.channel_id, self._root.id)
        return Reply(address, mark, self._root.id, Author(self._discord.ada.id, "Ada"), parts=tuple(parts))

    async def read(self, mark: str) -> Sequence[str]:
        if self._root.thread is None:
            return []
        ours = {nonce(mark, part, self._root.thread.id) for part in range(10)}
        found = [message for message in self._discord.replies(self._root.thread) if message.nonce in ours]
        return ["\n".join(line for line in it.content.split("\n") if not line.startswith("-# ")) for it in found]

    def written(self) -> int:
        return len(self._discord.calls_of("create_message", "edit_message", "delete_message"))

    async def remove_place(self) -> None:
        self._discord.delete_channel(self._discord.general)
        if self._root.thread is not None:
            self._discord.delete_channel(self._root.thread)


@pytest.fixture
async def place(discord: Discord) -> AsyncIterator[DiscordPlace]:
    discord.buckets.on = False
    core = Core()
    adapter = DiscordAdapter(core, core, read_config())
    await adapter.start()
    root = await discord.says("ada", discord.general, "a thread")
    yield DiscordPlace(discord, adapter.platform, root)
    await adapter.close()
    assert discord.sins == []


class TestSurface(SurfaceContract):
    pass


async def test_once_another_process_writes_the_reply_typing_is_not_said_again(
    discord: Discord, place: DiscordPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.signs._AGAIN", 0.05)
    monkeypatch.setattr("adapters.discord.signs._SOON", 0.05)
    fence = Falling(3)
    surface = place.platform.surface(place.reply("m1"))
    with fenced(fence):
        await surface.status(Status(Phase.THINKING))
    await discord.until(lambda: fence.left < -2)
    assert len(discord.calls_of("typing")) == 3
    await surface.status(Status(Phase.LEFT))


async def test_what_the_library_tries_again_by_itself_does_not_go_out_once_another_process_writes_the_reply(
    discord: Discord, place: DiscordPlace
) -> None:
    """A deletion is repeated over a new connection where the one in use breaks."""
    surface = place.platform.surface(place.reply("m1"))
    for part in range(2):
        await put(surface, part, f"Part {part}.", final=True)
    discord.fault("delete_message", reset="before")
    with fenced(Falling(1)), pytest.raises(Superseded):
        await surface.close(1)
    assert len(discord.calls_of("delete_message")) == 1
    assert list(await place.read("m1")) == ["Part 0.", "Part 1."]


class TestSource(SourceContract):
    pass
