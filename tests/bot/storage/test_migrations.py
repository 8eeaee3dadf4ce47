"""The tables that Alembic makes are those that the statements are written for."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Column, Connection, Double, Integer, MetaData, Numeric, inspect, text

from bot.errors import ConfigurationError
from bot.storage import Db, open_store
from bot.storage.migrations import HEAD, upgrade
from bot.storage.migrations.alembic_run import migrate, newest, scripts
from bot.storage.schema import metadata
from tests.bot.storage.houses import SqlHouse
from tests.contracts.store import asked
from tests.postgres import Server


def differences(connection: Connection) -> list[object]:
    """What Alembic would change to get from the tables there are to the declared ones."""
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrated_tables_are_exactly_the_declared_ones(house: SqlHouse) -> None:
    assert await house.db.read(differences) == []


def test_the_head_that_a_warm_start_looks_for_is_the_newest_script() -> None:
    assert newest() == HEAD


async def test_an_up_to_date_database_is_left_alone(house: SqlHouse) -> None:
    assert await upgrade(house.db) is False


def test_a_warm_start_does_not_load_alembic(template: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from bot.storage import open_store\n"
        "async def main(): await (await open_store('', Path(sys.argv[1])))[0].close()\n"
        "asyncio.run(main()); print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program, template.parent], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


async def test_a_database_of_the_first_release_is_brought_up_to_date_with_what_it_holds(house: SqlHouse) -> None:
    def go_back(connection: Connection) -> None:
        connection.execute(text("DROP TABLE dealt"))
        connection.execute(text("DROP TABLE buckets"))
        connection.execute(text("DROP INDEX usage_conversation"))
        connection.execute(text("DROP INDEX conversation_workspace"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    await house.store.accept(asked("m1"), 1.0)
    await house.db.tx(go_back)
    assert await upgrade(house.db) is True
    assert (await house.store.counts())["messages"] == 1
    assert await house.db.read(differences) == []


def fill(connection: Connection, revision: str) -> None:
    """Make the tables of that revision and put a row into each, as its columns want it."""
    config = scripts()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    found = MetaData()
    found.reflect(connection)
    for table in found.sorted_tables:
        if table.name != "alembic_version":
            connection.execute(table.insert().values({column.name: value_for(column) for column in table.columns}))


def value_for(column: Column[Any]) -> Any:
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer | Double | Numeric):
        return 1
    return "settled" if column.name == "state" else "[1]"


def rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    found = MetaData()
    found.reflect(connection)
    return {
        table.name: [dict(row._mapping) for row in connection.execute(table.select())]
        for table in found.sorted_tables
        if table.name != "alembic_version"
    }


@pytest.mark.parametrize(
    "revision", [script.revision for script in ScriptDirectory.from_config(scripts()).walk_revisions()]
)
async def test_a_filled_database_of_every_revision_is_brought_up_to_date_and_keeps_what_it_holds(
    revision: str, engine: str, server: Server | None, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'parley.db'}"
        if server is not None:
            url = await stack.enter_async_context(server.database(empty=True))
        db = await Db.open(url)
        stack.push_async_callback(db.close)
        await db.tx(fill, revision)
        before = await db.read(rows)
        assert await upgrade(db) is (revision != HEAD)
        after = await db.read(rows)
        assert len(before) >= 9
        for table, (row,) in before.items():
            assert {name: after[table][0][name] for name in row} == row
        assert await db.read(differences) == []


async def test_tables_of_a_newer_version_are_refused_untouched(template: Path, tmp_path: Path) -> None:
    (tmp_path / "parley.db").write_bytes(template.read_bytes())
    db = await Db.open(f"sqlite:///{tmp_path / 'parley.db'}")
    await db.tx(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    await db.close()
    with pytest.raises(ConfigurationError, match="another version"):
        await open_store("", tmp_path)


async def test_an_interrupted_migration_leaves_nothing_half_made(tmp_path: Path) -> None:
    def interrupted(connection: Connection) -> None:
        migrate(connection)
        raise KeyError

    db = await Db.open(f"sqlite:///{tmp_path / 'parley.db'}")
    with pytest.raises(KeyError):
        await db.tx(interrupted)
    assert await db.read(lambda connection: inspect(connection).get_table_names()) == []
    assert await upgrade(db) is True
    await db.close()
