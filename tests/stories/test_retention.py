"""What a deployment does not want to keep any longer goes while people talk, and the thread goes on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from bot.storage import open_store, retention
from bot.storage.schema import messages, turns, usage
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import BOTH, PATIENCE, home, person

ENGINES = BOTH
DAY = 86_400.0


def grow_old(connection: Connection) -> None:
    """Everything that was said becomes 40 days older."""
    for column in (messages.c.created_at, turns.c.received_at, turns.c.settled_at, usage.c.at):
        connection.execute(update(column.table).values({column: column - 40 * DAY}))


async def test_an_old_exchange_is_gone_from_the_bots_memory_and_its_thread_is_answered_still(
    tmp_path: Path, llm: LlmEmulator, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm.scripts.extend([Script(text="First."), Script(text="Second.")])
    began = time.time()
    async with home(tmp_path, llm, database_url=database_url) as before, person(before) as ana:
        root = await ana.says("@Parley one")
        await ana.answer(root)
    store, db = await open_store(database_url, tmp_path)
    await db.tx(grow_old)
    await store.close()
    monkeypatch.setattr(retention, "_FIRST", 0.0)
    async with (
        home(tmp_path, llm, database_url=database_url, retention_days=30) as after,
        person(after, "Ana") as ana,
    ):
        async with asyncio.timeout(PATIENCE):
            while (counts := await after.store.counts())["messages"]:
                await asyncio.sleep(0.02)
        assert (counts["accepted"], counts["conversations"]) == (0, 1)
        await ana.says("two", thread=root["id"])
        await ana.answer(root)
        assert (await after.store.usage("web", "local", began)).answers == 1
    assert [m["content"] for m in llm.seen[1].body["messages"] if m["role"] == "user"] == ["Ana: two"]
