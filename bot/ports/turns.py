"""A turn and its messages, from the question that is accepted to the answer that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.events import Address, Author, File
from bot.ports.completions import Usage


class TurnKind(StrEnum):
    ANSWER = "answer"
    AGAIN = "again"


class TurnState(StrEnum):
    RECEIVED = "received"
    GENERATING = "generating"
    SHOWING = "showing"
    SETTLED = "settled"


class Outcome(StrEnum):
    """How a settled turn ended. Every one of them is visible to people or was asked for by them."""

    ANSWERED = "answered"
    STOPPED = "stopped"
    FAILED = "failed"
    CUT = "cut"
    MERGED = "merged"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a conversation's history as it reads now.

    ``seq`` orders the conversation; ``role`` is user or assistant. ``version`` of ``versions`` is the one shown
    (answers only). ``truncated``: an answer that was stopped or cut. ``excerpts``: what was read of its files.
    """

    seq: int
    role: str
    author_id: str
    author_name: str
    text: str
    platform_id: str
    created_at: float
    files: tuple[File, ...] = ()
    version: int = 1
    versions: int = 1
    truncated: bool = False
    excerpts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A question to accept, or a reply to make again.

    ``event_key``: ``platform:workspace:channel:message id`` for messages (with ``:edit:REVISION`` for an edit that
    is answered again), the event's own id for buttons and commands. For ``AGAIN``, ``target`` is the ``seq`` of the
    turn whose reply is made again and no new message is stored.
    """

    event_key: str
    address: Address
    kind: TurnKind
    author: Author
    direct: bool
    message_id: str
    text: str
    files: tuple[File, ...]
    sent_at: float
    target: int = 0
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn this process may run: the fence is (``conversation``, ``epoch``).

    ``seq`` is the question's place (of the last one when several were merged: ``merged`` counts them), ``answer_seq``
    the reply's. ``mark`` names the reply for ever. ``parts``: ids shown so far. ``answer`` and ``outcome`` are set
    when the answer was stored already and only has to be shown (state SHOWING). ``attempts`` counts this run.
    For ``AGAIN``, ``seq`` is this turn's own place and ``target`` that of the question it answers again (else 0).
    ``resumed``: an earlier run was broken off, perhaps by a process that could not say what it had shown.
    ``inherited``: of what this turn answers, what was asked up to this place was asked before this process had the
    lane (0: nothing was): nobody here may have been told of its deletion.
    """

    conversation: int
    seq: int
    answer_seq: int
    epoch: int
    kind: TurnKind
    address: Address
    author: Author
    direct: bool
    message_id: str
    mark: str
    attempts: int
    received_at: float
    state: TurnState = TurnState.GENERATING
    parts: tuple[str, ...] = ()
    answer: str = ""
    outcome: Outcome | None = None
    notes: tuple[str, ...] = ()
    merged: int = 1
    target: int = 0
    stop: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    resumed: bool = False
    inherited: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is ours and durable. ``claim`` is set when it is the lane's head and must be run now."""

    conversation: int
    seq: int
    claim: Claim | None
    first: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation the store knows. ``answers``: the bot takes part (it was asked at least once). ``began``: Unix
    seconds of its first question."""

    id: int
    address: Address
    answers: bool
    trimmed_before: int
    cleared_before: int
    began: float


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What a turn produced, stored in one transaction before it is shown for the last time.

    ``receipt``: JSON-able facts for "why this answer" (settings with origin, what was left out, timings, request
    id). ``replace_versions``: an edited question's answer replaces all versions instead of adding one.
    """

    text: str
    outcome: Outcome
    notes: tuple[str, ...] = ()
    model: str = ""
    usage: Usage | None = None
    cost: float | None = None
    receipt: Mapping[str, Any] = field(default_factory=dict)
    error_kind: str = ""
    trimmed_before: int | None = None
    replace_versions: bool = False
    first_text_ms: float | None = None


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as controls and "why" need it. ``newest``: no later turn exists in its conversation.

    ``version`` of ``versions`` has ``text`` and is shown; ``ended``: the outcome of the run that made it.
    """

    conversation: int
    seq: int
    answer_seq: int
    address: Address
    author: Author
    direct: bool
    message_id: str
    mark: str
    state: TurnState
    outcome: Outcome | None
    parts: tuple[str, ...]
    newest: bool
    version: int
    versions: int
    text: str
    ended: Outcome | None
    receipt: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Edited:
    """A message reads differently now. ``again``: the turn accepted to answer it again, ``reply`` the one it is for."""

    seq: int
    newest: bool
    reply: TurnView | None = None
    again: Accepted | None = None
