"""The seams: what the core asks of platforms, of the model and of the store, and the values that cross.

Protocols live here, with their caller. Every implementation passes the suite of the same name in
``tests/contracts``; the fakes do too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from bot.events import Address, Author, File
from bot.replies import Budget, Dialect, Notice, Reply, Status, Way, Write

# --- platforms ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EarlierMessage:
    """A message that was in the thread before the bot was summoned. ``sent_at``: Unix seconds."""

    id: str
    author: Author
    text: str
    sent_at: float


class Surface(Protocol):
    """Where one reply can be shown. Bound to one ``Reply``; not safe for two writes at once."""

    dialect: Dialect

    def ways(self, write: Write) -> Sequence[Way]:
        """The manners in which this write could go out now, best first; never empty. No I/O."""
        ...

    async def show(self, write: Write, way: Way) -> str:
        """Carry the write and return the platform's message id of that part.

        Raises ``SlowDown``, ``Unsent`` or ``Gone``. Repeating a write must not make a second message.
        """
        ...

    async def tell(self, person: str, notice: Notice) -> None:
        """Show ``notice`` to one person of the conversation only; best effort."""
        ...

    async def status(self, status: Status) -> None:
        """Set, clear (``Phase.DONE``) or leave (``Phase.LEFT``) the working sign; best effort, idempotent."""
        ...

    async def close(self, parts: int) -> None:
        """The turn is over and ``parts`` parts stand: take away parts beyond them that an earlier version left."""
        ...


class Source(Protocol):
    """Where earlier messages and files are read, and where a lost reply is looked for."""

    async def earlier(self, before: str, limit: int) -> Sequence[EarlierMessage]:
        """What the thread held before message ``before``, oldest first, at most ``limit``, own replies left out."""
        ...

    async def file(self, file: File, limit: int) -> bytes:
        """At most ``limit`` bytes of a file. Raises ``Unsent`` or ``Gone``."""
        ...

    async def posted(self, mark: str, question: str = "") -> Sequence[str]:
        """The message ids of the parts already posted under ``mark``, in order; empty when there are none. They are
        no older than message ``question``, where it is given.

        Raises ``Unsent`` or ``SlowDown`` when that cannot be told now, ``Gone`` when it never will be.
        """
        ...

    async def stands(self, message: str) -> bool:
        """False when this message of a person is known to be deleted, as nobody may have told us while we were away."""
        ...


class Platform(Protocol):
    """An adapter as the core sees it. ``name`` is the ``Address.platform`` it serves."""

    name: str

    def surface(self, reply: Reply) -> Surface: ...

    def source(self, address: Address) -> Source: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``parley doctor``. ``fix`` is the exact thing to do, and only given when ``ok`` is False."""

    name: str
    ok: bool
    found: str
    fix: str = ""


class Shelf(Protocol):
    """Durable rows that belong to one adapter, by ``kind`` and ``id``; the core never reads them.

    ``value`` is JSON-able. ``list`` gives (id, value) by rising ``position``. Raises ``StoreError``.
    """

    async def put(self, kind: str, id: str, value: Mapping[str, Any], position: int = 0) -> None: ...

    async def get(self, kind: str, id: str) -> Mapping[str, Any] | None: ...

    async def remove(self, kind: str, id: str) -> None: ...

    async def list(self, kind: str, after: int = -1, limit: int = 1_000) -> Sequence[tuple[str, Mapping[str, Any]]]: ...


