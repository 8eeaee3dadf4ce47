"""What the house does when its database is in use, full, locked, read-only, damaged or not there."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import traceback
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text

from bot.errors import ConfigurationError, ParleyError, StoreBusy, StoreError, StoreFull, StoreReadOnly
from bot.storage import Db, open_store
from bot.storage.schema import shelf
from tests.bot.storage.houses import SqlHouse, make_template, open_house
from tests.contracts.store import accept, ask_and_answer, asked, begin, read_all, texts
from tests.postgres import Server

SECRET = "the words of a person"


@pytest.fixture
async def house(template: Path, tmp_path: Path) -> SqlHouse:
    return await open_house("sqlite", template, tmp_path / "data")


def pragma(connection: Connection, setting: str) -> None:
    connection.execute(text(f"PRAGMA {setting}"))


def told(error: ParleyError) -> str:
    """Everything that a person or a log could see of an error."""
    return error.user_text + "".join(traceback.format_exception(error))


async def test_a_second_process_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    database = tmp_path / "parley.db"
    program = (
        "import asyncio, sys; from bot.storage import Db\n"
        f"async def main(): await Db.open('sqlite:///{database}'); print('open', flush=True); sys.stdin.read()\n"
        "asyncio.run(main())"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    try:
        assert await other.stdout.readline() == b"open\n"
        with pytest.raises(ConfigurationError, match="another process"):
            await Db.open(f"sqlite:///{database}")
    finally:
        other.kill()
        await other.wait()
    await (await Db.open(f"sqlite:///{database}")).close()


async def test_a_full_disk_is_said_and_costs_nothing_but_the_event(house: SqlHouse) -> None:
    await ask_and_answer(house.store, "m1")
    await house.db.tx(pragma, "max_page_count = 1")  # SQLite takes this as: not one page more than now
    with pytest.raises(StoreFull) as caught:
        await house.store.accept(asked("m2", text=SECRET * 10_000), 1.0)
    assert "disk is full" in caught.value.user_text
    assert SECRET not in told(caught.value)
    await house.db.tx(pragma, "max_page_count = 1000000")
    claim = await begin(house.store, asked("m2"))
    assert texts(await read_all(house.store, claim.conversation)) == ["question m1", "answer to m1", "question m2"]
    await house.db.close()


async def test_a_read_only_database_is_said(house: SqlHouse) -> None:
    await house.db.tx(pragma, "query_only = ON")
    with pytest.raises(StoreReadOnly) as caught:
        await house.store.accept(asked("m1", text=SECRET), 1.0)
    assert "read-only" in caught.value.user_text
    assert SECRET not in told(caught.value)
    with pytest.raises(StoreReadOnly):
        await house.store.check()
    assert (await house.store.counts())["accepted"] == 0
    await house.db.close()


async def test_a_database_locked_from_outside_is_busy_and_comes_back(house: SqlHouse, tmp_path: Path) -> None:
    await house.db.tx(pragma, "busy_timeout = 0")
    outside = sqlite3.connect(tmp_path / "data" / "parley.db", isolation_level=None)
    outside.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await house.store.accept(asked("m1"), 1.0)
    outside.execute("ROLLBACK")
    outside.close()
    await begin(house.store, asked("m1"))
    await house.db.close()


async def test_a_file_that_is_not_a_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "parley.db").write_bytes(b"not a database " * 500)
    with pytest.raises(ConfigurationError, match=r"parley\.db is damaged .* Restore a backup"):
        await open_store("", tmp_path)
    assert (tmp_path / "parley.db").read_bytes().startswith(b"not a database")


async def test_a_file_that_gets_damaged_while_running_is_a_store_error(house: SqlHouse, tmp_path: Path) -> None:
    await ask_and_answer(house.store, "m1")
    await house.db.close()
    file = tmp_path / "data" / "parley.db"
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))

    async def open_and_accept() -> None:
        await house.open()
        await house.store.accept(asked("m2", text=SECRET), 1.0)

    with pytest.raises((ConfigurationError, StoreError)) as caught:
        await open_and_accept()
    assert SECRET not in told(caught.value)
    await house.db.close()


async def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigurationError, match="/proc/nowhere"):
        await Db.open("sqlite:////proc/nowhere/parley.db")


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "nonsense", "://"])
async def test_an_address_of_no_known_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        await Db.open(url)


async def test_a_server_that_is_not_there_is_said_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match=r"can be reached at 127\.0\.0\.1:1 ") as caught:
        await Db.open("postgresql://parley:hunter2@127.0.0.1:1/parley")
    assert "hunter2" not in caught.value.user_text


async def test_a_server_that_lets_nobody_in_says_why(postgresql: Server) -> None:
    url = make_url(postgresql.url("nowhere"))
    with pytest.raises(ConfigurationError, match="has no database called nowhere") as caught:
        await Db.open(url.render_as_string(hide_password=False))
    assert "CREATE DATABASE" in caught.value.fix
    with pytest.raises(ConfigurationError, match="refuses the user or the password") as caught:
        await Db.open(url.set(password="hunter2").render_as_string(hide_password=False))
    assert "hunter2" not in caught.value.user_text


async def test_a_failed_opening_leaves_the_folder_free(tmp_path: Path) -> None:
    (tmp_path / "parley.db").write_bytes(b"not a database " * 500)
    with pytest.raises(ConfigurationError):
        await open_store("", tmp_path)
    (tmp_path / "parley.db").unlink()
    store, _ = await open_store("", tmp_path)
    await store.close()


async def test_a_write_that_has_begun_is_not_cut_off_with_its_task(house: SqlHouse) -> None:
    task = asyncio.create_task(house.store.accept(asked("m1"), 1.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await house.crash()
    assert (await house.store.counts())["accepted"] == 1
    await house.db.close()


async def test_writers_are_served_in_the_order_they_came(house: SqlHouse) -> None:
    accepted = await asyncio.gather(*(accept(house.store, asked(f"m{n}")) for n in range(40)))
    assert [a.seq for a in accepted] == sorted(a.seq for a in accepted)
    assert [a.claim is not None for a in accepted] == [True] + [False] * 39
    await house.db.close()


async def test_readers_whose_askers_went_away_are_there_for_the_next_ones(house: SqlHouse) -> None:
    tasks = [asyncio.create_task(house.store.counts()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = await asyncio.wait_for(asyncio.gather(*(house.store.counts() for _ in range(20))), 60)
    assert all(counts["accepted"] == 0 for counts in found)
    await house.db.close()


async def test_a_transaction_that_breaks_leaves_nothing_behind_and_the_next_one_runs(house: SqlHouse) -> None:
    def half(connection: Connection) -> None:
        connection.execute(shelf.insert(), {"platform": "p", "kind": "k", "id": "1", "value": {}, "position": 0})
        raise KeyError("broken in the middle")

    with pytest.raises(KeyError):
        await house.db.tx(half)
    assert await house.db.read(lambda connection: connection.execute(shelf.select()).all()) == []
    await begin(house.store, asked("m1"))
    await house.db.close()


async def test_after_closing_every_transaction_is_refused_and_none_waits_for_ever(house: SqlHouse) -> None:
    await house.db.close()
    with pytest.raises(StoreError):
        await asyncio.wait_for(house.store.check(), 60)
    with pytest.raises(StoreError):
        await asyncio.wait_for(house.store.counts(), 60)
    await house.db.close()


async def test_the_readers_cannot_write(house: SqlHouse) -> None:
    with pytest.raises(StoreReadOnly):
        await house.db.read(lambda connection: connection.execute(shelf.delete()).rowcount)
    await house.db.close()


async def test_an_empty_address_means_a_file_in_the_data_folder(tmp_path: Path) -> None:
    assert await make_template(tmp_path / "new" / "folder") == tmp_path / "new" / "folder" / "parley.db"
    assert (tmp_path / "new" / "folder" / "parley.db").exists()
