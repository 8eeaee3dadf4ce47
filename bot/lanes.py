"""Who is writing now: one task for each conversation with work, playing its turns one after another.

The order is the store's; these tasks are the hands. A lane ends when nothing waits, when the process shuts down
(the next start takes it up), or when another process has taken it over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from bot.errors import StoreError, Superseded
from bot.halt import Halt, Reason
from bot.observe.logging import turn_logged
from bot.observe.metrics import Metrics
from bot.ports import Claim, Outcome, Store
from bot.turn import Turns

log = structlog.get_logger("lanes")

_RETRY_STORE = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries to settle while the database is away
_LAST_WORDS = 5.0  # seconds a cancelled lane gets to let go of its surface


@dataclass(slots=True)
class Lane:
    """The turn that plays now, and how to end it."""

    claim: Claim
    task: asyncio.Task[None]
    halt: Halt = field(default_factory=Halt)


class Lanes:
    """The lanes of this process, by conversation."""

    def __init__(self, store: Store, turns: Turns, metrics: Metrics, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._turns = turns
        self._metrics = metrics
        self._wall = wall
        self._playing: dict[int, Lane] = {}

    def __len__(self) -> int:
        return len(self._playing)

    def is_busy(self, conversation: int) -> bool | None:
        """Whether an answer is still being made in this conversation; ``None`` when no turn plays here."""
        lane = self._playing.get(conversation)
        return None if lane is None else not lane.halt.over

    def start(self, claim: Claim) -> None:
        """Play this claim, and whatever waits behind it.

        What plays there under an older claim is lost and lets go first; an older claim than that is not played.
        """
        older = self._playing.get(claim.conversation)
        if older is not None:
            if older.claim.epoch >= claim.epoch:
                return
            older.halt.ask(Reason.LOST)
        task = asyncio.create_task(
            self._play_all(claim, None if older is None else older.task), name=f"lane-{claim.conversation}"
        )
        self._playing[claim.conversation] = Lane(claim, task)

    def playing(self) -> dict[int, int]:
        """conversation → epoch of the claim that plays there."""
        return {conversation: lane.claim.epoch for conversation, lane in self._playing.items()}

    def lose(self, conversation: int, epoch: int) -> None:
        """This claim is worth nothing any more: end it without a word."""
        lane = self._playing.get(conversation)
        if lane is not None and lane.claim.epoch == epoch:
            lane.halt.ask(Reason.LOST)

    def lose_all(self) -> None:
        """No claim is worth anything any more."""
        for lane in self._playing.values():
            lane.halt.ask(Reason.LOST)

    def halt_turn(self, conversation: int, seq: int, reason: Reason) -> None:
        """End the turn ``seq`` if it plays there."""
        lane = self._playing.get(conversation)
        if lane is not None and lane.claim.seq == seq:
            lane.halt.ask(reason)

    def halt(self, conversation: int, reason: Reason, mark: str = "", before: int = 0) -> Claim | None:
        """End what plays there and return its claim; ``None`` if nothing does.

        Only the reply ``mark`` and only a turn whose place is ``before`` that one, where they are given.
        """
        lane = self._playing.get(conversation)
        if lane is None or (mark and lane.claim.mark != mark) or (before and lane.claim.seq >= before):
            return None
        lane.halt.ask(reason)
        return lane.claim

    def halt_workspace(self, platform: str, workspace: str, reason: Reason) -> None:
        """End everything that plays in a workspace."""
        for lane in self._playing.values():
            address = lane.claim.address
            if (address.platform, address.workspace) == (platform, workspace):
                lane.halt.ask(reason)

    async def finish(self, grace: float, beside: Iterable[asyncio.Task[None]] = ()) -> bool:
        """Wait ``grace`` seconds for the lanes and the tasks ``beside`` them, then let go; True when all ended."""
        tasks = [*(lane.task for lane in self._playing.values()), *beside]
        if not tasks:
            return True
        _, pending = await asyncio.wait(tasks, timeout=grace)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=_LAST_WORDS)
        return not pending

    async def _play_all(self, claim: Claim, older: asyncio.Task[None] | None) -> None:
        lane = self._playing[claim.conversation]
        upcoming: Claim | None = claim
        try:
            if older is not None:  # two must not write at once, not even to the end of a write under way
                await asyncio.wait({older})
            while upcoming is not None:
                if lane.claim is not upcoming:
                    if lane.halt.lost:
                        raise Superseded
                    lane.claim, lane.halt = upcoming, Halt()
                outcome = await self._play(upcoming, lane.halt)
                upcoming = await self._settle(upcoming, outcome, lane.halt)
        except Superseded:
            log.warning("lane lost to another process")
        finally:  # the lane may have been free for a moment and taken up by a newer task already
            if self._playing.get(claim.conversation) is lane:
                del self._playing[claim.conversation]

    async def _play(self, claim: Claim, halt: Halt) -> Outcome:
        with turn_logged(claim):
            try:
                outcome = await self._turns.run(claim, halt)
            except (Superseded, asyncio.CancelledError):
                raise
            except Exception:  # whatever broke, the lane goes on and the question gets its visible outcome
                log.exception("turn broke")
                outcome = await self._turns.explain_breakdown(claim, halt)
            return outcome

    async def _settle(self, claim: Claim, outcome: Outcome, halt: Halt) -> Claim | None:
        tries = 0
        while True:
            try:
                upcoming = await self._store.settle(claim, outcome, self._wall())
                self._count(claim, outcome)
                return upcoming
            except Superseded:
                raise
            except StoreError:
                if halt.lost:
                    raise Superseded from None
                log.error("turn not settled yet: the database is away")
                await asyncio.sleep(_RETRY_STORE[min(tries, len(_RETRY_STORE) - 1)])
                tries += 1

    def _count(self, claim: Claim, outcome: Outcome) -> None:
        with turn_logged(claim):
            log.info("turn settled", outcome=outcome.value, attempts=claim.attempts, merged=claim.merged)
        self._metrics.settled(outcome)
        for _ in range(claim.merged - 1 if claim.attempts == 1 and not claim.target else 0):
            self._metrics.settled(Outcome.MERGED)
