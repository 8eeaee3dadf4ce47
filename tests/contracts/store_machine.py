"""Lanes under any sequence of events, deletions and crashes, against a model of a few lines.

Subclass ``LaneMachine``, say how a house is opened and closed, and run its ``TestCase``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.ports import Claim, NewTurn, Outcome, TurnKind, TurnState
from tests.contracts.store import House, again, asked, place, said, texts

T = TypeVar("T")


@dataclass(slots=True)
class Entry:
    """A turn as the model knows it. ``reply`` is the entry whose reply is meant; ``questions`` what it answers."""

    seq: int
    turn: NewTurn
    reply: Entry | None = None
    questions: list[str] = field(default_factory=list)
    attempts: int = 0
    shown: tuple[str, ...] = ()
    stored: str = ""

    @property
    def target(self) -> Entry:
        """The entry that carries the reply, through any merging."""
        entry = self
        while entry.reply is not None:
            entry = entry.reply
        return entry


@dataclass(slots=True)
class Lane:
    waiting: list[Entry] = field(default_factory=list)
    running: Entry | None = None
    claim: Claim | None = None
    done: list[Entry] = field(default_factory=list)
    epoch: int = 0
    history: list[str] = field(default_factory=list)


class LaneMachine(RuleBasedStateMachine):
    """Three lanes."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.house = self.wait(self.open_house())
        self.lanes = {thread: Lane() for thread in ("t1", "t2", "t3")}
        self.given: list[NewTurn] = []

    async def open_house(self) -> House:
        raise NotImplementedError("each engine says how")

    async def close_house(self, house: House) -> None:
        raise NotImplementedError("each engine says how")

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    threads = st.sampled_from(["t1", "t2", "t3"])

    # --- events

    def _accept(self, lane: Lane, turn: NewTurn, reply: Entry | None) -> None:
        accepted = self.wait(self.house.store.accept(turn, 1.0))
        assert accepted is not None
        self.given.append(turn)
        entry = Entry(accepted.seq, turn, reply)
        if reply is None:
            entry.questions = [turn.message_id]
        if lane.running is None:
            self._start(lane, entry, accepted.claim)
        else:
            assert accepted.claim is None, "two turns would run in one lane"
            lane.waiting.append(entry)

    @rule(thread=threads, json=st.booleans())
    def ask(self, thread: str, json: bool) -> None:
        overrides = {"json": True} if json else {}
        self._accept(self.lanes[thread], asked(f"m{len(self.given)}", thread, overrides=overrides), None)

    @rule(thread=threads, pick=st.randoms(use_true_random=False))
    def ask_again(self, thread: str, pick: Any) -> None:
        lane = self.lanes[thread]
        known = [entry for entry in [*lane.done, lane.running, *lane.waiting] if entry and entry.questions]
        if known:
            entry = pick.choice(known)
            turn = again(f"again{len(self.given)}", entry.seq, thread)
            asked_for = [one for one in [lane.running, *lane.waiting] if one and one.reply and not one.stored]
            if any(one.target is entry.target for one in asked_for):
                assert self.wait(self.house.store.accept(turn, 1.0)) is None, "it is going to be made again already"
            else:
                self._accept(lane, turn, entry)

    @precondition(lambda self: self.given)
    @rule(pick=st.randoms(use_true_random=False))
    def redeliver(self, pick: Any) -> None:
        assert self.wait(self.house.store.accept(pick.choice(self.given), 2.0)) is None

    @rule(thread=threads)
    def drop(self, thread: str) -> None:
        lane = self.lanes[thread]
        anybody = lane.claim or next((entry for entry in lane.done), None)
        if anybody is None:
            return
        conversation = self.wait(self.house.store.conversation(place(thread)))
        assert conversation is not None
        assert self.wait(self.house.store.drop_waiting(conversation.id, 2.0)) == len(lane.waiting)
        lane.waiting = []

    @rule(thread=threads)
    def delete_the_last_waiting_question(self, thread: str) -> None:
        lane = self.lanes[thread]
        questions = [entry for entry in lane.waiting if entry.turn.kind is TurnKind.ANSWER]
        if questions:
            gone = questions[-1]
            view = self.wait(self.house.store.delete_message(place(thread), gone.turn.message_id))
            assert view is not None
            assert view.outcome is Outcome.CANCELLED
            lane.waiting = [entry for entry in lane.waiting if entry.target is not gone]

    # --- running turns

    @rule(thread=threads)
    def show(self, thread: str) -> None:
        lane = self.lanes[thread]
        if lane.claim is not None and lane.running is not None:
            target = lane.running.target
            target.shown = (*target.shown, f"p{len(target.shown)}")
            self.wait(self.house.store.shown(lane.claim, target.shown))

    @rule(thread=threads)
    def answer(self, thread: str) -> None:
        lane = self.lanes[thread]
        if lane.claim is not None and lane.running is not None:
            lane.running.stored = f"answer {lane.running.seq}.{lane.running.attempts}"
            self.wait(self.house.store.answered(lane.claim, said(lane.running.stored), 2.0))

    @rule(thread=threads, merge=st.booleans())
    def settle(self, thread: str, merge: bool) -> None:
        lane = self.lanes[thread]
        if lane.claim is None or lane.running is None:
            return
        upcoming = self.wait(self.house.store.settle(lane.claim, Outcome.ANSWERED, 3.0, merge))
        lane.done.append(lane.running)
        lane.running = lane.claim = None
        if not lane.waiting:
            assert upcoming is None
            return
        head = lane.waiting[0]
        group = [head]
        if merge and head.reply is None:
            group = list(
                takewhile(
                    lambda entry: entry.reply is None and entry.turn.overrides == head.turn.overrides, lane.waiting
                )
            )
        lane.waiting = lane.waiting[len(group) :]
        carrier = group[-1]
        carrier.questions = [message for entry in group for message in entry.questions]
        for entry in group[:-1]:
            entry.reply, entry.questions = carrier, []
            lane.done.append(entry)
        self._start(lane, carrier, upcoming)

    def _start(self, lane: Lane, entry: Entry, claim: Claim | None) -> None:
        assert claim is not None, "a waiting turn was lost"
        lane.running, lane.claim = entry, claim
        entry.attempts += 1
        target = entry.target
        assert claim.seq == entry.seq
        assert claim.answer_seq == target.seq + 1
        assert claim.attempts == entry.attempts
        assert claim.merged == len(target.questions)
        assert claim.parts == target.shown
        assert claim.epoch > lane.epoch
        lane.epoch = claim.epoch
        assert claim.state is (TurnState.SHOWING if entry.stored else TurnState.GENERATING)
        assert claim.answer == entry.stored
        found = self.wait(self.house.store.question(claim.conversation, claim.target or claim.seq, claim.merged))
        assert texts(found) == [f"question {message}" for message in target.questions]

    # --- crashes

    @rule()
    def crash(self) -> None:
        store = self.wait(self.house.crash())
        claims = {claim.address.thread: claim for claim in self.wait(store.resume(9.0))}
        busy = {thread for thread, lane in self.lanes.items() if lane.running is not None}
        assert set(claims) == busy
        for thread in busy:
            lane = self.lanes[thread]
            assert lane.running is not None
            self._start(lane, lane.running, claims[thread])

    @invariant()
    def nothing_is_lost(self) -> None:
        counts = self.wait(self.house.store.counts())
        open_turns = sum(len(lane.waiting) + (lane.running is not None) for lane in self.lanes.values())
        assert counts["accepted"] == len(self.given)
        assert counts["unsettled"] == open_turns

    def teardown(self) -> None:
        try:
            for thread, lane in self.lanes.items():
                while lane.claim is not None:
                    self.settle(thread, True)
                assert not lane.waiting
        finally:
            self.wait(self.close_house(self.house))
            self.runner.close()
