"""One turn, from the question to the stored answer. The file to read first.

A turn is claimed already when it gets here (``bot.desk`` and the store see to that); this module takes it
through these steps, each of which may be the last one before a crash:

1. *open*      find what an earlier, interrupted run of this turn has shown, and open the surface on it
2. *prepare*   read settings, history and files; build the prompt
3. *generate*  stream the completion into the delivery, which paces the writes
4. *store*     commit the answer with its usage, state SHOWING, before it is shown for the last time
5. *finish*    the last write with its notes and controls; clear the working sign

The caller settles the turn with the outcome this module returns, and takes the lane's next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bot.errors import CompletionFailed, Gone, ParleyError, SlowDown, StoreError, Superseded, TooLarge, Unsent
from bot.halt import Halt, Reason
from bot.lease import Lease
from bot.material import Material, MaterialReader
from bot.observe.metrics import Metrics
from bot.observe.receipt import receipt
from bot.ports import (
    AnswerRecord,
    Claim,
    Completions,
    Finished,
    Outcome,
    Platform,
    ReasoningDelta,
    Store,
    Surface,
    Switched,
    TextDelta,
    TurnKind,
    TurnState,
    TurnView,
    Waiting,
)
from bot.replies import Controls, Notice, Phase, Reply, Status
from bot.reply.delivery import FIRST_BACKOFF, LONGEST_BACKOFF, PATIENCE, Delivery
from bot.reply.fenced import FencedSurface
from bot.reply.pacing import Pacing
from bot.reply.status import StatusLine
from bot.settings.json_answers import problem_with

T = TypeVar("T")

_STORE_AGAIN = 0.5  # seconds between tries of a store that is away
ATTEMPTS = 3  # runs of one turn before it ends with an explanation instead of another try

INTERRUPTED_TEXT = "I was interrupted several times while answering this. Press Retry and I will try once more."
STOPPED_TEXT = "Stopped before anything was written."
STOPPED_LATE_TEXT = "Stopped. I was restarted at that moment, and what I had written is gone."
INTERRUPTED_NOTE = "I was interrupted several times while I made this again. Press Regenerate and I will try once more."
UNSAVED_NOTE = "I could not save this answer, so I will not remember it."
THINKING = Status(Phase.THINKING, "thinking")
BROKEN_NOTE = "This answer broke off before it was complete."
HALT_NOTES = {Reason.PERSON: "Stopped.", Reason.NEWER: "Stopped for a newer question."}


@dataclass(slots=True)
class Answer:
    """What generating has yielded so far, and what it was made from."""

    material: Material
    pieces: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    switches: list[Switched] = field(default_factory=list)
    finished: Finished | None = None
    failure: CompletionFailed | None = None
    halted: Reason | None = None
    asked_at: float = 0.0
    first_text_at: float | None = None
    last_text_at: float = 0.0

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def is_whole(self) -> bool:
        """The model came to its own end; else marks it left open are closed in what is shown."""
        return self.finished is not None and self.finished.reason == "stop" and self.halted is None

    @property
    def outcome(self) -> Outcome:
        has_text = any(piece.strip() for piece in self.pieces)
        if self.halted in (Reason.EDITED, Reason.DELETED):
            return Outcome.CANCELLED
        if self.halted is not None:
            return Outcome.STOPPED
        if self.failure is not None:
            return Outcome.CUT if has_text else Outcome.FAILED
        return Outcome.ANSWERED


@dataclass(slots=True)
class Stage:
    """Where a turn plays: its surface, the delivery that writes to it, and the working sign.

    ``kept``: the ids of the reply's parts as the store has them.
    """

    surface: Surface
    delivery: Delivery
    status: StatusLine
    kept: tuple[str, ...] = ()


class Turns:
    """Runs claimed turns. One instance serves all conversations; it keeps no state between turns."""

    def __init__(
        self,
        *,
        store: Store,
        completions: Completions,
        platforms: Mapping[str, Platform],
        material: MaterialReader,
        pacing: Pacing,
        metrics: Metrics,
        lease: Lease | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._lease = lease or Lease()
        self._store = store
        self._completions = completions
        self._platforms = platforms
        self._material = material
        self._pacing = pacing
        self._metrics = metrics
        self._wall = wall

    async def run(self, claim: Claim, halt: Halt) -> Outcome:
        """Take the claim to its outcome. Raises ``Superseded`` when the lane was lost: then nothing more is written."""
        try:
            stage = await self._open(claim, halt)
        except Unsent:
            return Outcome.UNDELIVERABLE
        is_ours = True
        try:
            return await self._play(claim, stage, halt)
        except (Gone, Unsent):  # closed to us, or away for longer than anybody waits
            return Outcome.UNDELIVERABLE
        except Superseded:
            is_ours = False
            raise
        finally:
            halt.over = True
            await stage.delivery.abandon()
            if is_ours and not halt.lost:
                await self._keep_parts(claim, stage)
            await (stage.status.clear() if is_ours and not halt.lost else stage.status.leave())

    async def show_version(self, view: TurnView, wanted: Callable[[], bool]) -> None:
        """Put the chosen version of a settled answer in place of what is shown, or the sentence that stands for one.

        The write may wait for its budget. Raises ``Superseded`` when it is not ``wanted`` any more by then.
        """
        reply = Reply(view.address, view.mark, view.message_id, view.author, direct=view.direct, parts=view.parts)
        stage = self._stage(reply, view, lambda: wanted() and self.may_write())
        if not view.text:
            await stage.delivery.replace(_said_instead(view.outcome), (), Controls(retry=True))
            return
        controls = Controls(regenerate=True, feedback=True, version=view.version, versions=view.versions)
        await stage.delivery.replace(view.text, _standing_notes(view), controls)

    async def explain_breakdown(self, claim: Claim, halt: Halt) -> Outcome:
        """Something of ours broke in the middle: the question still gets its visible outcome.

        Raises ``Superseded`` when the lane was lost.
        """
        try:
            stage = await self._open(claim, halt)
            try:
                if not await self._leave_older(claim, stage, Notice(ParleyError.default_text, error=True)):
                    await stage.delivery.replace(ParleyError.default_text, (), Controls(retry=True))
            finally:
                await stage.delivery.abandon()
            await stage.status.clear()
        except Superseded:
            raise
        except (ParleyError, OSError):
            return Outcome.UNDELIVERABLE
        return Outcome.FAILED

    # --- 1. open

    async def _open(self, claim: Claim, halt: Halt) -> Stage:
        parts, resumed = claim.parts, _has_run_before(claim)
        if resumed or (claim.target and not parts):  # a first run that was called off may have posted something
            parts = await self._posted(claim, halt)
            resumed = resumed or bool(parts)
        reply = Reply(claim.address, claim.mark, claim.message_id, claim.author, claim.direct, parts, resumed)
        return self._stage(reply, claim, lambda: not halt.lost and self.may_write())

    async def _posted(self, claim: Claim, halt: Halt) -> tuple[str, ...]:
        """What an earlier run has shown: what was kept of it, and what it had no time to keep. With nothing kept it is
        asked until it is known, for else it might be shown twice."""
        source = self._platforms[claim.address.platform].source(claim.address)
        pause, clock = FIRST_BACKOFF, asyncio.get_running_loop().time
        patient_until = clock() + PATIENCE
        while True:
            try:
                found = tuple(await source.posted(claim.mark, claim.message_id))
                return found if found[: len(claim.parts)] == claim.parts else claim.parts
            except Gone:
                return claim.parts
            except SlowDown as refusal:
                wait = max(refusal.retry_after, FIRST_BACKOFF)
            except Unsent:
                wait, pause = pause, min(LONGEST_BACKOFF, 2 * pause)
            if claim.parts:
                return claim.parts
            if clock() + wait > patient_until:
                raise Unsent("the platform did not say in time what stands there")
            await asyncio.sleep(wait)
            if halt.lost:
                raise Superseded

    def may_write(self) -> bool:
        """Asked before every write, and before each call that it takes. Raises ``Unsent`` while only the next beat can
        tell whether it may."""
        if not self._lease.stands:
            raise Unsent("no word from the database for too long")
        return True

    def _stage(self, reply: Reply, of: Claim | TurnView, fence: Callable[[], bool]) -> Stage:
        surface = FencedSurface(self._platforms[reply.address.platform].surface(reply), fence)

        async def keep(_: Sequence[str]) -> None:
            await self._keep_parts(of, stage)

        delivery = Delivery(
            surface, self._pacing, reply.mark, parts=reply.parts, on_parts=keep, fence=fence, metrics=self._metrics
        )
        stage = Stage(surface, delivery, StatusLine(surface, reply.resumed, fence), of.parts)
        return stage

    async def _keep_parts(self, of: Claim | TurnView, stage: Stage) -> None:
        """Note where the reply stands. What cannot be noted now is noted at the turn's end, or found by its mark."""
        ids = stage.delivery.ids
        if ids != stage.kept:
            with contextlib.suppress(StoreError):
                if isinstance(of, Claim):
                    await self._store.shown(of, ids)
                elif not await self._store.moved(of, ids):
                    return
                stage.kept = ids

    async def _play(self, claim: Claim, stage: Stage, halt: Halt) -> Outcome:
        source = self._platforms[claim.address.platform].source(claim.address)
        if claim.inherited and not await self._patiently(lambda: self._material.stands(claim, source), halt):
            await stage.delivery.remove()
            return Outcome.CANCELLED
        if claim.state is TurnState.SHOWING and claim.outcome is not None:
            await stage.delivery.replace(claim.answer, claim.notes, await self._controls(claim))
            return claim.outcome
        if claim.attempts > ATTEMPTS:
            if not await self._leave_older(claim, stage, None, (INTERRUPTED_NOTE,)):
                await stage.delivery.replace(INTERRUPTED_TEXT, (), Controls(retry=True))
            return Outcome.INTERRUPTED
        stage.status.set(THINKING)
        try:
            material = await self._patiently(lambda: self._material.read(claim, source), halt)
        except Superseded:
            raise
        except StoreError as error:
            await stage.delivery.replace(error.user_text, (), Controls(retry=True))
            return Outcome.FAILED
        if material is None:  # every question of this turn was deleted while it waited
            await stage.delivery.remove()
            return Outcome.CANCELLED
        answer = await self._generate(claim, material, stage, halt)
        halt.over = True
        return await self._conclude(claim, answer, stage, halt)

    async def _patiently(self, ask: Callable[[], Awaitable[T]], halt: Halt) -> T:
        """Ask the store. Where others may take over, ask again until it is back or the lane is lost.

        A store that takes our beats but not this is not away: then its refusal counts, a lease later.
        """
        clock = asyncio.get_running_loop().time
        since = clock()
        while True:
            try:
                return await ask()
            except Superseded:
                raise
            except StoreError:
                if not self._lease.is_limited or (self._lease.stands and clock() - since > self._lease.seconds):
                    raise
                await asyncio.sleep(_STORE_AGAIN)
                if halt.lost:
                    raise Superseded from None

    # --- 3. generate

    async def _generate(self, claim: Claim, material: Material, stage: Stage, halt: Halt) -> Answer:
        answer = Answer(material, asked_at=self._wall())
        if claim.stop:
            halt.ask(Reason.PERSON)
        stage.delivery.start(live=material.settings.stream != "final")
        is_first_run = claim.attempts == 1 and not claim.resumed
        self._metrics.asked(answer.asked_at - claim.received_at if is_first_run else None)
        reading = asyncio.create_task(self._ask(claim, answer, stage))
        try:
            halted = await halt.guard(reading)
        except CompletionFailed as failure:
            answer.failure, halted = failure, False
        if halt.lost:
            raise Superseded
        stage.delivery.hold()
        if halted:
            answer.halted = halt.reason
        return answer

    async def _ask(self, claim: Claim, answer: Answer, stage: Stage) -> None:
        """Read the answer. A refusal for size can teach a limit that nobody knew: then ask again with what fits it."""
        try:
            await self._read(answer, stage)
        except TooLarge as refusal:
            try:
                less = await self._material.read(claim, self._platforms[claim.address.platform].source(claim.address))
            except StoreError:
                raise refusal from None
            if less is None or less.request.prompt_tokens >= answer.material.request.prompt_tokens:
                raise
            answer.material = less
            answer.switches.clear()
            await self._read(answer, stage)

    async def _read(self, answer: Answer, stage: Stage) -> None:
        """The hot path: one pass for each network read, whatever it holds."""
        delivery, pieces = stage.delivery, answer.pieces
        async with contextlib.aclosing(self._completions.stream(answer.material.request)) as batches:
            async for batch in batches:
                fresh = [piece.text for piece in batch if type(piece) is TextDelta]
                if fresh:
                    text = fresh[0] if len(fresh) == 1 else "".join(fresh)
                    pieces.append(text)
                    delivery.feed(text)
                    answer.last_text_at = self._wall()
                    if answer.first_text_at is None:
                        answer.first_text_at = answer.last_text_at
                if len(fresh) != len(batch):
                    for piece in batch:
                        self._take_aside(piece, answer, stage)
                if delivery.gone:
                    raise Gone("the place of this reply is gone")

    def _take_aside(self, piece: object, answer: Answer, stage: Stage) -> None:
        if isinstance(piece, ReasoningDelta):
            answer.reasoning.append(piece.text)
        elif isinstance(piece, Waiting):
            stage.status.set(Status(Phase.WAITING, piece.why) if piece.why else THINKING)
        elif isinstance(piece, Switched):
            answer.switches.append(piece)
        elif isinstance(piece, Finished):
            answer.finished = piece

    # --- 4. store and 5. finish

    async def _conclude(self, claim: Claim, answer: Answer, stage: Stage, halt: Halt) -> Outcome:
        outcome = answer.outcome
        self._metrics.completed(answer.finished, answer.failure)
        if outcome is Outcome.CANCELLED:
            if answer.halted is Reason.DELETED:
                await stage.delivery.remove()
            return outcome
        if not answer.text.strip():
            return await self._explain(claim, answer, stage, outcome)
        notes = _notes(answer)
        controls = Controls(regenerate=True, feedback=True)
        try:
            record = self._record(claim, answer, notes)
            version, versions = await self._patiently(lambda: self._store.answered(claim, record, self._wall()), halt)
            controls = replace(controls, version=version, versions=versions)
        except Superseded:
            raise
        except StoreError:
            notes = (*notes, UNSAVED_NOTE)
        await stage.delivery.finish(notes, controls, whole=answer.is_whole)
        self._metrics.shown(
            first_text=(answer.first_text_at or answer.asked_at) - claim.received_at,
            tail=self._wall() - answer.last_text_at,
        )
        return outcome

    async def _explain(self, claim: Claim, answer: Answer, stage: Stage, outcome: Outcome) -> Outcome:
        """No text came: a plain sentence takes the answer's place, or is told aside when an older version stands."""
        failed = answer.failure is not None
        stopped = STOPPED_LATE_TEXT if _has_run_before(claim) and stage.delivery.ids else STOPPED_TEXT
        text = answer.failure.user_text if answer.failure is not None else stopped
        if outcome is Outcome.ANSWERED:  # the client reports an empty answer as a failure; spaces alone end here
            text, outcome, failed = "The model gave an empty answer. Please try again.", Outcome.FAILED, True
        if not await self._leave_older(claim, stage, Notice(text, error=failed)):
            await stage.delivery.replace(text, (), Controls(retry=True))
        return outcome

    async def _leave_older(self, claim: Claim, stage: Stage, aside: Notice | None, notes: tuple[str, ...] = ()) -> bool:
        """An answer that could not be made again stands as it was, with its versions; False when there is none."""
        view = None
        if claim.kind is TurnKind.AGAIN and claim.parts:
            with contextlib.suppress(StoreError):
                view = await self._store.turn(claim.mark)
        if view is None or not view.text:
            return False
        controls = Controls(regenerate=True, feedback=True, version=view.version, versions=view.versions)
        await stage.delivery.replace(view.text, (*_standing_notes(view), *notes), controls)
        if aside is not None:
            await stage.surface.tell(claim.author.id, aside)
        return True

    async def _controls(self, claim: Claim) -> Controls:
        view = None
        with contextlib.suppress(StoreError):
            view = await self._store.turn(claim.mark)
        if view is None:
            return Controls(regenerate=True, feedback=True)
        return Controls(regenerate=True, feedback=True, version=view.version, versions=view.versions)

    def _record(self, claim: Claim, answer: Answer, notes: tuple[str, ...]) -> AnswerRecord:
        finished, material = answer.finished, answer.material
        usage = finished.usage if finished is not None else None
        model = finished.model if finished is not None and finished.model else material.request.model
        first = None if answer.first_text_at is None else (answer.first_text_at - answer.asked_at) * 1000
        return AnswerRecord(
            text=answer.text,
            outcome=answer.outcome,
            notes=notes,
            model=model,
            usage=usage,
            cost=material.cost(self._completions.profile(model), usage),
            receipt=receipt(
                model=model,
                settings=material.told_settings(),
                messages=len(material.request.messages),
                left_out=material.left_out,
                notices=material.notices,
                finished=finished,
                failure=answer.failure.kind if answer.failure is not None else "",
                first_text_ms=first,
                seconds=self._wall() - answer.asked_at,
            ),
            error_kind=answer.failure.kind if answer.failure is not None else "",
            trimmed_before=material.trimmed_before,
            replace_versions=bool(claim.overrides.get("edited")),
            first_text_ms=first,
        )


