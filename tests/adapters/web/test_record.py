"""Rows reach the shelf newest first state, in the order of asking, and in the end whatever fails in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.web.entries import Message, Owed
from adapters.web.record import Record
from bot.errors import StoreBusy, StoreFull
from bot.events import File
from bot.replies import Controls
from tests.adapters.web.fakes import MemoryShelf

MESSAGE = Message(
    "1700000000001",
    "general",
    "1700000000000",
    "",
    "text",
    1_700_000_000.5,
    files=(File("f", "a.txt", "text/plain", 3),),
    notes=("note",),
    controls=Controls(regenerate=True, versions=3),
    mark="m",
    owed=Owed.EDIT,
)


async def test_what_is_kept_is_read_back_exactly() -> None:
    shelf = MemoryShelf()
    await Record(shelf).keep_message(MESSAGE)
    _, _, messages, _ = await Record(shelf).load()
    assert messages == [MESSAGE]


async def test_more_rows_than_one_page_are_all_read_in_order() -> None:
    shelf = MemoryShelf()
    record = Record(shelf)
    for number in range(2_345):
        record.note_message(replace(MESSAGE, id=str(1_700_000_000_000 + number)))
    await record.flush(5)
    _, _, messages, _ = await Record(shelf).load()
    assert [int(message.id) - 1_700_000_000_000 for message in messages] == list(range(2_345))


async def test_only_the_newest_state_of_a_row_is_written() -> None:
    shelf = MemoryShelf()
    record = Record(shelf)
    for number in range(10):
        record.note_message(replace(MESSAGE, text=str(number)))
    await record.keep_message(replace(MESSAGE, text="last"))
    assert len(shelf.writes) == 1
    assert shelf.rows[("message", MESSAGE.id)][1]["it"]["text"] == "last"


async def test_what_could_not_be_kept_is_told_and_never_written_behind_the_back() -> None:
    shelf = MemoryShelf()
    record = Record(shelf)
    shelf.trouble = StoreFull("disk")
    with pytest.raises(StoreFull):
        await record.keep_message(MESSAGE)
    shelf.trouble = None
    await record.flush(5)
    assert shelf.rows == {}


async def test_what_was_noted_is_written_when_the_store_is_back() -> None:
    shelf = MemoryShelf()
    record = Record(shelf)
    shelf.trouble = StoreBusy("locked")
    record.note_message(MESSAGE)
    with pytest.raises(StoreBusy):
        await record.keep_message(replace(MESSAGE, text="refused"))
    shelf.trouble = None
    await record.keep_message(replace(MESSAGE, id="1700000000002"))
    await record.flush(5)
    assert shelf.rows[("message", MESSAGE.id)][1]["it"]["text"] == "text"


async def test_a_farewell_does_not_wait_for_a_store_that_is_gone() -> None:
    shelf = MemoryShelf()
    record = Record(shelf)
    shelf.trouble = StoreBusy("locked")
    record.note_message(MESSAGE)
    async with asyncio.timeout(30):
        await record.flush(0.01)