class Adapter(Protocol):
    """A surface of the running bot, as ``bot.wiring`` sees it.

    Each folder ``adapters/NAME`` offers three functions in its ``run`` module: ``configured(config)`` says whether
    its credentials are set, ``open(bot, config)`` gives the adapter, and ``check(config)`` the doctor's lines; it may
    take the adapter's ``shelf`` too. One that needs no account may offer ``rehearse(adapter)`` as well: a whole round
    trip through itself, as one ``Check``.
    ``routes`` are Starlette routes mounted on the one HTTP port.
    """

    name: str
    platform: Platform
    routes: Sequence[Any]

    async def start(self) -> None:
        """Connect. Returns when events can come in."""
        ...

    async def pause(self) -> None:
        """Take no more events; replies may still be shown."""
        ...

    async def close(self) -> None: ...

    def healthy(self) -> str:
        """Why this surface is deaf or disconnected, in a few words; "" when it is well."""
        ...


# --- the model ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One line of a prompt. ``role``: system, user or assistant."""

    role: str
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A named schema for structured outputs; ``name`` matches ``[A-Za-z0-9_-]{1,64}``."""

    name: str
    schema: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What to ask the model. ``None`` means: the provider's default. The client drops what a model does not take.

    ``json``: ``None`` for text, ``True`` for any JSON object, or a schema. ``user``: an opaque hash. ``prefill``:
    the beginning of the answer, which the answer text then includes. ``fallbacks``: models to try in order when
    the first cannot answer. ``prompt_tokens``: the estimate used to wait for the per-minute token limit.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_completion_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json: bool | JsonSchema | None = None
    reasoning_effort: str | None = None
    show_reasoning: bool = False
    service_tier: str | None = None
    prefill: str = ""
    user: str = ""
    fallbacks: tuple[str, ...] = ()
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is being generated for about ``seconds`` s; ``why`` for people: "third in line, about 6 s".

    ``why`` is "" when the wait is over and the model is asked.
    """

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Switched:
    """Another model of the fallback chain answers; ``why`` is a plain clause."""

    model: str
    why: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion; absent details are 0. Times in seconds."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    queue_time: float = 0.0
    total_time: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last piece. ``reason``: stop, length, content_filter, or another word the server used."""

    reason: str
    model: str
    usage: Usage | None = None
    request_id: str = ""
    seed: int | None = None


Piece = TextDelta | ReasoningDelta | Waiting | Switched | Finished


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What is known of a model. ``known`` is False for a model no data file names; it is then let through.

    Prices in US dollars per million tokens, ``None`` when unknown.
    """

    id: str
    context_window: int = 8_192
    max_completion: int = 4_096
    vision: bool = False
    efforts: tuple[str, ...] = ()
    json_object: bool = True
    json_schema: bool = False
    known: bool = False
    price_in: float | None = None
    price_cached: float | None = None
    price_out: float | None = None


@dataclass(frozen=True, slots=True)
class LimitState:
    """What the provider last said of a model's limits. ``kind``: requests/day or tokens/minute. Reset in seconds."""

    model: str
    kind: str
    limit: int
    remaining: int
    reset_in: float


@dataclass(frozen=True, slots=True)
class Backend:
    """Which model server answers. ``kind``: groq, server (a configured URL), local (found by itself) or guide."""

    kind: str
    name: str
    url: str = ""
    model: str = ""


class Completions(Protocol):
    """The model's side."""

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Sequence[Piece], None]:
        """Answer, in batches of pieces as they arrive (one batch per network read), ending with ``Finished``.

        Raises ``CompletionFailed``; after text has come it is ``Cut``. Closing the iterator (``aclose``) closes
        the request upstream at once. Retries and fallbacks happen inside, only before the first text.
        """
        ...

    async def models(self) -> Sequence[ModelProfile]:
        """The chat models the server lists now, cached for a few minutes. Raises ``CompletionFailed``."""
        ...

    def profile(self, model: str) -> ModelProfile:
        """What is known of ``model`` without I/O."""
        ...

    def limits(self) -> Sequence[LimitState]:
        """The newest rate-limit headers, per model."""
        ...

    def backend(self) -> Backend: ...

    async def close(self) -> None: ...


# --- settings ----------------------------------------------------------------------------------------