def _standing_notes(view: TurnView) -> tuple[str, ...]:
    """What is still to be said of the version shown: its other notes were words of its moment, and are not kept."""
    if view.ended is Outcome.STOPPED:
        return (HALT_NOTES[Reason.PERSON],)
    return (BROKEN_NOTE,) if view.ended is Outcome.CUT else ()


def _said_instead(outcome: Outcome | None) -> str:
    """The sentence for a reply that has no answer; what exactly failed is in its receipt."""
    if outcome is Outcome.STOPPED:
        return STOPPED_TEXT
    return INTERRUPTED_TEXT if outcome is Outcome.INTERRUPTED else ParleyError.default_text


def _has_run_before(claim: Claim) -> bool:
    """An earlier run was broken off: what it has shown, and what became of the question since, is not known here."""
    return claim.resumed or claim.attempts > 1


def _notes(answer: Answer) -> tuple[str, ...]:
    """What stands apart from the answer; empty in the ordinary case."""
    material = answer.material
    notes = list(material.notices)
    if answer.switches:
        why = " and ".join(switch.why for switch in answer.switches)
        notes.append(f"Answered by {answer.switches[-1].model}, because {why}.")
    if material.settings.show_reasoning and answer.reasoning:
        notes.append("Reasoning: " + _clip(" ".join("".join(answer.reasoning).split()), 1_500))
    if answer.failure is not None:
        notes.append(answer.failure.user_text)
    if answer.halted is not None:
        notes.append(HALT_NOTES[answer.halted])
    elif answer.finished is not None and answer.finished.reason == "length":
        notes.append("Cut off at the token limit (max_completion_tokens).")
    elif answer.finished is not None and answer.finished.reason == "content_filter":
        notes.append("The provider's content filter ended this answer.")
    elif answer.failure is None and material.request.json is not None:
        notes.extend(problem_with(answer.text, material.request.json))
    return tuple(notes)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
