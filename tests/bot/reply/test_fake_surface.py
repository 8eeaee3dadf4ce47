"""The fake platform keeps the same promises as the real ones."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.events import Address
from bot.replies import Reply
from tests.contracts.surface import Place, SourceContract, SurfaceContract, sample_reply
from tests.fakes.surface import FakePlatform

ADDRESS = Address("fake", "T1", "C1", "1.0")


class FakePlace:
    def __init__(self) -> None:
        self.platform = FakePlatform()

    def reply(self, mark: str, parts: Sequence[str] = ()) -> Reply:
        return sample_reply(ADDRESS, mark, parts)

    async def read(self, mark: str) -> Sequence[str]:
        return [message.write.text for message in self.platform.replies.get(mark, [])]

    def written(self) -> int:
        return sum(len(surface.writes) + len(surface.closed) for surface in self.platform.surfaces)

    async def remove_place(self) -> None:
        self.platform.gone.add(ADDRESS)


class TestFakePlatform(SurfaceContract, SourceContract):
    @pytest.fixture
    def place(self) -> Place:
        return FakePlace()
