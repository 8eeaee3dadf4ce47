"""``bot.ports.Store`` in SQL: each method is one transaction, written as a plain function elsewhere."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.events import Address, Author, File
from bot.ports import (
    Accepted,
    AnswerRecord,
    Claim,
    Conversation,
    EarlierMessage,
    Edited,
    NewTurn,
    Outcome,
    Scope,
    SettingRow,
    Spent,
    StoredMessage,
    TurnView,
)
from bot.storage import (
    addresses,
    answers,
    corrections,
    forgetting,
    history,
    lanes,
    settings,
    turns,
    usage,
    views,
    vitals,
)
from bot.storage.database import Db, Undo


class SqlStore:
    """The store of this process. Conversations name it as their owner by a name that no other process has."""

    def __init__(self, db: Db, wall: Callable[[], float] = time.time) -> None:
        self._db = db
        self._wall = wall
        self._me = secrets.token_hex(8)

    # --- turns

    async def accept(self, turn: NewTurn, now: float) -> Accepted | None:
        try:
            return await self._db.tx(turns.accept, self._me, turn, now)
        except Undo:
            return None

    async def shown(self, claim: Claim, parts: Sequence[str]) -> None:
        await self._db.tx(turns.shown, self._me, claim, parts)

    async def answered(self, claim: Claim, answer: AnswerRecord, now: float) -> tuple[int, int]:
        return await self._db.tx(answers.answered, self._me, claim, answer, now)

    async def settle(self, claim: Claim, outcome: Outcome, now: float, merge: bool = True) -> Claim | None:
        return await self._db.tx(lanes.settle, self._me, claim, outcome, now, merge)

    async def resume(self, now: float) -> Sequence[Claim]:
        return await self._db.tx(lanes.resume, self._me, now)

    async def ask_stop(self, conversation: int, seq: int) -> None:
        await self._db.tx(turns.ask_stop, conversation, seq)

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
        try:
            return await self._db.tx(corrections.edit_message, self._me, address, message_id, text, again, now)
        except Undo:
            return None

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
        await self._db.tx(forgetting.forget_settings, platform, workspace)
        return count

    # --- health

    async def counts(self) -> Mapping[str, int]:
        return await self._db.read(vitals.counts)

    async def check(self) -> None:
        await self._db.tx(vitals.check, self._me)

    async def close(self) -> None:
        await self._db.close()
