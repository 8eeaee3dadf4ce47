"""Each message is dealt with once, also when the database is away just then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import StoreError
from bot.once import Once
from bot.storage import open_store
from bot.storage.store import SqlStore


class Restless(SqlStore):
    """A store that may be away."""

    is_away = False

    async def release_event(self, event_key: str) -> None:
        if self.is_away:
            raise StoreError("away")
        await super().release_event(event_key)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Restless]:
    opened, db = await open_store("", tmp_path)
    yield Restless(db)
    await opened.close()


async def test_another_process_knows_what_was_dealt_with(store: Restless) -> None:
    here, there = Once(store, lambda: 1.0), Once(store, lambda: 2.0)
    assert await here.claim("m1")
    assert here.knows("m1")
    assert not there.knows("m1")
    assert not await there.claim("m1")
    assert there.knows("m1")


@pytest.mark.parametrize("is_away", [False, True])
async def test_what_could_not_be_dealt_with_is_when_it_comes_again(store: Restless, is_away: bool) -> None:
    once = Once(store, lambda: 1.0)
    assert await once.claim("m1")
    store.is_away = is_away
    await once.release("m1")
    assert not once.knows("m1")
    assert await once.claim("m1")
    assert not await once.claim("m1")


async def test_the_memory_is_bounded_and_the_store_knows_the_rest(store: Restless) -> None:
    once = Once(store, lambda: 1.0)
    assert await once.claim("m1")
    for number in range(10_000):
        once.note(f"other {number}")
    assert not once.knows("m1")
    assert not await once.claim("m1")
