"""The databases that the contract is run on: a SQLite file, and a database of a real PostgreSQL."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from bot.ports import Store
from bot.storage import Db, open_store
from tests.postgres import Server

ENGINES = ("sqlite", "postgresql")


class SqlHouse:
    """Stores on one database, one at a time."""

    store: Store

    def __init__(self, url: str) -> None:
        self.url = url
        self.db: Db
        self.afterwards = AsyncExitStack()

    async def open(self) -> Store:
        self.store, self.db = await open_store(self.url, Path("unused"))
        return self.store

    async def crash(self) -> Store:
        """Nothing is said to the database: turns and owners stay as they are."""
        await self.db.close()
        return await self.open()

    async def end(self) -> None:
        """Closed, and the server's database dropped."""
        await self.db.close()
        await self.afterwards.aclose()


async def make_template(folder: Path) -> Path:
    """A migrated, empty SQLite file to copy: migrating takes longer than most tests."""
    folder.mkdir(parents=True, exist_ok=True)
    store, _ = await open_store("", folder)
    await store.close()
    return folder / "parley.db"


async def open_house(engine: str, template: Path, folder: Path, server: Server | None = None) -> SqlHouse:
    """A house on a new database: of ``server``, or a copy of the SQLite file ``template`` in ``folder``."""
    if engine == "postgresql":
        assert server is not None
        afterwards = AsyncExitStack()
        house = SqlHouse(await afterwards.enter_async_context(server.database()))
        house.afterwards = afterwards
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, folder / "parley.db")
        house = SqlHouse(f"sqlite:///{folder / 'parley.db'}")
    await house.open()
    return house
