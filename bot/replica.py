"""This process among those that work on the same store: it lives by beats, takes over from the dead, gives up in time.

Two tasks, so that nothing can keep the beat waiting. *The heart* beats five times a lease; when a beat comes too late,
every lane is given up and the process comes back under a new name. *The round*, as often and when it is signalled,
takes over lanes whose process is dead, starts lanes that are ours in the store and not here (a crash between a commit
and its answer), gives up those that are here and not ours, and passes on wishes left in the rows. Signals make all
this faster; nothing depends on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import structlog

from bot.errors import StoreBusy, StoreError
from bot.halt import Reason
from bot.lanes import Lanes
from bot.lease import Lease
from bot.ports import Running, Signal, SignalKind, Store
from bot.tasks import end_tasks

log = structlog.get_logger("replica")

_BEATS = 5  # a lease
_LOOKS = 6  # a lease: what a dead process left is found before a lease and a beat have passed, queries included
_SOONER = 3  # a store that is away is asked this many times more often
_REASONS = {
    SignalKind.STOP: Reason.PERSON,
    SignalKind.NEWER: Reason.NEWER,
    SignalKind.EDITED: Reason.EDITED,
    SignalKind.DELETED: Reason.DELETED,
}


class Replica:
    """``platforms``: those served here. ``forget`` drops what is remembered of the store's rows between turns."""

    def __init__(
        self,
        *,
        store: Store,
        lanes: Lanes,
        lease: Lease,
        platforms: Collection[str],
        forget: Callable[[], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._lease = lease
        self._platforms = platforms
        self._forget = forget
        self._wall = wall
        self._tick = lease.seconds / _BEATS
        self._signalled = asyncio.Event()
        self._hears = False
        self._leaving = False
        self._beating: asyncio.Task[bool] | None = None
        self._began = 0.0
        self._missing: set[tuple[int, int]] = set()  # owned, and not playing here when last looked at
        self._tasks: list[asyncio.Task[None]] = []

    async def enter(self) -> int:
        """Join the others and take over what nobody plays; returns how many lanes. Raises ``StoreError``."""
        await self._join()
        taken = await self._take_over()
        if self._store.shared:
            log.info("joined", lease=self._lease.seconds)
            for name, work in (("heart", self._beat), ("round", self._look_round)):
                self._tasks.append(asyncio.create_task(self._repeat(work), name=f"replica-{name}"))
            self._tasks.append(asyncio.create_task(self._store.listen(self.hear), name="replica-ear"))
        return taken

    def stop_taking(self) -> None:
        """The end is near: no more lanes."""
        self._leaving = True

    async def leave(self) -> None:
        """Let go of every lane that is left; others take over at once. The lanes' tasks have ended before."""
        tasks: list[asyncio.Task[Any]] = [*self._tasks]
        if self._beating is not None:
            tasks.append(self._beating)
        self._tasks.clear()
        await end_tasks(tasks)
        try:
            await self._store.leave()
        except StoreError:
            log.warning("lanes not let go: the database is away")

    def hear(self, signal: Signal) -> None:
        """Act on what another process said."""
        match signal.kind:
            case SignalKind.LISTENING | SignalKind.DEAF:
                self._hears = signal.kind is SignalKind.LISTENING
                self._forget()
                self._signalled.set()
            case SignalKind.SETTINGS | SignalKind.FORGOTTEN:
                self._forget()
            case SignalKind.SWEEP:
                self._signalled.set()
            case kind:
                self._lanes.halt_turn(signal.conversation, signal.seq, _REASONS[kind])

    # --- the heart

    async def _beat(self) -> None:
        if await self._is_alive():
            self._lease.renew(self._began)
        else:
            log.warning("came too late: all lanes are given up")
            self._lanes.lose_all()
            await self._join()
        await asyncio.sleep(self._tick)

    async def _is_alive(self) -> bool:
        """One beat at a time: a database that does not answer gets no second question."""
        if self._beating is None:
            self._began = self._lease.clock()
            self._beating = asyncio.create_task(self._store.beat(), name="replica-beat")
        done, _ = await asyncio.wait({self._beating}, timeout=self._tick)
        if not done:
            raise StoreBusy("no answer to a beat")
        beating, self._beating = self._beating, None
        return beating.result()

    async def _join(self) -> None:
        began = self._lease.clock()
        await self._store.join(self._lease.seconds)
        self._lease.renew(began)
        self._missing.clear()
        self._lanes.lose_all()  # once more: some may have been claimed under the old name meanwhile
        self._signalled.set()

    # --- the round

    async def _look_round(self) -> None:
        until = asyncio.get_running_loop().time() + self._lease.seconds / _LOOKS
        self._signalled.clear()
        if not self._hears:
            self._forget()
        await self._take_over()
        await self._reconcile()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._signalled.wait()

    async def _take_over(self) -> int:
        if self._leaving or not self._lease.stands:
            return 0
        claims = await self._store.resume(self._wall(), self._platforms)
        for claim in claims:
            self._lanes.start(claim)
        return len(claims)

    async def _reconcile(self) -> None:
        playing = self._lanes.playing()
        rows = {row.conversation: row for row in await self._store.running()}
        for conversation, epoch in playing.items():
            if conversation not in rows:
                self._lanes.lose(conversation, epoch)
        here = playing.keys() | self._lanes.playing().keys()
        missing = {(row.conversation, row.epoch) for row in rows.values() if row.conversation not in here}
        if not self._leaving:
            for conversation, epoch in missing & self._missing:
                claim = await self._store.restart(conversation, epoch, self._wall())
                if claim is not None:
                    log.info("lane found without anybody on it")
                    self._lanes.start(claim)
        self._missing = missing
        for row in rows.values():
            self._heed(row)

    def _heed(self, row: Running) -> None:
        if not row.stands:
            self._lanes.halt_turn(row.conversation, row.seq, Reason.DELETED)
        elif row.stop:
            self._lanes.halt_turn(row.conversation, row.seq, Reason.PERSON)

    # --- both

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
            except StoreError as error:
                log.warning("the database is away", why=str(error))
                await asyncio.sleep(self._tick / _SOONER)
            except Exception:  # a process that no longer beats would stand still without a word
                log.exception("a beat or a round broke")
                await asyncio.sleep(self._tick)
