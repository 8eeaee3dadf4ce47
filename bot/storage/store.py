"""``bot.ports.Store`` in SQL: each method is one transaction, written as a plain function elsewhere."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.errors import StoreDamaged
from bot.events import Address, Author, File
from bot.ports import (
    Accepted,
    AnswerRecord,
    Claim,
    Conversation,
    EarlierMessage,
    Edited,
    Need,
    NewTurn,
    Outcome,
    Running,
    Scope,
    SettingRow,
    Signal,
    SignalKind,
    Slice,
    Spent,
    StoredMessage,
    TurnView,
)
from bot.storage import (
    addresses,
    answers,
    budgets,
    corrections,
    dealt,
    forgetting,
    history,
    lanes,
    replicas,
    settings,
    turns,
    usage,
    views,
    vitals,
    wishes,
)
from bot.storage.database import Db, Undo
from bot.storage.seat import Seat

_TOGETHER_TRADED = 1_000  # buckets in one transaction
_TRADES_A_SWEEP = 100
_TOGETHER = 20  # lanes that are taken over in one transaction, where others wait to take over too


class SqlStore:
    """The store of this process. Conversations name it as their owner by a name that no other process has."""

    def __init__(self, db: Db, seat: Seat | None = None, wall: Callable[[], float] = time.time) -> None:
        self._db = db
        self._seat = seat
        self._wall = wall
        self._me = secrets.token_hex(8)
        self._lease = 0.0
        self._trades = 0

    # --- among other processes

    @property
    def shared(self) -> bool:
        return self._db.shared

    async def join(self, lease: float) -> None:
        if self.shared:
            name = secrets.token_hex(8)
            await self._db.tx(replicas.join, name, lease, self._seat.former if self._seat is not None else "")
            self._me, self._lease = name, lease
            if self._seat is not None:
                self._seat.take(name)

    async def beat(self) -> bool:
        return not self.shared or await self._db.tx(replicas.beat, self._me, self._lease)

    async def leave(self) -> None:
        self._db.end_soon()
        await self._db.tx(replicas.leave, self._me)

    async def listen(self, hear: Callable[[Signal], None]) -> None:
        await self._db.listen(hear)

    # --- turns

    async def accept(self, turn: NewTurn, now: float) -> Accepted | None:
        me = self._me
        try:
            accepted = await self._db.tx(turns.accept, me, turn, now)
        except Undo:
            return None
        return self._given(me, accepted)

    async def claim_event(self, event_key: str, now: float) -> bool:
        return await self._db.tx(dealt.claim, event_key, now)

    async def release_event(self, event_key: str) -> None:
        await self._db.tx(dealt.release, event_key)

    def _given(self, me: str, accepted: Accepted | None) -> Accepted | None:
        """What was claimed under a name that has been given up meanwhile is somebody else's to play."""
        if accepted is None or me == self._me:
            return accepted
        return replace(accepted, claim=None)

    async def shown(self, claim: Claim, parts: Sequence[str]) -> None:
        await self._db.tx(turns.shown, self._me, claim, parts)

    async def moved(self, reply: TurnView, parts: Sequence[str]) -> bool:
        return await self._db.tx(turns.moved, reply, parts)

    async def answered(self, claim: Claim, answer: AnswerRecord, now: float) -> tuple[int, int]:
        return await self._db.tx(answers.answered, self._me, claim, answer, now)

    async def settle(self, claim: Claim, outcome: Outcome, now: float, merge: bool = True) -> Claim | None:
        return await self._db.tx(lanes.settle, self._me, claim, outcome, now, merge)

    async def resume(self, now: float, platforms: Collection[str] | None = None) -> Sequence[Claim]:
        if not self.shared:
            return await self._db.tx(lanes.take_over, self._me, now, platforms, -1)
        claims: list[Claim] = []
        while some := await self._db.tx(lanes.take_over, self._me, now, platforms, _TOGETHER):
            claims += some
        return claims

    async def running(self) -> Sequence[Running]:
        return await self._db.read(replicas.running, self._me)

    async def restart(self, conversation: int, epoch: int, now: float) -> Claim | None:
        return await self._db.tx(lanes.restart, self._me, conversation, epoch, now)

    async def is_busy(self, conversation: int) -> bool:
        return await self._db.read(wishes.is_busy, conversation)

    async def ask_stop(self, conversation: int, seq: int) -> None:
        await self._db.tx(wishes.ask_stop, self._me, conversation, seq)

    async def ask_halt(self, conversation: int, why: SignalKind, reply: int = 0, before: int = 0) -> bool:
        return await self._db.tx(wishes.ask_halt, conversation, why, reply, before)

    async def drop_waiting(self, conversation: int, now: float) -> int:
        return await self._db.tx(turns.drop_waiting, conversation, now)

    # --- history

    async def record(
        self, address: Address, author: Author, message_id: str, text: str, files: tuple[File, ...], sent_at: float
    ) -> bool:
        try:
            return await self._db.tx(history.record, address, author, message_id, text, files, sent_at)
        except Undo:
            return False

    async def backfill(self, conversation: int, messages: Sequence[EarlierMessage]) -> None:
        await self._db.tx(history.backfill, conversation, messages)

    async def conversation(self, address: Address) -> Conversation | None:
        return await self._db.read(addresses.conversation, address)

    async def lively(self, platform: str, since: float, limit: int) -> Sequence[Address]:
        return await self._db.read(addresses.lively, platform, since, limit)

    async def history(self, conversation: int, before: int, limit: int) -> Sequence[StoredMessage]:
        return await self._db.read(history.history, conversation, before, limit)

    async def question(self, conversation: int, seq: int, merged: int) -> Sequence[StoredMessage]:
        return await self._db.read(history.question, conversation, seq, merged)

    async def keep_excerpts(self, conversation: int, seq: int, excerpts: Sequence[str]) -> None:
        await self._db.tx(history.keep_excerpts, conversation, seq, excerpts)

    async def edit_message(
        self,
        address: Address,
        message_id: str,
        text: str,
        again: Callable[[TurnView], NewTurn | None] = lambda _: None,
        now: float = 0.0,
    ) -> Edited | None:
        me = self._me
        try:
            edited = await self._db.tx(corrections.edit_message, me, address, message_id, text, again, now)
        except Undo:
            return None
        return edited and replace(edited, again=self._given(me, edited.again))

    async def delete_message(self, address: Address, message_id: str) -> TurnView | None:
        return await self._db.tx(corrections.delete_message, address, message_id, self._wall())

    async def clear(self, address: Address) -> bool:
        return await self._db.tx(addresses.clear, address)

    # --- replies

    async def turn(self, mark: str) -> TurnView | None:
        return await self._db.read(views.turn, mark)

    async def newest_turn(self, address: Address) -> TurnView | None:
        return await self._db.read(views.newest_turn, address)

    async def choose_version(self, mark: str, version: int) -> TurnView | None:
        return await self._db.tx(answers.choose_version, mark, version)

    async def feedback(self, mark: str, version: int, person: str, up: bool, now: float) -> None:
        await self._db.tx(answers.judge, mark, version, person, up, now)

    # --- settings

    async def settings(self, scopes: Sequence[Scope]) -> Sequence[SettingRow]:
        return await self._db.read(settings.read, scopes)

    async def set_settings(self, scope: Scope, values: Mapping[str, Any], set_by: str, now: float) -> None:
        await self._db.tx(settings.write, scope, values, set_by, now)

    async def reset_settings(self, scope: Scope) -> int:
        return await self._db.tx(settings.reset, scope)

    # --- the ledger, and forgetting

    async def usage(self, platform: str, workspace: str, since: float, channel: str = "", person: str = "") -> Spent:
        return await self._db.read(usage.spent, platform, workspace, since, channel, person)

    async def forget_workspace(self, platform: str, workspace: str) -> int:
        count = 0
        while some := await self._db.tx(forgetting.forget_some, platform, workspace):
            count += some
        await self._db.tx(forgetting.forget_rest, platform, workspace)
        return count

    # --- writes shared with other processes

    async def share(self, needs: Sequence[Need], ahead: float) -> Mapping[str, Slice]:
        slices: dict[str, Slice] = {}
        for begin in range(0, len(needs) if self.shared else 0, _TOGETHER_TRADED):
            some = needs[begin : begin + _TOGETHER_TRADED]
            sweeps = self._trades % _TRADES_A_SWEEP == 0
            self._trades += 1
            slices |= await self._db.tx(budgets.share, self._me, some, ahead, self._lease, sweeps)
        return slices

    # --- health

    async def counts(self) -> Mapping[str, int]:
        return await self._db.read(vitals.counts)

    async def check(self) -> None:
        if self._db.is_damaged:
            raise StoreDamaged
        await self._db.tx(vitals.check, self._me)

    async def look_through(self) -> None:
        """Read the whole file, some seconds for each gigabyte; nothing on a server. Raises ``StoreDamaged``."""
        await self._db.read(vitals.look_through)

    async def close(self) -> None:
        await self._db.close()
        if self._seat is not None:
            self._seat.leave()
