"""A PostgreSQL for the bench: on a disk, and set up to lose nothing that it confirmed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg

from tests.postgres import Cluster, Server


@contextlib.contextmanager
def durable_server() -> Iterator[Server]:
    cluster = Cluster.make(durable=True)
    try:
        yield cluster.start()
    finally:
        cluster.remove()


def new_database(server: Server, name: str) -> str:
    """The URL of a new, empty database."""

    async def create() -> None:
        door = await asyncpg.connect(server.url("postgres"))
        await door.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        await door.close()

    asyncio.run(create())
    return server.url(name)
