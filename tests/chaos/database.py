"""The database of a run: made, journalled, broken, and read at the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.installations import Installations
from adapters.slack.seal import Seal
from bot.storage import SqlShelf, open_store
from tests.emulators.slack import Slack
from tests.postgres import Cluster

TOKEN_KEY = "k" * 43 + "="
_NAME = "chaos"
_TURNS = """
SELECT c.key, t.conversation_id, t.seq, t.reply_seq, t.event_key, t.mark, t.kind, t.state, t.outcome, t.attempts,
       t.received_at, t.settled_at
FROM turns t JOIN conversations c ON c.id = t.conversation_id ORDER BY t.conversation_id, t.seq
"""
_JOURNAL = """
CREATE TABLE chaos_journal (at double precision, conversation bigint, owner text);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos_journal VALUES (extract(epoch FROM clock_timestamp()), NEW.id, NEW.owner);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OF owner ON conversations FOR EACH ROW EXECUTE FUNCTION chaos_note();
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A row of ``turns``."""

    key: str
    conversation: int
    seq: int
    reply_seq: int
    event_key: str
    mark: str
    kind: str
    state: str
    outcome: str
    attempts: int
    received_at: float
    settled_at: float


_COLUMNS = [each.name for each in fields(Turn)]


@dataclass(frozen=True, slots=True)
class Owned:
    """From ``at`` (Unix seconds) on, ``owner`` had the conversation; "": nobody."""

    at: float
    conversation: int
    owner: str


class Database(Protocol):
    """``url``: what DATABASE_URL says. ``away``: spans of Unix time in which it could not be reached."""

    url: str
    away: list[tuple[float, float]]

    async def open(self, slack: Slack) -> None: ...
    async def restart(self, seconds: float) -> None: ...
    async def unsettled(self) -> int: ...
    async def turns(self) -> list[Turn]: ...
    async def journal(self) -> list[Owned]: ...
    async def close(self) -> None: ...


def _turn(row: Sequence[Any]) -> Turn:
    found = dict(zip(_COLUMNS, row, strict=True))
    return Turn(**found | {"outcome": found["outcome"] or "", "settled_at": found["settled_at"] or 0.0})


async def _install(url: str, slack: Slack, folder: Path) -> None:
    """The tables, and every workspace as if it had installed the app in a browser."""
    store, db = await open_store(url, folder)
    installations = Installations(SqlShelf(db, "slack"), Seal(TOKEN_KEY))
    for workspace in slack.state.workspaces.values():
        it = workspace.installation
        if it is not None:
            await installations.put(
                Installation(
                    team_id=workspace.id,
                    bot_token=it.token.value,
                    bot_user_id=it.bot.id,
                    bot_id=it.bot.bot_id,
                    user_id="U1",
                )
            )
    await store.close()


class Postgresql:
    """A server of the run's own.

    It keeps every commit through a crash of its processes: what was committed is with the system, for the log is
    written before a commit returns. Only a power cut would need fsync, which the tests' server leaves out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = Cluster.make()
        self.url = ""
        self.away: list[tuple[float, float]] = []

    async def open(self, slack: Slack) -> None:
        server = await asyncio.to_thread(self._cluster.start)
        door = await asyncpg.connect(server.url("postgres"))
        await door.execute(f"CREATE DATABASE {_NAME}")
        await door.execute(f"ALTER DATABASE {_NAME} SET synchronous_commit = on")
        await door.close()
        self.url = server.url(_NAME)
        await _install(self.url.replace("postgresql://", "postgresql+asyncpg://"), slack, self._folder)
        await self._ask("execute", _JOURNAL)

    async def restart(self, seconds: float) -> None:
        """It crashes, and is back after a while."""
        began = time.time()
        await asyncio.to_thread(self._cluster.end, signal.SIGQUIT)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._cluster.start)
        self.away.append((began, time.time()))

    async def unsettled(self) -> int:
        return int(await self._ask("fetchval", "SELECT count(*) FROM turns WHERE state <> 'settled'"))

    async def turns(self) -> list[Turn]:
        return [_turn(row) for row in await self._ask("fetch", _TURNS)]

    async def journal(self) -> list[Owned]:
        rows = await self._ask("fetch", "SELECT at, conversation, coalesce(owner, '') FROM chaos_journal ORDER BY at")
        return [Owned(*row) for row in rows]

    async def _ask(self, how: str, statement: str) -> Any:
        door = await asyncpg.connect(self.url)
        try:
            return await getattr(door, how)(statement)
        finally:
            await door.close()

    async def close(self) -> None:
        await asyncio.to_thread(self._cluster.remove)


class Sqlite:
    """The file in the data folder of the only process."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.away: list[tuple[float, float]] = []
        self._data = folder / "replica-1" / "data"

    async def open(self, slack: Slack) -> None:
        self._data.mkdir(parents=True)
        await _install(f"sqlite+aiosqlite:///{self._data / 'parley.db'}", slack, self._data)

    async def restart(self, seconds: float) -> None:
        raise NotImplementedError("a file does not restart")

    async def unsettled(self) -> int:
        return int(self._read("SELECT count(*) FROM turns WHERE state <> 'settled'")[0][0])

    async def turns(self) -> list[Turn]:
        return [_turn(row) for row in self._read(_TURNS)]

    async def journal(self) -> list[Owned]:
        return []

    def _read(self, statement: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(f"file:{self._data / 'parley.db'}?mode=ro", uri=True)) as door:
            return door.execute(statement).fetchall()

    async def close(self) -> None:
        """Nothing to end."""
