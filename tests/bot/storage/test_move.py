"""From a SQLite file to PostgreSQL: everything arrives as it was, or nothing does."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, inspect, make_url, select

from bot.errors import ConfigurationError, StoreError
from bot.events import File
from bot.ports import EarlierMessage, Level, Scope, Usage
from bot.storage import Db, SqlShelf, open_store
from bot.storage.move import TABLES, Moved, move
from tests.bot.storage.houses import SqlHouse, open_house
from tests.contracts.store import ANN, again, asked, begin, place, play, read_all, said, texts
from tests.postgres import Server

ODD = "tab\t, quote ', \\, %s :name $1, zero\x00, half \ud800, é ü 漢字 עברית, 🧑🏽‍🚀, \u2028, \x7f" + "long " * 100_000


@pytest.fixture
async def target(postgresql: Server) -> AsyncIterator[str]:
    async with postgresql.database(empty=True) as url:
        yield url


@pytest.fixture
async def source(template: Path, tmp_path: Path) -> Path:
    """A file of everything that a bot keeps, odd values among it; its bot died in the middle of an answer."""
    house = await open_house("sqlite", template, tmp_path / "data")
    store = house.store
    claim = await begin(store, asked("m1", text=ODD, files=(File("f1", "ü\x00.pdf", "application/pdf", 5),)))
    await store.backfill(claim.conversation, [EarlierMessage("e1", ANN, ODD, 1.5)])
    await store.keep_excerpts(claim.conversation, claim.seq, [ODD, ""])
    used = Usage(2**31 - 1, 0, 3, 4, 1e-320, 0.1 + 0.2)
    await play(store, claim, said(ODD, usage=used, model="m", cost=None, notes=("n",), receipt={"a": [1, None, ODD]}))
    await play(store, await begin(store, again("again1", claim.seq)), said("", usage=used, model="m", cost=1e300))
    await play(store, await begin(store, again("again2", claim.seq)), said("second"))
    await store.feedback(claim.mark, 2, "U1", False, 4.25)
    await store.set_settings(Scope(Level.CHANNEL, "web:w1:c1"), {"system": ODD, "temperature": 0.1}, "U1", 1.0)
    await SqlShelf(house.db, "web").put("channel", "c\u00e9", {"deep": [{"x": None, "y": 1.0, "z": 2**53}]}, 2**62)
    await store.claim_event("web:w1:c1:command", 4.5)
    other = await begin(store, asked("m2", "t2"))
    await store.shown(other, ["p1"])
    await store.accept(asked("m3", "t2"), 5.0)
    await house.db.close()
    return tmp_path / "data" / "parley.db"


def url_of(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def content(url: str) -> dict[str, Any]:
    """Every row of every table as the bot reads it."""

    def read(connection: Connection) -> dict[str, Any]:
        def rows(table: Table) -> list[Any]:
            return sorted((tuple(row) for row in connection.execute(select(table))), key=repr)

        return {table.name: rows(table) for table in TABLES}

    db = await Db.open(url)
    try:
        return await db.read(read)
    finally:
        await db.close()


async def tables(url: str) -> list[str]:
    db = await Db.open(url)
    found = await db.read(lambda connection: inspect(connection).get_table_names())
    await db.close()
    return found


def fingerprint(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


async def test_everything_arrives_as_it_was_and_the_file_is_not_touched(source: Path, target: str) -> None:
    before = fingerprint(source)
    moved: list[Moved] = []
    shown = await move(url_of(source), target, moved.append)
    assert fingerprint(source) == before
    assert "***" in shown
    old, new = await content(url_of(source)), await content(target)
    assert new == old
    assert [one.table for one in moved] == [table.name for table in TABLES]
    assert {one.table: one.rows for one in moved} == {name: len(rows) for name, rows in old.items()}
    assert all(old.values()), "every table had something to move"
    assert all(len(one.digest) == 32 for one in moved)


async def test_the_bot_goes_on_where_it_was(source: Path, target: str) -> None:
    await move(url_of(source), target, lambda _: None)
    house = SqlHouse(target)
    await house.open()
    (claim,) = await house.store.resume(9.0)
    assert (claim.message_id, claim.parts, claim.attempts) == ("m2", ("p1",), 2)
    upcoming = await play(house.store, claim)
    assert upcoming is not None
    assert await play(house.store, upcoming) is None
    assert texts(await read_all(house.store, claim.conversation)) == [
        "question m2", "answer to m2", "question m3", "answer to m3",
    ]  # fmt: skip
    assert await house.store.accept(asked("m1"), 9.0) is None, "it was accepted before the move"
    fresh = await begin(house.store, asked("m9", "t9"))
    assert await play(house.store, fresh, said(usage=Usage(1, 1, 0, 0, 0.0, 0.0), model="m")) is None
    assert (await house.store.conversation(place())) is not None
    await house.db.close()


async def test_tables_made_beforehand_may_be_there_as_long_as_they_are_empty(source: Path, postgresql: Server) -> None:
    async with postgresql.database() as target:
        await move(url_of(source), target, lambda _: None)
        with pytest.raises(ConfigurationError, match="is not empty"):
            await move(url_of(source), target, lambda _: None)
        assert await content(target) == await content(url_of(source))


async def test_a_file_that_a_bot_works_on_is_not_moved(source: Path, target: str) -> None:
    db = await Db.open(url_of(source))
    with pytest.raises(ConfigurationError, match="another process"):
        await move(url_of(source), target, lambda _: None)
    await db.close()
    assert await tables(target) == []


async def test_a_server_whose_tables_somebody_works_on_is_not_filled(source: Path, postgresql: Server) -> None:
    import asyncpg

    async with postgresql.database() as target:
        somebody = await asyncpg.connect(target)
        await somebody.execute("BEGIN; INSERT INTO replicas VALUES ('r', 1)")
        with pytest.raises(ConfigurationError, match="--to: another program works on that database"):
            await move(url_of(source), target, lambda _: None)
        await somebody.close()


async def test_a_failure_midway_leaves_the_server_as_it_was_and_the_move_can_begin_anew(
    source: Path, target: str
) -> None:
    def change(statement: str) -> None:
        with closing(sqlite3.connect(source)) as file:
            file.execute(statement)
            file.commit()

    change("UPDATE usage SET completion_tokens = 1 << 40")  # more than the server's column holds
    with pytest.raises(StoreError) as caught:
        await move(url_of(source), target, lambda _: None)
    assert "was undone" in caught.value.user_text
    assert await tables(target) == []
    change("UPDATE usage SET completion_tokens = 7")
    await move(url_of(source), target, lambda _: None)
    assert await content(target) == await content(url_of(source))


async def test_a_digest_that_differs_undoes_the_move(
    source: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.storage import move as moving

    def lossy(connection: Connection, table: Table) -> Any:
        for some in whole(connection, table):
            yield some[: None if connection.dialect.name == "sqlite" or table.name != "messages" else -1]

    whole = moving._rows
    monkeypatch.setattr(moving, "_rows", lossy)
    with pytest.raises(StoreError) as caught:
        await move(url_of(source), target, lambda _: None)
    assert "the table messages arrived changed" in caught.value.user_text
    assert await tables(target) == []


async def test_tables_of_an_older_version_are_brought_up_to_date_first(source: Path, target: str) -> None:
    with closing(sqlite3.connect(source)) as file:
        file.execute("UPDATE alembic_version SET version_num = '0000'")
        file.commit()
    with pytest.raises(ConfigurationError, match="Run `parley migrate` first"):
        await move(url_of(source), target, lambda _: None)


async def test_a_damaged_file_is_said_and_leaves_the_server_as_it_was(source: Path, target: str) -> None:
    content = source.read_bytes()
    source.write_bytes(content[: 4096 * 3] + os.urandom(len(content) - 4096 * 3))
    with pytest.raises(StoreError, match="SQLITE_"):
        await move(url_of(source), target, lambda _: None)
    assert await tables(target) == []


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("mysql://u:hunter2@h/d", "--to: it is not the address"),
        ("nonsense", "--to: it is not the address"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "--to: no database server can be reached at 127.0.0.1:1"),
    ],
)
async def test_a_wrong_target_is_told_without_its_password(source: Path, target: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await move(url_of(source), target, lambda _: None)
    assert caught.value.user_text.startswith(told)
    assert "hunter2" not in str(caught.value)


async def test_a_target_that_refuses_the_password_is_told(source: Path, target: str) -> None:
    wrong = make_url(target).set(password="hunter2").render_as_string(hide_password=False)
    with pytest.raises(ConfigurationError, match="--to: the database server refuses the user or the password"):
        await move(url_of(source), wrong, lambda _: None)


async def test_a_wrong_source_is_told(tmp_path: Path, target: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no file"):
        await move(url_of(tmp_path / "nowhere.db"), target, lambda _: None)
    with pytest.raises(ConfigurationError, match="It is on a server already"):
        await move(target, target, lambda _: None)
    (tmp_path / "empty.db").touch()
    with pytest.raises(ConfigurationError, match="not those of this version"):
        await move(url_of(tmp_path / "empty.db"), target, lambda _: None)


async def test_an_installation_that_was_never_used_can_be_moved(tmp_path: Path, target: str) -> None:
    store, _ = await open_store("", tmp_path)
    await store.close()
    await move(url_of(tmp_path / "parley.db"), target, lambda _: None)
    house = SqlHouse(target)
    await house.open()
    await begin(house.store, asked("m1"))
    await house.db.close()