class Level(StrEnum):
    """Where a setting can be made, lowest first. ``PERSON`` takes the channel's place in a direct conversation."""

    DEPLOYMENT = "deployment"
    WORKSPACE = "workspace"
    CHANNEL = "channel"
    PERSON = "person"
    THREAD = "thread"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class Scope:
    """One level's place, e.g. (CHANNEL, "slack:T1:C1"). See ``bot.settings.resolve.scopes``."""

    level: Level
    id: str


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A value somebody set: JSON-able ``value``, by whom (platform user id) and when (Unix seconds)."""

    scope: Scope
    key: str
    value: Any
    set_by: str
    set_at: float


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of a settings form. ``kind``: text, long, number, choice or switch. ``value``: as typed; ""
    when not set at this level. ``effective`` and ``origin``: what counts now and from where, for people."""

    key: str
    label: str
    help: str
    kind: str
    value: str
    effective: str
    origin: str
    choices: tuple[str, ...] = ()
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """The settings form of one level. ``levels``: those the person may choose from."""

    level: Level
    levels: tuple[Level, ...]
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion of a command line: ``line`` is the whole new line, ``label`` and ``hint`` are for people."""

    line: str
    label: str
    hint: str = ""


# --- the store ---------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is ours and durable. ``claim`` is set when it is the lane's head and must be run now."""

    conversation: int
    seq: int
    claim: Claim | None
    first: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation the store knows. ``answers``: the bot takes part (it was asked at least once)."""

    id: int
    address: Address
    answers: bool
    trimmed_before: int
    cleared_before: int


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


class SignalKind(StrEnum):
    """What processes on one store tell each other at once. The rows say the same to whoever did not hear it."""

    STOP = "stop"  # a person wants this turn to stop
    NEWER = "newer"  # a newer question interrupts it
    EDITED = "edited"  # its question reads differently now
    DELETED = "deleted"  # its question is gone
    SETTINGS = "settings"  # somebody changed a setting
    FORGOTTEN = "forgotten"  # a workspace was removed
    SWEEP = "sweep"  # somebody let go of conversations
    LISTENING = "listening"  # signals come in from now on; earlier ones may have been missed
    DEAF = "deaf"  # no signals come in


@dataclass(frozen=True, slots=True)
class Signal:
    """``conversation`` and ``seq`` name the running turn that is meant, where one is."""

    kind: SignalKind
    conversation: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A running turn of this process as the store has it.

    ``stop``: somebody wants it to stop. ``stands``: a question that it answers is still there.
    """

    conversation: int
    epoch: int
    seq: int
    stop: bool
    stands: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What a process has to say of a bucket of writes that it shares with others, in tokens.

    Of its slice it keeps ``hand`` and gives ``back`` the rest that it has not spent. It wants more ``now`` for first
    and final writes and ``soon`` for previews. ``rest``: seconds that the platform told it to rest, where that is news.
    """

    key: str
    budget: Budget
    hand: float = 0.0
    back: float = 0.0
    now: float = 0.0
    soon: float = 0.0
    rest: float = 0.0

    @property
    def is_wanting(self) -> bool:
        """It uses the bucket; else it only gives back or tells."""
        return self.hand > 0 or self.now > 0 or self.soon > 0


@dataclass(frozen=True, slots=True)
class Slice:
    """What a process got of a bucket: ``tokens`` beside those it kept, and ``flow`` a second, up to ``most`` at once.

    ``left`` tokens are nobody's yet; ``sharers`` processes use the bucket. It rests for ``rest`` seconds, and its rate
    is ``factor`` of the full one, because the platform refused writes of it.
    """

    tokens: float
    flow: float
    most: float
    left: float
    sharers: int
    rest: float
    factor: float


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
        """Claim the event, store the question and queue its turn; ``None`` if the event was accepted before."""
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
        """A write and a read that leave nothing behind. Raises ``StoreError``."""
        ...

    async def close(self) -> None: ...
