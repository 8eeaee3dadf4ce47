"""The audit: what people see in the end, held against what the bot acknowledged.

Every accepted question has exactly one visible outcome: an answer of which each word is there, or a plain sentence
that says why there is none. What a reply may read follows from its turn's outcome and from what people and the model
did; nothing is taken from the bot's own word alone.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.ports import Outcome, TurnKind, TurnState
from bot.storage.claims import mark_of
from bot.turn import INTERRUPTED_NOTE, INTERRUPTED_TEXT, STOPPED_LATE_TEXT, STOPPED_TEXT
from tests.adapters.slack.conversing import is_final, markdown, under
from tests.chaos.crowd import Question, Thread
from tests.chaos.database import Turn
from tests.chaos.mishaps import Model
from tests.chaos.script import OPENING, answer_to, claimed, squeezed
from tests.emulators.slack import Message, Slack

# What can be found wrong.
LOST, DOUBLED, HALF, ORDER, ORPHANS = "lost", "doubled", "half shown", "out of order", "orphan messages"
STREAMS, SIGNS, FALSE = "open streams", "hanging statuses", "untrue or wrong text"
KINDS = (LOST, DOUBLED, HALF, ORDER, ORPHANS, STREAMS, SIGNS, FALSE)


@dataclass(slots=True)
class Findings:
    """``wrong``: what was found, by kind. ``outcomes``: of accepted questions. ``waits``: seconds from the question to
    its whole answer, of those that nobody changed."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    outcomes: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    accepted: int = 0
    places: set[tuple[str, str]] = field(default_factory=set)

    def blame(self, kind: str, channel: str, root: str, text: str) -> None:
        self.wrong[kind].append(f"{channel} {root} {text}")
        self.places.add((channel, root))

    @property
    def count(self) -> int:
        return sum(map(len, self.wrong.values()))


