"""Trades with the other processes for the writes that they share: by and by, never in the way of a write.

One task. It trades every few seconds while replies are shown, sooner when a write finds nothing at hand, all buckets
in one transaction and at most ten times a second. A store that is away costs nothing but time: what is at hand is
spent, and then the lease ends all writes.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from bot.errors import StoreError
from bot.lease import PART, Lease
from bot.ports import Store
from bot.reply.pacing import Pacing
from bot.tasks import end_tasks

log = structlog.get_logger("slices")

_PERIOD = 3.0  # seconds between regular trades, at most
_TRADES = 5  # a lease, at least
_FLOWING = 2  # periods that a slice flows: a trade may come late
_GAP = 0.1  # seconds between two trades, at least
_LAST = 2.0  # seconds that the end waits for what is given back; without it, it comes back with the lease


class Slices:
    """``needed`` is set when a trade should come soon."""

    def __init__(self, store: Store, pacing: Pacing, lease: Lease, needed: asyncio.Event) -> None:
        self._store, self._pacing, self._lease, self._needed = store, pacing, lease, needed
        self._period = min(_PERIOD, lease.seconds / _TRADES)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="slices")

    async def close(self) -> None:
        """Give everything back; no reply is shown any more."""
        if self._task is not None:
            await end_tasks({self._task})
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LAST):
                await self._trade(ending=True)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._pacing.regular(clock() + self._period)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._needed.wait()
            self._needed.clear()
            try:
                await self._trade()
            except StoreError as error:
                log.warning("writes were not shared: the database is away", why=str(error))
            except Exception:  # without trades nothing more could be written
                log.exception("a trade broke")
            await asyncio.sleep(_GAP)

    async def _trade(self, ending: bool = False) -> None:
        clock = asyncio.get_running_loop().time
        began, ahead = clock(), _FLOWING * self._period
        needs = self._pacing.needs(began, ending)
        if needs:
            slices = await self._store.share(needs, ahead)
            self._pacing.supply(clock(), began, needs, slices, ahead, PART * self._lease.seconds)
