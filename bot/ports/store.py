"""What the core asks of the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.events import Address, Author, File
from bot.ports.platforms import EarlierMessage
from bot.ports.settings import Scope, SettingRow
from bot.ports.sharing import Need, Running, Signal, SignalKind, Slice
from bot.ports.turns import (
    Accepted,
    AnswerRecord,
    Claim,
    Conversation,
    Edited,
    NewTurn,
    Outcome,
    StoredMessage,
    TurnView,
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What ``answers`` completions cost. ``cost``: US dollars, of those whose price is known; ``None`` when of none."""

    answers: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


class Store(Protocol):
    """Durable truth. Every method is one transaction; raises ``StoreError``. Times are Unix seconds.

    A conversation's lane: at most one turn is GENERATING or SHOWING; the others wait as RECEIVED in order of seq.
    A lane belongs to one process at a time. ``shared``: there may be several, each known to the others by its lease.
    """

    @property
    def shared(self) -> bool: ...

    async def join(self, lease: float) -> None:
        """Live under a new name, with a lease of ``lease`` seconds by the store's clock. Lanes held so far are lost."""
        ...

    async def beat(self) -> bool:
        """Live for another lease; False when the last one has passed, which is final: join again."""
        ...

    async def leave(self) -> None:
        """Let go of every lane: others take them over at once, and what runs there counts as no attempt."""
        ...

    async def listen(self, hear: Callable[[Signal], None]) -> None:
        """Pass on what other processes signal, until cancelled. Returns at once where there are none."""
        ...

    async def accept(self, turn: NewTurn, now: float) -> Accepted | None:
        """Claim the event, store the question and queue its turn; ``None`` if the event was accepted before, or dealt
        with without a turn."""
        ...

    async def claim_event(self, event_key: str, now: float) -> bool:
        """Have an event to deal with without a turn; False if it was accepted, or claimed so, before."""
        ...

    async def release_event(self, event_key: str) -> None:
        """What was claimed was not dealt with after all: the event may come again."""
        ...

    async def record(
        self, address: Address, author: Author, message_id: str, text: str, files: tuple[File, ...], sent_at: float
    ) -> bool:
        """Keep a message in the history of a known conversation without answering; False when it was there already."""
        ...

    async def backfill(self, conversation: int, messages: Sequence[EarlierMessage]) -> None:
        """Put what was said before the first question in front of it, once."""
        ...

    async def conversation(self, address: Address) -> Conversation | None: ...

    async def lively(self, platform: str, since: float, limit: int) -> Sequence[Address]:
        """The conversations in which something was said since then, the liveliest first; of very many, the newest."""
        ...

    async def history(self, conversation: int, before: int, limit: int) -> Sequence[StoredMessage]:
        """The newest ``limit`` messages with seq < ``before``, oldest first, without deleted, cleared, trimmed ones."""
        ...

    async def question(self, conversation: int, seq: int, merged: int) -> Sequence[StoredMessage]:
        """The message(s) a claim answers, oldest first; empty when all were deleted meanwhile."""
        ...

    async def keep_excerpts(self, conversation: int, seq: int, excerpts: Sequence[str]) -> None:
        """Keep what was read of a message's files with the message; deleting the message removes it too."""
        ...

    async def shown(self, claim: Claim, parts: Sequence[str]) -> None:
        """Keep the platform's message ids of the parts shown so far. Raises ``Superseded``."""
        ...

    async def moved(self, reply: TurnView, parts: Sequence[str]) -> bool:
        """Keep the message ids of a settled reply that was shown anew; False, and nothing, once it is made again."""
        ...

    async def answered(self, claim: Claim, answer: AnswerRecord, now: float) -> tuple[int, int]:
        """Store the answer, its usage and the state SHOWING; returns (version, versions). Raises ``Superseded``."""
        ...

    async def settle(self, claim: Claim, outcome: Outcome, now: float, merge: bool = True) -> Claim | None:
        """The turn is over; returns the lane's next claim. With ``merge`` all waiting questions become one turn."""
        ...

    async def resume(self, now: float, platforms: Collection[str] | None = None) -> Sequence[Claim]:
        """Take over every conversation with unsettled turns that no living process owns; returns each lane's head.

        Only those of ``platforms``, where given: another process may serve the others.
        """
        ...

    async def running(self) -> Sequence[Running]:
        """The running turn of every lane of this process."""
        ...

    async def restart(self, conversation: int, epoch: int, now: float) -> Claim | None:
        """Claim a running turn of this process anew, for nobody here plays it; ``None`` if ``epoch`` has passed."""
        ...

    async def is_busy(self, conversation: int) -> bool:
        """Whether a turn runs there, in whichever process."""
        ...

    async def ask_stop(self, conversation: int, seq: int) -> None:
        """Leave a durable wish that the turns of this reply stop."""
        ...

    async def ask_halt(self, conversation: int, why: SignalKind, reply: int = 0, before: int = 0) -> bool:
        """Leave a durable wish that what runs there end, and signal it; False when nothing does.

        Only the reply of turn ``reply`` and only a turn whose place is ``before`` that one, where they are given.
        """
        ...

    async def drop_waiting(self, conversation: int, now: float) -> int:
        """Settle every RECEIVED turn of the lane as CANCELLED; returns how many."""
        ...

    async def edit_message(
        self,
        address: Address,
        message_id: str,
        text: str,
        again: Callable[[TurnView], NewTurn | None] = lambda _: None,
        now: float = 0.0,
    ) -> Edited | None:
        """Correct history; ``None`` when unknown or unchanged.

        For the newest question, the turn that ``again`` (pure) makes of it is accepted in the same transaction:
        otherwise a crash in between would leave new words under the old answer, and nobody to notice.
        """
        ...

    async def delete_message(self, address: Address, message_id: str) -> TurnView | None:
        """Remove a question and its answer from history; returns its turn, if it had one."""
        ...

    async def turn(self, mark: str) -> TurnView | None: ...

    async def newest_turn(self, address: Address) -> TurnView | None:
        """The newest turn of a conversation that answers a message (not MERGED)."""
        ...

    async def choose_version(self, mark: str, version: int) -> TurnView | None:
        """History uses this version from now on; ``None`` when there is no such version."""
        ...

    async def clear(self, address: Address) -> bool:
        """Start anew: what was said before is not sent to the model any more (it is not deleted)."""
        ...

    async def feedback(self, mark: str, version: int, person: str, up: bool, now: float) -> None: ...

    async def settings(self, scopes: Sequence[Scope]) -> Sequence[SettingRow]: ...

    async def set_settings(self, scope: Scope, values: Mapping[str, Any], set_by: str, now: float) -> None:
        """Set several keys at once; a value of ``None`` clears the key."""
        ...

    async def reset_settings(self, scope: Scope) -> int:
        """Clear every key of the scope; returns how many there were."""
        ...

    async def usage(self, platform: str, workspace: str, since: float, channel: str = "", person: str = "") -> Spent:
        """The ledger's sum since a time: of the workspace, or only of a channel or a person in it."""
        ...

    async def forget_workspace(self, platform: str, workspace: str) -> int:
        """Remove everything kept of a workspace, some at a time; returns how many conversations there were."""
        ...

    async def share(self, needs: Sequence[Need], ahead: float) -> Mapping[str, Slice]:
        """Trade slices of the buckets that processes share, by key; nothing where not ``shared``.

        They flow for ``ahead`` seconds and are kept for a lease, each from now on; then others have them.
        """
        ...

    async def counts(self) -> Mapping[str, int]:
        """For health and metrics: accepted, unsettled, messages, conversations."""
        ...

    async def check(self) -> None:
        """A write and a read that leave nothing behind. Raises ``StoreError``, and ``StoreDamaged`` for ever once
        anything found the database so."""
        ...

    async def close(self) -> None: ...
