"""Hearing signals: one connection of its own that does nothing else, made anew whenever it is lost.

Between us and the database may be a pooler through which no signal comes. So a listener first says its own name
through an ordinary connection, and counts as listening when it has heard it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from bot.errors import StoreError
from bot.ports import Signal, SignalKind
from bot.storage.signals import CHANNEL, read_signal

log = structlog.get_logger("listener")

_PULSE = 5.0  # seconds between looks at a silent connection, and the longest wait for an answer to one
_AGAIN = 1.0  # seconds between tries to connect
_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, StoreError)


class Listener:
    """``say`` sends a payload through an ordinary connection; it raises ``StoreError``."""

    def __init__(self, url: URL, say: Callable[[str], Awaitable[None]]) -> None:
        dialect: Any = PGDialect_asyncpg  # it has no types
        self._where: dict[str, Any] = dialect().create_connect_args(url)[1]
        self._say = say

    async def run(self, hear: Callable[[Signal], None]) -> None:
        """Until cancelled. ``hear`` is told LISTENING and DEAF besides what others say."""
        while True:
            try:
                await self._listen(hear)
            except _TROUBLE as error:
                log.warning("no signals are heard", why=type(error).__name__)
            hear(Signal(SignalKind.DEAF))
            await asyncio.sleep(_AGAIN)

    async def _listen(self, hear: Callable[[Signal], None]) -> None:
        own, gone = f"hello {secrets.token_hex(8)}", asyncio.Event()

        def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            if payload == own:
                hear(Signal(SignalKind.LISTENING))
            elif (signal := read_signal(str(payload))) is not None:
                hear(signal)

        connection = await asyncpg.connect(**self._where, timeout=_PULSE, command_timeout=_PULSE)
        try:
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(CHANNEL, heard)
            await self._say(own)
            while not gone.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PULSE):
                        await gone.wait()
                if not gone.is_set():
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()
