"""The databases that the contract is run on. PostgreSQL joins in when TEST_POSTGRES_URL names an empty one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sqlalchemy import Connection, text

from bot.ports import Store
from bot.storage import Db, open_store

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "")
ENGINES = ["sqlite", *(["postgresql"] if POSTGRES else [])]


class SqlHouse:
    """Stores on one database, one at a time."""

    store: Store

    def __init__(self, url: str) -> None:
        self.url = url
        self.db: Db

    async def open(self) -> Store:
        self.store, self.db = await open_store(self.url, Path("unused"))
        return self.store

    async def crash(self) -> Store:
        """Nothing is said to the database: turns and owners stay as they are."""
        await self.db.close()
        return await self.open()


async def make_template(folder: Path) -> Path:
    """A migrated, empty SQLite file to copy: migrating takes longer than most tests."""
    folder.mkdir(parents=True, exist_ok=True)
    store, _ = await open_store("", folder)
    await store.close()
    return folder / "parley.db"


async def open_house(engine: str, template: Path, folder: Path) -> SqlHouse:
    if engine == "postgresql":
        house = SqlHouse(POSTGRES)
        db = await Db.open(POSTGRES)
        await db.tx(_empty)
        await db.close()
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, folder / "parley.db")
        house = SqlHouse(f"sqlite:///{folder / 'parley.db'}")
    await house.open()
    return house


def _empty(connection: Connection) -> None:
    connection.execute(text("DROP SCHEMA public CASCADE"))
    connection.execute(text("CREATE SCHEMA public"))
