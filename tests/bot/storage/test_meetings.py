"""Transactions that meet on one PostgreSQL: none goes by what another one is just changing.

A meeting is arranged, not timed: one transaction stays open until the other one waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from bot.errors import Superseded
from bot.ports import Outcome
from bot.storage import Db, SqlStore, open_store
from bot.storage.corrections import delete_message
from bot.storage.lanes import take_over
from bot.storage.schema import messages
from tests.contracts.store import again, asked, begin, place, play, said
from tests.postgres import Server

PATIENCE = 60.0
_WAITERS = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")


@pytest.fixture
async def opened(postgresql: Server, tmp_path: Path) -> AsyncIterator[tuple[SqlStore, Db]]:
    async with postgresql.database() as url:
        store, db = await open_store(url, tmp_path)
        yield store, db
        await store.close()


@contextlib.asynccontextmanager
async def during(db: Db, act: Callable[[Connection], object]) -> AsyncIterator[None]:
    """While ``act`` is done in a transaction that ends once another one waits for it."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def stay(connection: Connection) -> None:
        act(connection)
        loop.call_soon(begun.set)
        while not connection.execute(_WAITERS).scalar():
            connection.execute(text("SELECT pg_sleep(0.02)"))

    acting = asyncio.create_task(db.tx(stay))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        try:
            yield
        finally:
            await acting


def deletion(connection: Connection) -> object:
    return delete_message(connection, place(), "m1", 2.0)


async def words(db: Db) -> list[str]:
    """All that is kept of what anybody said."""
    kept: Any = await db.read(lambda connection: connection.execute(select(messages.c.text)).scalars().all())
    return [text for text in kept if text]


async def test_an_answer_that_meets_the_deletion_of_its_question_is_not_kept(opened: tuple[SqlStore, Db]) -> None:
    store, db = opened
    claim = await begin(store, asked("m1"))
    async with during(db, deletion):
        await store.answered(claim, said("words that must be gone"), 3.0)
    await store.settle(claim, Outcome.ANSWERED, 4.0)
    assert await words(db) == []


async def test_a_version_chosen_while_the_question_is_deleted_brings_nothing_back(opened: tuple[SqlStore, Db]) -> None:
    store, db = opened
    claim = await begin(store, asked("m1"))
    await play(store, claim, said("first words"))
    await play(store, await begin(store, again("once more", claim.seq)), said("second words"))
    async with during(db, deletion):
        assert await store.choose_version(claim.mark, 1) is None
    assert await words(db) == []


async def test_an_edit_that_meets_a_deletion_brings_nothing_back(opened: tuple[SqlStore, Db]) -> None:
    store, db = opened
    await play(store, await begin(store, asked("m1")))
    async with during(db, deletion):
        await store.edit_message(place(), "m1", "other words")
    assert await words(db) == []


async def test_what_a_dead_process_shows_does_not_reach_the_lane_that_is_taken_over(
    opened: tuple[SqlStore, Db],
) -> None:
    store, db = opened
    claim = await begin(store, asked("m1"))
    async with during(db, lambda connection: take_over(connection, "another", 5.0, None, 20)):
        with pytest.raises(Superseded):
            await store.shown(claim, ["stale"])
    view = await store.turn(claim.mark)
    assert view is not None
    assert view.parts == ()