class Audit:
    """``turns``: every row of the database, read when nothing was under way any more."""

    def __init__(self, slack: Slack, model: Model, threads: Sequence[Thread], turns: Iterable[Turn]) -> None:
        self._slack, self._model, self._threads = slack, model, threads
        self._by_key = {turn.event_key: turn for turn in turns}
        self._by_place = {(turn.conversation, turn.seq): turn for turn in self._by_key.values()}
        self._again: dict[tuple[int, int], list[Turn]] = defaultdict(list)
        for turn in self._by_key.values():
            if turn.kind == TurnKind.AGAIN:
                self._again[turn.conversation, turn.reply_seq].append(turn)
        self._parts: dict[str, list[Message]] = defaultdict(list)
        self.found = Findings()

    def run(self) -> Findings:
        self._collect()
        for turn in self._by_key.values():
            if turn.state != TurnState.SETTLED:
                _, _, channel, root = turn.key.split(":")
                self.found.blame(LOST, channel, root, f"{turn.event_key} is {turn.state}, attempt {turn.attempts}")
        for thread in self._threads:
            for question in thread.questions:
                self._judge(thread, question)
            self._judge_order(thread)
        for message in self._slack.open_streams():
            self.found.blame(STREAMS, message.channel, message.thread_ts, message.ts)
        return self.found

    def _blame(self, kind: str, thread: Thread, text: str) -> None:
        self.found.blame(kind, thread.channel.id, thread.root, text)

    # --- what stands where

    def _collect(self) -> None:
        known = {mark_of(key) for key in self._by_key}
        threads = {(thread.channel.id, thread.root) for thread in self._threads}
        for channel in self._slack.state.channels.values():
            for message in self._slack.messages(channel):
                if message.app_id != self._slack.app.id or message.tombstone:
                    continue
                where = channel.id, message.thread_ts
                mark = ((message.metadata or {}).get("event_payload") or {}).get("mark", "")
                if mark not in known or where not in threads:
                    self.found.blame(ORPHANS, *where, f"{message.ts}: {markdown(message)[:60]!r}")
                if not is_final(message):
                    self.found.blame(HALF, *where, f"{message.ts} is not final: {markdown(message)[-60:]!r}")
                self._parts[mark].append(message)
        for thread in self._threads:
            sign = sign_of(self._slack, thread)
            if sign:
                self.found.blame(SIGNS, thread.channel.id, thread.root, f"{thread.story}: {sign!r}")

    # --- one question

    def _judge(self, thread: Thread, question: Question) -> None:
        if not question.accepted:
            self.found.outcomes["not accepted"] += 1
            return
        self.found.accepted += 1
        name = f"{question.token} ({thread.story})"
        turn = self._by_key.get(f"slack:{thread.channel.team}:{thread.channel.id}:{question.message.ts}")
        if turn is None:
            if question.deleted_at and question.raced:
                self.found.outcomes["deleted before it came"] += 1
            else:
                self._blame(LOST, thread, f"{name} has no turn")
            return
        carrier = self._by_place[turn.conversation, turn.reply_seq]
        if turn.outcome == Outcome.MERGED and self._parts.get(turn.mark):
            self._blame(DOUBLED, thread, f"{name} was merged and has a reply of its own")
        last = max([carrier, *self._again[turn.conversation, turn.reply_seq]], key=lambda it: it.seq)
        merged = "merged, " if carrier is not turn else ""
        self.found.outcomes[f"{merged}{last.outcome or last.state}"] += 1
        self._judge_reply(name, thread, question, last, self._parts.get(carrier.mark, []))

    def _judge_reply(self, name: str, thread: Thread, question: Question, last: Turn, shown: list[Message]) -> None:
        numbers = [int(((it.metadata or {}).get("event_payload") or {}).get("part", 0)) for it in shown]
        if len(set(numbers)) < len(numbers):
            self._blame(DOUBLED, thread, f"{name}: parts {numbers}")
            return
        parts = [part for _, part in sorted(zip(numbers, shown, strict=True), key=lambda pair: pair[0])]
        if not parts:
            if not question.deleted_at or last.outcome not in (Outcome.CANCELLED, Outcome.UNDELIVERABLE):
                self._blame(LOST, thread, f"{name}: {last.outcome or last.state} without a reply")
            return
        if sorted(numbers) != list(range(len(numbers))) or [part.ts for part in parts] != sorted(p.ts for p in parts):
            self._blame(HALF, thread, f"{name}: parts {numbers}")
        text = squeezed(" ".join(markdown(part) for part in parts))
        notes = " ".join(filter(None, map(_notes, parts)))
        wrong = self._wrong_with(thread, question, last, text, notes)
        if wrong:
            kind = HALF if text.startswith(OPENING) else FALSE
            self._blame(
                kind, thread, f"{name}: {last.outcome}: {wrong}: {text[:70]!r} … {text[-40:]!r}, notes {notes!r}"
            )
        elif not (question.edited_at or question.deleted_at or thread.stopped):
            self.found.waits.append(max(part.sights[-1].at for part in parts) - question.asked_at)

    def _wrong_with(self, thread: Thread, question: Question, last: Turn, text: str, notes: str) -> str:
        """What is wrong with this text as the outcome of this question; "" when nothing is."""
        tokens = claimed(text)
        whole = squeezed(answer_to(tokens)) if tokens else ""
        older = question.tokens[:-1] if question.may_read_older else []
        if last.outcome == Outcome.ANSWERED and not {question.token, *older} & set(tokens):
            return f"it is for {tokens}"
        match last.outcome:
            case Outcome.ANSWERED:
                return "" if text == whole and not notes else "it is not the model's text"
            case Outcome.CANCELLED:  # deleted after it had been answered, or while its last write was under way
                return "" if question.deleted_at and text == whole else "it was cancelled, and stands"
            case Outcome.STOPPED:
                said = text in (STOPPED_TEXT, STOPPED_LATE_TEXT) or (
                    self._is_begun(question, text) and "Stopped." in notes
                )
                return "nobody stopped it" if not thread.stopped else "" if said else "it does not say so"
            case Outcome.CUT:
                said = self._is_begun(question, text) and bool(notes)
                return "" if said and self._was_broken(question) else "it was not cut, or does not say so"
            case Outcome.FAILED:
                was = self._was_broken(question) or question.token in self._model.refused
                return "" if was and not tokens and len(text) > 20 else "nothing made it fail"
            case Outcome.INTERRUPTED:
                said = text == INTERRUPTED_TEXT or (bool(tokens) and INTERRUPTED_NOTE in notes)
                return "" if said and last.attempts > 3 else "it was not interrupted three times"
        return "no outcome that anybody may see"

    def _is_begun(self, question: Question, text: str) -> bool:
        """The text is the beginning of something that the model was asked to say to this question."""
        asked = (tokens for tokens in self._model.calls if set(question.tokens) & set(tokens))
        return bool(text) and any(squeezed(answer_to(tokens)).startswith(text) for tokens in asked)

    def _was_broken(self, question: Question) -> bool:
        return not self._model.broken.isdisjoint(question.tokens)

    # --- a whole thread

    def _judge_order(self, thread: Thread) -> None:
        """Replies stand in the order in which the questions were taken, and that is the order of asking where the
        next one was asked after the app had taken the one before."""
        places: list[tuple[int, str, Question]] = []
        for question in thread.questions:
            turn = self._by_key.get(f"slack:{thread.channel.team}:{thread.channel.id}:{question.message.ts}")
            if turn is not None and question.accepted:
                parts = self._parts.get(self._by_place[turn.conversation, turn.reply_seq].mark, [])
                places.append((turn.seq, min((part.ts for part in parts), default=""), question))
        asked = [seq for seq, _, _ in places]
        for (before, _, one), (after, _, two) in itertools.pairwise(places):
            if before > after and 0 < one.taken_at < two.asked_at:
                self._blame(ORDER, thread, f"{one.token} was taken before {two.token} was asked: {asked}")
        stamps = [ts for _, ts, _ in sorted(places, key=lambda place: place[0]) if ts]
        if stamps != sorted(stamps):
            self._blame(ORDER, thread, f"replies at {stamps}")


def sign_of(slack: Slack, thread: Thread) -> str:
    """The working sign that people see; nobody sees one in a thread that is gone."""
    is_gone = thread.channel.messages[thread.root].deleted
    return "" if is_gone else slack.status(thread.channel, thread.root)


def _notes(message: Message) -> str:
    found = [block for block in under(message) if block["type"] == "context"]
    return " ".join(element["text"] for block in found for element in block["elements"])
