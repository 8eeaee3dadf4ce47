"""Copying and shrinking the SQLite file: the bot goes on meanwhile, and nobody else reads the copy."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot.errors import ConfigurationError, StoreError
from bot.storage import Db, backup, vacuum
from bot.storage.backup import back_up
from bot.storage.files import existing_file
from bot.storage.vacuum import give_back
from tests.bot.storage.houses import SqlHouse, open_house
from tests.contracts.store import ask_and_answer, read_all, texts

ROOT = Path(__file__).resolve().parent.parent.parent.parent

# Writes pairs of rows, each pair in one transaction, until it is ended.
WRITER = """
import asyncio, sys
from bot.storage import Db
from bot.storage.schema import shelf

def pair(connection, n):
    for half in "ab":
        row = {"platform": half, "kind": "k", "id": str(n), "value": {"words": "word " * 200}, "position": n}
        connection.execute(shelf.insert(), row)

async def main():
    db = await Db.open(sys.argv[1])
    for n in range(1_000_000):
        await db.tx(pair, n)
        if n == 50:
            print("writing", flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def house(template: Path, tmp_path: Path) -> SqlHouse:
    return await open_house("sqlite", template, tmp_path / "data")


@pytest.fixture
def writing(template: Path, tmp_path: Path) -> Iterator[Path]:
    """A database that another process writes to all the time."""
    file = tmp_path / "busy.db"
    file.write_bytes(template.read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, f"sqlite:///{file}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "writing\n"
        yield file
        assert process.poll() is None, "nothing stood in its way"
    finally:
        process.kill()
        process.communicate()


def number(file: Path, statement: str) -> int:
    with closing(sqlite3.connect(file)) as opened:
        return int(opened.execute(statement).fetchone()[0])


def test_a_backup_made_while_the_bot_writes_is_whole_and_of_one_moment(
    writing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_STEP", 5)  # so that much is written between the first step and the last
    copy = tmp_path / "copies" / "parley.db"
    copy.parent.mkdir()
    behind = number(writing, "SELECT count(*) FROM shelf")
    assert back_up(writing, copy) == copy.stat().st_size
    later = number(writing, "SELECT count(*) FROM shelf")
    halves = [number(copy, f"SELECT count(*) FROM shelf WHERE platform = '{half}'") for half in "ab"]
    assert halves[0] == halves[1]
    assert behind <= sum(halves) < later
    assert number(copy, "SELECT max(position) + 1 FROM shelf") == halves[0]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.glob(".*")] == []


async def test_a_backup_takes_the_place_of_an_older_one_and_opens_as_a_database(
    house: SqlHouse, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("an older one")
    copy.chmod(0o644)
    (claim,) = await ask_and_answer(house.store, "m1")
    await asyncio.to_thread(back_up, tmp_path / "data" / "parley.db", copy)
    await house.db.close()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    again = SqlHouse(f"sqlite:///{copy}")
    await again.open()
    assert texts(await read_all(again.store, claim.conversation)) == ["question m1", "answer to m1"]
    await again.db.close()


async def test_a_damaged_database_makes_no_backup_and_leaves_the_older_one(house: SqlHouse, tmp_path: Path) -> None:
    file, copy = tmp_path / "data" / "parley.db", tmp_path / "copy.db"
    await ask_and_answer(house.store, *(f"m{n}" for n in range(50)))
    await house.db.close()
    with file.open("r+b") as opened:
        opened.seek(4096 * 4)
        opened.write(b"\xff" * 4096 * 8)
    with pytest.raises(StoreError) as caught:
        await asyncio.to_thread(back_up, file, copy)
    assert "The backup failed" in caught.value.user_text
    assert "older" not in caught.value.user_text
    assert not copy.exists()
    copy.write_text("an older one")
    with pytest.raises(StoreError) as caught:
        await asyncio.to_thread(back_up, file, copy)
    assert caught.value.user_text.endswith(f"The older {copy} is as it was.")
    assert copy.read_text() == "an older one"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "copy.db"}


async def test_places_that_cannot_hold_a_backup_are_told(house: SqlHouse, tmp_path: Path) -> None:
    file = tmp_path / "data" / "parley.db"
    for place, told in ((tmp_path, "is a folder"), (file, "the database itself"), (tmp_path / "no" / "x", "cannot be")):
        with pytest.raises(ConfigurationError, match=told):
            back_up(file, place)
    with pytest.raises(ConfigurationError, match="pg_dump"):
        existing_file("postgresql://u:p@h/d", "Use pg_dump.")
    await house.db.close()


def shelve_and_remove(connection: Connection) -> None:
    """Leaves some megabytes free in the file."""
    words = "word " * 200_000
    connection.execute(text("INSERT INTO shelf VALUES ('p', 'k', '1', :words, 0)"), {"words": words})
    connection.execute(text("INSERT INTO shelf VALUES ('p', 'k', '2', :words, 0)"), {"words": words})
    connection.execute(text("DELETE FROM shelf WHERE platform = 'p'"))


async def test_free_pages_are_given_back_in_steps_and_a_rest_is_kept(house: SqlHouse, tmp_path: Path) -> None:
    await house.db.tx(shelve_and_remove)
    free = number(tmp_path / "data" / "parley.db", "PRAGMA freelist_count")
    assert free > 400
    assert await give_back(house.db) == free - vacuum._KEPT
    assert await give_back(house.db) == 0
    await house.db.close()
    assert number(tmp_path / "data" / "parley.db", "PRAGMA freelist_count") == vacuum._KEPT


async def test_the_write_ahead_log_does_not_stay_as_large_as_it_once_was(house: SqlHouse, tmp_path: Path) -> None:
    def write(connection: Connection, id: str, size: int) -> None:
        values = {"id": id, "words": "x" * size}
        connection.execute(text("INSERT INTO shelf VALUES ('p', 'k', :id, :words, 0)"), values)

    log = tmp_path / "data" / "parley.db-wal"
    await house.db.tx(write, "much", 40_000_000)
    assert log.stat().st_size > 40_000_000
    for id in ("a", "b"):
        await house.db.tx(write, id, 1)
    assert log.stat().st_size <= 16 * 1024 * 1024
    await house.db.close()


async def test_an_older_file_is_rewritten_once_and_gives_back_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    with closing(sqlite3.connect(file)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE shelf (platform, kind, id, value, position)")
    db = await Db.open(f"sqlite:///{file}")
    await db.tx(shelve_and_remove)
    assert await give_back(db) == 0
    with pytest.raises(ConfigurationError, match="another process"):
        vacuum.vacuum(file)
    await db.close()
    before, after = vacuum.vacuum(file)
    assert after < before // 10
    db = await Db.open(f"sqlite:///{file}")
    await db.tx(shelve_and_remove)
    assert await give_back(db) > 0
    await db.close()


def test_a_file_that_cannot_be_rewritten_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database " * 500)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        vacuum.vacuum(tmp_path / "a.db")
