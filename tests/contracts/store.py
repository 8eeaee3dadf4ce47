"""What every ``Store`` must do. Subclass ``StoreContract`` and give the fixture ``house``.

A house opens stores on one set of data: ``crash`` drops the present store without any goodbye and opens the next
one on what it left.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from bot.errors import Superseded
from bot.events import Address, Author, AuthorKind, File
from bot.ports import (
    Accepted,
    AnswerRecord,
    Claim,
    EarlierMessage,
    Edited,
    Level,
    Need,
    NewTurn,
    Outcome,
    Scope,
    SettingRow,
    Spent,
    Store,
    StoredMessage,
    TurnKind,
    TurnState,
    Usage,
)
from bot.replies import Budget

ANN = Author("U1", "Ann", admin=True)
BOB = Author("U2", "Bob", AuthorKind.BOT, external=True)


def told(edited: Edited | None) -> tuple[int, bool] | None:
    return None if edited is None else (edited.seq, edited.newest)


class House(Protocol):
    """Stores on one set of data, one at a time."""

    store: Store

    async def crash(self) -> Store: ...


def place(thread: str = "t1") -> Address:
    return Address("web", "w1", "c1", thread)


def asked(message: str, thread: str = "t1", **changes: Any) -> NewTurn:
    """A question with the message id ``message``, whose text says so."""
    turn = NewTurn(
        event_key=f"web:w1:c1:{message}",
        address=place(thread),
        kind=TurnKind.ANSWER,
        author=ANN,
        direct=False,
        message_id=message,
        text=f"question {message}",
        files=(),
        sent_at=100.0,
    )
    return dataclasses.replace(turn, **changes)


def again(event: str, target: int, thread: str = "t1", **changes: Any) -> NewTurn:
    return asked(event, thread, kind=TurnKind.AGAIN, target=target, text="", message_id="ignored", **changes)


def said(text: str = "an answer", outcome: Outcome = Outcome.ANSWERED, **changes: Any) -> AnswerRecord:
    return dataclasses.replace(AnswerRecord(text, outcome), **changes)


def texts(messages: Sequence[StoredMessage]) -> list[str]:
    return [message.text for message in messages]


async def accept(store: Store, turn: NewTurn, now: float = 1.0) -> Accepted:
    accepted = await store.accept(turn, now)
    assert accepted is not None
    return accepted


async def begin(store: Store, turn: NewTurn, now: float = 1.0) -> Claim:
    claim = (await accept(store, turn, now)).claim
    assert claim is not None
    return claim


async def play(store: Store, claim: Claim, answer: AnswerRecord | None = None) -> Claim | None:
    """Answer and settle; returns the lane's next claim."""
    answer = answer or said(f"answer to {claim.message_id}")
    await store.answered(claim, answer, 2.0)
    return await store.settle(claim, answer.outcome, 3.0)


async def ask_and_answer(store: Store, *messages: str, thread: str = "t1") -> list[Claim]:
    claims = []
    for message in messages:
        claims.append(await begin(store, asked(message, thread)))
        assert await play(store, claims[-1]) is None
    return claims


async def read_all(store: Store, conversation: int, limit: int = 50) -> list[StoredMessage]:
    return list(await store.history(conversation, 1_000_000, limit))


class LaneContract:
    """One turn at a time, in order, none lost, none twice."""

    async def test_the_first_question_of_a_place_may_be_answered_at_once(self, house: House) -> None:
        turn = asked("m1", files=(File("f1", "a.txt", "text/plain", 3),), author=BOB, direct=True)
        accepted = await accept(house.store, turn, 7.0)
        claim = accepted.claim
        assert claim is not None
        assert accepted.first
        assert (claim.address, claim.author, claim.direct, claim.message_id) == (place(), BOB, True, "m1")
        assert (claim.kind, claim.state, claim.attempts) == (TurnKind.ANSWER, TurnState.GENERATING, 1)
        assert (claim.received_at, claim.answer_seq, claim.merged) == (7.0, claim.seq + 1, 1)
        (question,) = await house.store.question(claim.conversation, claim.seq, 1)
        assert (question.text, question.role, question.author_name) == ("question m1", "user", "Bob")
        assert (question.platform_id, question.created_at, question.files) == ("m1", 100.0, turn.files)

    async def test_a_conversation_began_with_its_first_question(self, house: House) -> None:
        await house.store.accept(asked("m1", sent_at=100.0), now=150.0)
        await house.store.accept(asked("m2", sent_at=200.0), now=250.0)
        conversation = await house.store.conversation(place())
        assert conversation is not None
        assert conversation.began == 100.0

    async def test_lively_conversations_are_those_where_something_was_said_lately(self, house: House) -> None:
        assert await house.store.lively("web", 0.0, 10) == []
        for number, thread in enumerate(["t1", "t2", "t3", "t1"]):
            await house.store.accept(asked(f"m{number}", thread, sent_at=100.0 + number), now=0.0)
        await house.store.record(place("t2"), ANN, "r1", "aside", (), 110.0)
        assert await house.store.lively("web", 0.0, 10) == [place("t2"), place("t1"), place("t3")]
        assert await house.store.lively("web", 102.5, 10) == [place("t2"), place("t1")]
        assert await house.store.lively("web", 0.0, 1) == [place("t2")]
        assert await house.store.lively("slack", 0.0, 10) == []

    async def test_an_event_is_accepted_once_whatever_became_of_it(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        assert await house.store.accept(asked("m1"), 2.0) is None
        assert await house.store.accept(asked("m2"), 2.0) is None
        upcoming = await play(house.store, claim)
        assert await house.store.accept(asked("m1"), 2.0) is None
        store = await house.crash()
        assert await store.accept(asked("m2"), 2.0) is None
        assert upcoming is not None
        assert texts(await read_all(store, claim.conversation)) == ["question m1", "answer to m1", "question m2"]

    async def test_a_duplicate_leaves_nothing_behind(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        assert await house.store.accept(asked("m1", text="other words"), 2.0) is None
        assert texts(await read_all(house.store, claim.conversation)) == ["question m1"]
        assert await play(house.store, claim) is None
        assert (await accept(house.store, asked("m2"))).seq == claim.seq + 2

    async def test_an_event_is_dealt_with_once_as_a_turn_or_without_one(self, house: House) -> None:
        turn, outright = asked("m1"), asked("m2")
        claim = await begin(house.store, turn)
        assert not await house.store.claim_event(turn.event_key, 2.0)
        assert await house.store.claim_event(outright.event_key, 2.0)
        store = await house.crash()
        assert not await store.claim_event(outright.event_key, 3.0)
        assert await store.accept(outright, 3.0) is None
        assert texts(await read_all(store, claim.conversation)) == ["question m1"]

    async def test_an_event_that_could_not_be_dealt_with_may_come_again(self, house: House) -> None:
        event = asked("m1")
        assert await house.store.claim_event(event.event_key, 1.0)
        await house.store.release_event(event.event_key)
        assert await house.store.claim_event(event.event_key, 2.0)
        await house.store.release_event(event.event_key)
        await begin(house.store, event)

    async def test_a_question_during_an_answer_waits(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        waiting = await accept(house.store, asked("m2"))
        assert (waiting.claim, waiting.first, waiting.conversation) == (None, False, claim.conversation)
        upcoming = await play(house.store, claim)
        assert upcoming is not None
        assert (upcoming.seq, upcoming.message_id, upcoming.attempts) == (waiting.seq, "m2", 1)

    async def test_conversations_do_not_wait_for_each_other(self, house: House) -> None:
        first = await begin(house.store, asked("m1", "t1"))
        second = await begin(house.store, asked("m2", "t2"))
        assert first.conversation != second.conversation
        assert first.mark != second.mark

    async def test_a_settled_lane_is_free(self, house: House) -> None:
        claims = await ask_and_answer(house.store, "m1", "m2", "m3")
        assert len({claim.mark for claim in claims}) == 3
        assert len({claim.epoch for claim in claims}) == 3

    async def test_waiting_questions_become_one_turn_in_order(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        for message in ("m2", "m3", "m4"):
            await accept(house.store, asked(message))
        upcoming = await play(house.store, claim)
        assert upcoming is not None
        assert (upcoming.message_id, upcoming.merged) == ("m4", 3)
        questions = await house.store.question(upcoming.conversation, upcoming.seq, upcoming.merged)
        assert texts(questions) == ["question m2", "question m3", "question m4"]
        assert await play(house.store, upcoming) is None
        assert texts(await read_all(house.store, claim.conversation)) == [
            "question m1",
            "answer to m1",
            "question m2",
            "question m3",
            "question m4",
            "answer to m4",
        ]

    async def test_without_merging_waiting_questions_are_answered_one_by_one(self, house: House) -> None:
        claim: Claim | None = await begin(house.store, asked("m1"))
        for message in ("m2", "m3"):
            await accept(house.store, asked(message))
        order = []
        while claim is not None:
            order.append((claim.message_id, claim.merged))
            claim = await house.store.settle(claim, Outcome.ANSWERED, 2.0, merge=False)
        assert order == [("m1", 1), ("m2", 1), ("m3", 1)]

    async def test_questions_with_different_overrides_are_not_merged(self, house: House) -> None:
        claim: Claim | None = await begin(house.store, asked("m1"))
        for message, overrides in (("m2", {}), ("m3", {}), ("m4", {"response_format": "json"}), ("m5", {})):
            await accept(house.store, asked(message, overrides=overrides))
        order = []
        while claim is not None:
            order.append((claim.message_id, claim.merged, dict(claim.overrides)))
            claim = await play(house.store, claim)
        assert order == [("m1", 1, {}), ("m3", 2, {}), ("m4", 1, {"response_format": "json"}), ("m5", 1, {})]

    async def test_making_a_reply_again_keeps_its_mark_its_place_and_its_parts(self, house: House) -> None:
        claim = await begin(house.store, asked("m1", overrides={"temperature": 0.2}))
        await house.store.shown(claim, ["p1", "p2"])
        await play(house.store, claim)
        accepted = await accept(house.store, again("again1", claim.seq, overrides={"edited": True}))
        repeat = accepted.claim
        assert repeat is not None
        assert (repeat.kind, repeat.mark, repeat.answer_seq) == (TurnKind.AGAIN, claim.mark, claim.answer_seq)
        assert (repeat.target, repeat.seq, repeat.message_id) == (claim.seq, accepted.seq, "m1")
        assert repeat.parts == ("p1", "p2")
        assert repeat.overrides == {"temperature": 0.2, "edited": True}
        assert repeat.seq > claim.answer_seq
        assert texts(await house.store.question(repeat.conversation, repeat.target, repeat.merged)) == ["question m1"]

    async def test_where_a_settled_reply_stands_is_kept_until_it_is_made_again(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await house.store.shown(claim, ["p1"])
        await play(house.store, claim)
        view = await house.store.turn(claim.mark)
        assert view is not None
        assert await house.store.moved(view, ["p1", "p2"])
        repeat = (await accept(house.store, again("again1", claim.seq))).claim
        assert repeat is not None
        assert repeat.parts == ("p1", "p2")
        assert not await house.store.moved(view, ["p1", "p2", "p3"])
        view = await house.store.turn(claim.mark)
        assert view is not None
        assert view.parts == ("p1", "p2")

    async def test_making_a_reply_again_is_never_merged(self, house: House) -> None:
        claim: Claim | None = await begin(house.store, asked("m1"))
        assert claim is not None
        await accept(house.store, asked("m2"))
        await accept(house.store, again("again1", claim.seq))
        await accept(house.store, asked("m3"))
        order = []
        while claim is not None:
            order.append((claim.kind, claim.message_id))
            claim = await play(house.store, claim)
        assert order == [
            (TurnKind.ANSWER, "m1"),
            (TurnKind.ANSWER, "m2"),
            (TurnKind.AGAIN, "m1"),
            (TurnKind.ANSWER, "m3"),
        ]

    async def test_making_a_merged_question_again_means_the_reply_that_answered_it(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        first = await accept(house.store, asked("m2"))
        await accept(house.store, asked("m3"))
        waiting = await accept(house.store, again("again1", first.seq))
        carrier = await play(house.store, claim)
        assert carrier is not None
        repeat = await play(house.store, carrier)
        assert repeat is not None
        assert (repeat.seq, repeat.mark, repeat.merged, repeat.target) == (waiting.seq, carrier.mark, 2, carrier.seq)
        assert await play(house.store, repeat) is None
        late = (await accept(house.store, again("again2", first.seq))).claim
        assert late is not None
        assert late.mark == carrier.mark

    async def test_a_reply_that_is_going_to_be_made_again_is_asked_for_once_unless_its_question_was_edited(
        self, house: House
    ) -> None:
        (first,) = await ask_and_answer(house.store, "m1")
        repeat = await begin(house.store, again("again1", first.seq))
        assert await house.store.accept(again("again2", first.seq), 1.0) is None
        await accept(house.store, again("edit1", first.seq, overrides={"edited": True}))
        assert (await play(house.store, repeat)) is not None

    async def test_an_edit_and_the_turn_that_answers_it_again_are_one_transaction(self, house: House) -> None:
        (first,) = await ask_and_answer(house.store, "m1")
        wanted = again("edit1", first.seq, overrides={"edited": True})
        edited = await house.store.edit_message(place(), "m1", "better", lambda reply: wanted, 2.0)
        assert edited is not None
        assert edited.reply is not None
        assert (edited.seq, edited.newest, edited.reply.mark) == (first.seq, True, first.mark)
        assert edited.again is not None
        assert edited.again.claim is not None
        assert texts(await house.store.question(first.conversation, first.seq, 1)) == ["better"]
        assert await house.store.edit_message(place(), "m1", "late again", lambda reply: wanted, 3.0) is None
        assert texts(await house.store.question(first.conversation, first.seq, 1)) == ["better"]

    async def test_a_merged_turn_whose_last_question_is_deleted_is_still_the_newest(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        await accept(house.store, asked("m3"))
        carrier = await play(house.store, claim)
        assert carrier is not None
        await play(house.store, carrier)
        await house.store.delete_message(place(), "m3")
        newest = await house.store.newest_turn(place())
        assert newest is not None
        assert newest.mark == carrier.mark

    async def test_making_an_unknown_reply_again_is_nothing(self, house: House) -> None:
        assert await house.store.accept(again("again1", 1), 1.0) is None
        claim = await begin(house.store, asked("m1"))
        assert await house.store.accept(again("again1", claim.seq + 100), 1.0) is None
        assert await house.store.accept(again("again1", claim.seq, "another thread"), 1.0) is None
        assert await play(house.store, claim) is None

    async def test_dropped_questions_are_not_answered(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        await accept(house.store, asked("m3"))
        assert await house.store.drop_waiting(claim.conversation, 2.0) == 2
        assert await house.store.drop_waiting(claim.conversation, 2.0) == 0
        assert await play(house.store, claim) is None
        assert (await begin(house.store, asked("m4"))).message_id == "m4"

    async def test_a_claim_is_worth_nothing_once_it_is_settled(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        upcoming = await play(house.store, claim)
        assert upcoming is not None
        with pytest.raises(Superseded):
            await house.store.settle(claim, Outcome.FAILED, 4.0)
        with pytest.raises(Superseded):
            await house.store.answered(claim, said("too late"), 4.0)
        with pytest.raises(Superseded):
            await house.store.shown(claim, ["p1"])
        assert await play(house.store, upcoming) is None


class CrashContract:
    """What a new process finds."""

    async def test_an_interrupted_turn_is_taken_up_with_what_it_has_shown(self, house: House) -> None:
        claim = await begin(house.store, asked("m1", overrides={"seed": 3}))
        await house.store.shown(claim, ["p1", "p2"])
        (resumed,) = await (store := await house.crash()).resume(9.0)
        assert resumed == dataclasses.replace(
            claim, attempts=2, epoch=resumed.epoch, parts=("p1", "p2"), resumed=True, inherited=claim.seq
        )
        assert resumed.epoch > claim.epoch
        assert texts(await store.question(resumed.conversation, resumed.seq, resumed.merged)) == ["question m1"]
        (third,) = await (await house.crash()).resume(9.0)
        assert third.attempts == 3

    async def test_a_stored_answer_only_has_to_be_shown(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await house.store.answered(claim, said("half an answer", Outcome.CUT, notes=("It broke.",)), 2.0)
        store = await house.crash()
        (resumed,) = await store.resume(9.0)
        assert (resumed.state, resumed.outcome) == (TurnState.SHOWING, Outcome.CUT)
        assert (resumed.answer, resumed.notes) == ("half an answer", ("It broke.",))
        assert await store.settle(resumed, Outcome.CUT, 10.0) is None
        assert await (await house.crash()).resume(11.0) == []

    async def test_the_claims_of_the_dead_are_worth_nothing(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        store = await house.crash()
        (resumed,) = await store.resume(9.0)
        with pytest.raises(Superseded):
            await store.shown(claim, ["p1"])
        with pytest.raises(Superseded):
            await store.answered(claim, said(), 9.0)
        with pytest.raises(Superseded):
            await store.settle(claim, Outcome.ANSWERED, 9.0)
        assert await play(store, resumed) is None

    async def test_those_who_waited_come_after_the_interrupted_turn(self, house: House) -> None:
        await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        store = await house.crash()
        assert (await accept(store, asked("m3"))).claim is None
        (resumed,) = await store.resume(9.0)
        assert resumed.message_id == "m1"
        upcoming = await play(store, resumed)
        assert upcoming is not None
        assert (upcoming.message_id, upcoming.merged, upcoming.attempts) == ("m3", 2, 1)
        (merged,) = await (store := await house.crash()).resume(9.0)
        assert (merged.message_id, merged.merged) == ("m3", 2)
        assert texts(await store.question(merged.conversation, merged.seq, merged.merged)) == [
            "question m2",
            "question m3",
        ]

    async def test_a_claim_tells_what_was_asked_before_this_process_had_the_lane(self, house: House) -> None:
        assert (await begin(house.store, asked("m1"))).inherited == 0
        second = await accept(house.store, asked("m2"))
        (head,) = await (store := await house.crash()).resume(9.0)
        await accept(store, asked("m3"))
        merged = await play(store, head)
        assert merged is not None
        assert (head.inherited, merged.inherited, merged.merged) == (second.seq, second.seq, 2)
        await accept(store, asked("m4"))
        fresh = await play(store, merged)
        assert fresh is not None
        assert (fresh.message_id, fresh.inherited) == ("m4", 0)

    async def test_every_lane_with_unsettled_turns_is_taken_up_once(self, house: House) -> None:
        await ask_and_answer(house.store, "m0", thread="t0")
        for thread in ("t1", "t2", "t3"):
            await begin(house.store, asked(f"{thread}-a", thread))
            await accept(house.store, asked(f"{thread}-b", thread))
        store = await house.crash()
        resumed = await store.resume(9.0)
        assert sorted(claim.message_id for claim in resumed) == ["t1-a", "t2-a", "t3-a"]
        assert list(await store.resume(9.0)) == []

    async def test_a_wish_to_stop_survives(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await house.store.ask_stop(claim.conversation, claim.seq)
        (resumed,) = await (await house.crash()).resume(9.0)
        assert resumed.stop

    async def test_an_interrupted_repetition_keeps_its_reply(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        repeat = await begin(house.store, again("again1", claim.seq))
        await house.store.shown(repeat, ["p9"])
        (resumed,) = await (await house.crash()).resume(9.0)
        assert (resumed.kind, resumed.target, resumed.mark) == (TurnKind.AGAIN, claim.seq, claim.mark)
        assert (resumed.parts, resumed.stop) == (("p9",), False)


class AnswerContract:
    """Answers, their versions, and what controls see of them."""

    async def test_history_reads_in_order_though_questions_queued_up(self, house: House) -> None:
        claim: Claim | None = await begin(house.store, asked("m1"))
        assert claim is not None
        conversation = claim.conversation
        await accept(house.store, asked("m2"))
        await house.store.record(place(), BOB, "r1", "by the way", (), 101.0)
        await accept(house.store, asked("m3"))
        while claim is not None:
            await house.store.answered(claim, said(f"answer to {claim.message_id}"), 2.0)
            claim = await house.store.settle(claim, Outcome.ANSWERED, 3.0, merge=False)
        history = await read_all(house.store, conversation)
        assert texts(history) == [
            "question m1",
            "answer to m1",
            "question m2",
            "answer to m2",
            "by the way",
            "question m3",
            "answer to m3",
        ]
        assert [m.role for m in history][:2] == ["user", "assistant"]
        assert sorted(m.seq for m in history) == [m.seq for m in history]

    @pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.CUT])
    async def test_a_partial_answer_stays_and_is_marked(self, house: House, outcome: Outcome) -> None:
        claim = await begin(house.store, asked("m1"))
        await play(house.store, claim, said("half", outcome))
        history = await read_all(house.store, claim.conversation)
        assert [(m.text, m.truncated) for m in history] == [("question m1", False), ("half", True)]

    @pytest.mark.parametrize(
        "answer", [said("The model did not answer.", Outcome.FAILED), said("  \n", Outcome.STOPPED)]
    )
    async def test_what_is_not_an_answer_does_not_enter_history(self, house: House, answer: AnswerRecord) -> None:
        claim = await begin(house.store, asked("m1"))
        await play(house.store, claim, answer)
        assert texts(await read_all(house.store, claim.conversation)) == ["question m1"]
        view = await house.store.turn(claim.mark)
        assert view is not None
        assert (view.outcome, view.text, view.version, view.versions) == (answer.outcome, "", 1, 1)

    async def test_a_reply_made_again_adds_a_version_and_history_reads_the_newest(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        for number in (2, 3):
            repeat = await begin(house.store, again(f"again{number}", claim.seq))
            assert await house.store.answered(repeat, said(f"version {number}"), 5.0) == (number, number)
            assert await house.store.settle(repeat, Outcome.ANSWERED, 6.0) is None
        (_, answer) = await read_all(house.store, claim.conversation)
        assert (answer.text, answer.version, answer.versions, answer.seq) == ("version 3", 3, 3, claim.answer_seq)

    async def test_history_reads_the_version_that_was_chosen(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await play(house.store, claim, said("first half", Outcome.STOPPED, receipt={"n": 1}))
        repeat = await begin(house.store, again("again1", claim.seq))
        await play(house.store, repeat, said("whole", receipt={"n": 2}))
        view = await house.store.choose_version(claim.mark, 1)
        assert view is not None
        assert (view.text, view.version, view.versions, view.receipt) == ("first half", 1, 2, {"n": 1})
        (_, answer) = await read_all(house.store, claim.conversation)
        assert (answer.text, answer.version, answer.truncated) == ("first half", 1, True)
        view = await house.store.choose_version(claim.mark, 2)
        assert view is not None
        assert (view.text, view.receipt) == ("whole", {"n": 2})
        assert await house.store.choose_version(claim.mark, 3) is None
        assert await house.store.choose_version(claim.mark, 0) is None
        assert await house.store.choose_version("nobody", 1) is None

    async def test_the_answer_to_an_edited_question_replaces_all_versions(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        await play(house.store, await begin(house.store, again("again1", claim.seq)), said("version 2"))
        repeat = await begin(house.store, again("edit1", claim.seq))
        assert await house.store.answered(repeat, said("afresh", replace_versions=True), 5.0) == (1, 1)
        await house.store.settle(repeat, Outcome.ANSWERED, 6.0)
        (_, answer) = await read_all(house.store, claim.conversation)
        assert (answer.text, answer.version, answer.versions) == ("afresh", 1, 1)
        assert await house.store.choose_version(claim.mark, 2) is None

    async def test_an_answer_stored_twice_under_one_claim_is_one_answer(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        repeat = await begin(house.store, again("again1", claim.seq))
        await house.store.answered(repeat, said("once"), 5.0)
        assert await house.store.answered(repeat, said("twice"), 5.0) == (2, 2)
        assert await house.store.settle(repeat, Outcome.ANSWERED, 6.0) is None
        assert (await house.store.choose_version(claim.mark, 1)) is not None
        view = await house.store.choose_version(claim.mark, 2)
        assert view is not None
        assert view.text == "twice"

    async def test_a_failed_repetition_leaves_the_version_that_stands(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        repeat = await begin(house.store, again("again1", claim.seq))
        assert await house.store.answered(repeat, said("No luck.", Outcome.FAILED), 5.0) == (1, 1)
        await house.store.settle(repeat, Outcome.FAILED, 6.0)
        assert texts(await read_all(house.store, claim.conversation)) == ["question m1", "answer to m1"]
        view = await house.store.turn(claim.mark)
        assert view is not None
        assert (view.text, view.outcome) == ("answer to m1", Outcome.FAILED)

    async def test_trimmed_history_stays_trimmed(self, house: House) -> None:
        first, second = await ask_and_answer(house.store, "m1", "m2")
        third = await begin(house.store, asked("m3"))
        await play(house.store, third, said("answer to m3", trimmed_before=second.seq))
        assert texts(await read_all(house.store, first.conversation))[0] == "question m2"
        await play(house.store, await begin(house.store, asked("m4")), said(trimmed_before=first.seq))
        assert texts(await read_all(house.store, first.conversation))[0] == "question m2"
        conversation = await house.store.conversation(place())
        assert conversation is not None
        assert (conversation.trimmed_before, conversation.cleared_before) == (second.seq, 0)

    async def test_the_ledger_is_summed_for_a_workspace_a_channel_and_a_person(self, house: House) -> None:
        used = Usage(prompt_tokens=5, completion_tokens=7)
        await play(house.store, await begin(house.store, asked("m1")), said(usage=used, cost=0.25, model="m"))
        await play(house.store, await begin(house.store, asked("m2", author=BOB)), said(usage=used, model="n"))
        whole = await house.store.usage("web", "w1", 0.0)
        assert whole == Spent(2, 10, 14, 0.25)
        assert await house.store.usage("web", "w1", 0.0, channel="c1") == whole
        assert await house.store.usage("web", "w1", 0.0, person=BOB.id) == Spent(1, 5, 7, None)
        for elsewhere in (
            await house.store.usage("web", "w2", 0.0),
            await house.store.usage("web", "w1", 0.0, channel="c2"),
            await house.store.usage("web", "w1", 1e12),
        ):
            assert elsewhere == Spent(0, 0, 0, None)

    async def test_a_workspace_that_is_forgotten_leaves_nothing_and_takes_nothing_of_others(self, house: House) -> None:
        elsewhere = Address("web", "w10", "c1", "t1")
        for number in range(60):
            await begin(house.store, asked(f"m{number}", thread=f"t{number}"))
        claim = await begin(house.store, asked("kept", address=elsewhere, event_key="web:w10:c1:kept"))
        here, there = Scope(Level.CHANNEL, "web:w1:c1"), Scope(Level.WORKSPACE, "web:w10")
        for scope in (here, Scope(Level.WORKSPACE, "web:w1"), there):
            await house.store.set_settings(scope, {"model": "m"}, "U1", 1.0)
        for key in ("web:w1:c1:told", "web:w10:c1:told"):
            await house.store.claim_event(key, 1.0)
        assert await house.store.forget_workspace("web", "w1") == 60
        assert await house.store.claim_event("web:w1:c1:told", 2.0)
        assert not await house.store.claim_event("web:w10:c1:told", 2.0)
        assert await house.store.conversation(place("t1")) is None
        assert [row.scope for row in await house.store.settings([here, Scope(Level.WORKSPACE, "web:w1"), there])] == [
            there
        ]
        await play(house.store, claim, said("still here"))
        assert await house.store.forget_workspace("web", "w1") == 0

    async def test_a_view_tells_what_controls_need(self, house: House) -> None:
        claim = await begin(house.store, asked("m1", direct=True))
        await house.store.shown(claim, ["p1"])
        running = await house.store.turn(claim.mark)
        assert running is not None
        assert (running.state, running.outcome, running.text) == (TurnState.GENERATING, None, "")
        usage = Usage(prompt_tokens=5, completion_tokens=7)
        receipt = {"settings": {"model": ["m", "channel"]}, "left_out": 0}
        await play(house.store, claim, said("done", usage=usage, cost=0.01, model="m", receipt=receipt))
        view = await house.store.turn(claim.mark)
        assert view is not None
        assert (view.conversation, view.seq, view.answer_seq) == (claim.conversation, claim.seq, claim.answer_seq)
        assert (view.address, view.author, view.direct, view.message_id) == (place(), ANN, True, "m1")
        assert (view.state, view.outcome, view.parts) == (TurnState.SETTLED, Outcome.ANSWERED, ("p1",))
        assert (view.text, view.receipt, view.newest) == ("done", receipt, True)
        assert await house.store.turn("nobody") is None

    async def test_a_view_follows_the_repetition_of_its_reply(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await play(house.store, claim, said("one", receipt={"n": 1}))
        repeat = await begin(house.store, again("again1", claim.seq, author=BOB))
        view = await house.store.turn(claim.mark)
        assert view is not None
        assert (view.state, view.outcome, view.seq, view.author) == (TurnState.GENERATING, None, claim.seq, ANN)
        assert (view.receipt, view.newest) == ({"n": 1}, True)
        await play(house.store, repeat)

    async def test_only_the_last_reply_is_the_newest(self, house: House) -> None:
        first, second = await ask_and_answer(house.store, "m1", "m2")
        assert [(v.newest if (v := await house.store.turn(c.mark)) else None) for c in (first, second)] == [False, True]
        newest = await house.store.newest_turn(place())
        assert newest is not None
        assert newest.mark == second.mark
        assert await house.store.newest_turn(place("elsewhere")) is None

    async def test_the_newest_turn_of_merged_questions_is_the_one_that_carries_the_reply(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        await accept(house.store, asked("m3"))
        carrier = await play(house.store, claim)
        newest = await house.store.newest_turn(place())
        assert carrier is not None
        assert newest is not None
        assert (newest.mark, newest.state) == (carrier.mark, TurnState.GENERATING)

    async def test_feedback_may_change_its_mind(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        await house.store.feedback(claim.mark, 1, "U1", True, 4.0)
        await house.store.feedback(claim.mark, 1, "U1", False, 5.0)


class HistoryContract:
    """What the model will read, and what people correct in it."""

    async def test_history_is_the_newest_messages_before_a_place_oldest_first(self, house: House) -> None:
        claims = await ask_and_answer(house.store, *(f"m{n}" for n in range(6)))
        history = await house.store.history(claims[0].conversation, claims[4].seq, 3)
        assert texts(history) == ["answer to m2", "question m3", "answer to m3"]
        assert await house.store.history(claims[0].conversation, claims[0].seq, 3) == []

    async def test_messages_are_recorded_only_in_known_conversations_and_once(self, house: House) -> None:
        assert not await house.store.record(place(), BOB, "r1", "hello", (), 5.0)
        assert await house.store.conversation(place()) is None
        (claim,) = await ask_and_answer(house.store, "m1")
        files = (File("f1", "a.png", "image/png", 9),)
        assert await house.store.record(place(), BOB, "r1", "hello", files, 5.0)
        assert not await house.store.record(place(), BOB, "r1", "hello", (), 5.0)
        assert not await house.store.record(place(), ANN, "m1", "question m1", (), 5.0)
        last = (await read_all(house.store, claim.conversation))[-1]
        assert (last.text, last.author_id, last.role, last.files) == ("hello", "U2", "user", files)
        assert [len(await read_all(house.store, claim.conversation))] == [3]

    async def test_a_recorded_message_that_becomes_a_question_is_there_once(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        await house.store.record(place(), ANN, "m2", "not for you", (), 5.0)
        await house.store.record(place(), BOB, "m3", "later", (), 5.0)
        turn = asked("m2", event_key="web:w1:c1:m2:edit:1", text="now for you")
        repeat = await begin(house.store, turn)
        assert texts(await house.store.question(repeat.conversation, repeat.seq, 1)) == ["now for you"]
        assert texts(await read_all(house.store, claim.conversation))[2:] == ["later", "now for you"]

    async def test_earlier_messages_come_first_and_only_once(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        file = File("f1", "notes.txt", "text/plain", 5)
        earlier = [EarlierMessage(f"e{n}", BOB, f"earlier {n}", float(n), (file,) * n) for n in range(3)]
        await house.store.backfill(claim.conversation, earlier)
        await house.store.backfill(claim.conversation, [EarlierMessage("e9", BOB, "again?", 0.5)])
        assert texts(await house.store.history(claim.conversation, claim.seq, 50)) == [
            "earlier 0",
            "earlier 1",
            "earlier 2",
        ]
        kept = await house.store.history(claim.conversation, claim.seq, 50)
        assert [message.files for message in kept] == [(), (file,), (file, file)]
        assert texts(await read_all(house.store, claim.conversation))[-1] == "question m1"

    async def test_a_long_thread_is_kept_from_its_newest_end(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        earlier = [EarlierMessage(f"e{n}", BOB, f"earlier {n}", float(n)) for n in range(1_200)]
        await house.store.backfill(claim.conversation, earlier)
        assert texts(await house.store.history(claim.conversation, claim.seq, 2)) == ["earlier 1198", "earlier 1199"]

    async def test_a_cleared_conversation_starts_anew_but_keeps_answering(self, house: House) -> None:
        first = (await ask_and_answer(house.store, "m1"))[0]
        assert await house.store.clear(place())
        assert not await house.store.clear(place("elsewhere"))
        assert await read_all(house.store, first.conversation) == []
        second = (await ask_and_answer(house.store, "m2"))[0]
        assert texts(await read_all(house.store, first.conversation)) == ["question m2", "answer to m2"]
        conversation = await house.store.conversation(place())
        assert conversation is not None
        assert conversation.answers
        assert first.answer_seq < conversation.cleared_before <= second.seq

    async def test_an_answer_under_way_when_the_conversation_is_cleared_stays_out(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await house.store.clear(place())
        await play(house.store, claim)
        assert await read_all(house.store, claim.conversation) == []

    async def test_an_edit_corrects_history_and_says_whether_it_was_the_newest_question(self, house: House) -> None:
        first, second = await ask_and_answer(house.store, "m1", "m2")
        assert told(await house.store.edit_message(place(), "m1", "better one")) == (first.seq, False)
        assert told(await house.store.edit_message(place(), "m2", "better two")) == (second.seq, True)
        assert await house.store.edit_message(place(), "m2", "better two") is None
        assert await house.store.edit_message(place(), "unknown", "x") is None
        assert await house.store.edit_message(Address("web", "w1", "other", "t1"), "m1", "x") is None
        await house.store.record(place(), BOB, "r1", "aside", (), 5.0)
        recorded = await house.store.edit_message(place(), "r1", "corrected")
        assert recorded is not None
        assert not recorded.newest
        assert texts(await read_all(house.store, first.conversation)) == [
            "better one",
            "answer to m1",
            "better two",
            "answer to m2",
            "corrected",
        ]

    async def test_an_edit_finds_its_message_without_being_told_the_thread(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        assert told(await house.store.edit_message(place(""), "m1", "better")) == (claim.seq, True)

    async def test_each_of_the_questions_merged_into_the_newest_turn_is_newest(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        first = await accept(house.store, asked("m2"))
        second = await accept(house.store, asked("m3"))
        await play(house.store, claim)
        assert told(await house.store.edit_message(place(), "m2", "a")) == (first.seq, True)
        assert told(await house.store.edit_message(place(), "m3", "b")) == (second.seq, True)
        assert told(await house.store.edit_message(place(), "m1", "c")) == (claim.seq, False)

    async def test_a_deleted_question_takes_its_answer_and_every_version_along(self, house: House) -> None:
        first, second = await ask_and_answer(house.store, "m1", "m2")
        await play(house.store, await begin(house.store, again("again1", second.seq)), said("version 2"))
        view = await house.store.delete_message(place(), "m2")
        assert view is not None
        assert (view.mark, view.state, view.text, view.newest) == (second.mark, TurnState.SETTLED, "", False)
        assert texts(await read_all(house.store, first.conversation)) == ["question m1", "answer to m1"]
        assert await house.store.question(second.conversation, second.seq, 1) == []
        assert await house.store.choose_version(second.mark, 1) is None
        assert await house.store.delete_message(place(), "m2") is None
        assert await house.store.edit_message(place(), "m2", "back?") is None
        newest = await house.store.newest_turn(place())
        assert newest is not None
        assert newest.mark == first.mark

    async def test_a_message_without_a_turn_is_deleted_quietly(self, house: House) -> None:
        (claim,) = await ask_and_answer(house.store, "m1")
        await house.store.record(place(), BOB, "r1", "aside", (), 5.0)
        assert await house.store.delete_message(place(), "r1") is None
        assert await house.store.delete_message(place(), "unknown") is None
        assert len(await read_all(house.store, claim.conversation)) == 2
        assert not await house.store.record(place(), BOB, "r1", "aside", (), 5.0)

    async def test_a_question_deleted_while_it_waits_is_cancelled(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        view = await house.store.delete_message(place(), "m2")
        assert view is not None
        assert (view.state, view.outcome) == (TurnState.SETTLED, Outcome.CANCELLED)
        assert await play(house.store, claim) is None

    async def test_a_question_deleted_while_it_is_answered_leaves_no_words(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        view = await house.store.delete_message(place(), "m1")
        assert view is not None
        assert (view.state, view.mark) == (TurnState.GENERATING, claim.mark)
        await house.store.answered(claim, said("too late"), 2.0)
        assert await read_all(house.store, claim.conversation) == []
        (resumed,) = await (await house.crash()).resume(9.0)
        assert resumed.answer == ""

    async def test_an_answer_stays_while_one_of_its_merged_questions_does(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await accept(house.store, asked("m2"))
        await accept(house.store, asked("m3"))
        carrier = await play(house.store, claim)
        assert carrier is not None
        await play(house.store, carrier)
        assert await house.store.delete_message(place(), "m3") is None
        questions = await house.store.question(carrier.conversation, carrier.seq, carrier.merged)
        assert texts(questions) == ["question m2"]
        assert texts(await read_all(house.store, claim.conversation))[-2:] == ["question m2", "answer to m3"]
        view = await house.store.delete_message(place(), "m2")
        assert view is not None
        assert view.mark == carrier.mark
        assert texts(await read_all(house.store, claim.conversation)) == ["question m1", "answer to m1"]

    async def test_excerpts_stay_with_their_message_until_it_is_deleted(self, house: House) -> None:
        claim = await begin(house.store, asked("m1"))
        await house.store.keep_excerpts(claim.conversation, claim.seq, ["page 1", "page 2"])
        (question,) = await house.store.question(claim.conversation, claim.seq, 1)
        assert question.excerpts == ("page 1", "page 2")
        await house.store.delete_message(place(), "m1")
        await house.store.keep_excerpts(claim.conversation, claim.seq, ["page 1"])
        assert await house.store.question(claim.conversation, claim.seq, 1) == []

    async def test_strange_characters_cost_nobody_an_answer(self, house: House) -> None:
        author = Author("U3", "Z\ud800oe")
        files = (File("f1", "n\udfffame\x00.txt", "text/plain", 1),)
        claim = await begin(house.store, asked("m1", text="a\x00b \ud83d é 🦜", author=author, files=files))
        (question,) = await house.store.question(claim.conversation, claim.seq, 1)
        assert (question.text, question.author_name) == ("ab ? é 🦜", "Z?oe")
        await play(house.store, claim, said("c\x00d \udc00", receipt={"why\ud800": ["x\udfff", 1, None]}))
        assert texts(await read_all(house.store, claim.conversation))[-1] == "cd ?"


class SettingsContract:
    """Settings, health."""

    channel = Scope(Level.CHANNEL, "web:w1:c1")
    thread = Scope(Level.THREAD, "web:w1:c1:t1")

    async def test_settings_keep_any_value_with_who_and_when(self, house: House) -> None:
        values = {"model": "m", "temperature": 0.5, "stop": ["a", "b"], "tools": False, "schema": {"a": {"b": 1}}}
        await house.store.set_settings(self.channel, values, "U1", 4.0)
        rows = await house.store.settings([self.channel])
        assert {row.key: row.value for row in rows} == values
        assert {(row.scope, row.set_by, row.set_at) for row in rows} == {(self.channel, "U1", 4.0)}
        assert {row.key: row.value for row in await (await house.crash()).settings([self.channel])} == values

    async def test_a_newer_value_replaces_and_none_clears(self, house: House) -> None:
        await house.store.set_settings(self.channel, {"model": "m", "seed": 1}, "U1", 4.0)
        await house.store.set_settings(self.channel, {"model": "n", "seed": None, "absent": None}, "U2", 5.0)
        assert await house.store.settings([self.channel]) == [SettingRow(self.channel, "model", "n", "U2", 5.0)]

    async def test_scopes_do_not_see_each_other(self, house: House) -> None:
        twin = Scope(Level.WORKSPACE, self.channel.id)
        await house.store.set_settings(self.channel, {"model": "c"}, "U1", 4.0)
        await house.store.set_settings(self.thread, {"model": "t"}, "U1", 4.0)
        await house.store.set_settings(twin, {"model": "w"}, "U1", 4.0)
        assert [row.value for row in await house.store.settings([self.channel])] == ["c"]
        both = await house.store.settings([self.thread, self.channel])
        assert {(row.scope, row.value) for row in both} == {(self.channel, "c"), (self.thread, "t")}
        assert await house.store.settings([]) == []

    async def test_resetting_a_scope_clears_it_alone(self, house: House) -> None:
        await house.store.set_settings(self.channel, {"model": "c", "seed": 1}, "U1", 4.0)
        await house.store.set_settings(self.thread, {"model": "t"}, "U1", 4.0)
        assert await house.store.reset_settings(self.channel) == 2
        assert await house.store.reset_settings(self.channel) == 0
        assert [row.value for row in await house.store.settings([self.channel, self.thread])] == ["t"]

    async def test_counts_tell_what_there_is(self, house: House) -> None:
        assert await house.store.counts() == {"accepted": 0, "unsettled": 0, "messages": 0, "conversations": 0}
        await ask_and_answer(house.store, "m1")
        await begin(house.store, asked("m2"))
        await accept(house.store, asked("m3"))
        assert await house.store.counts() == {"accepted": 3, "unsettled": 2, "messages": 4, "conversations": 1}

    async def test_slices_of_writes_are_given_where_there_are_others_and_only_there(self, house: House) -> None:
        await house.store.join(60.0)
        needs = [Need(key, Budget("b", rate=1.0, burst=3, reserve=1), now=2.0) for key in ("k1", "k2")]
        given = await house.store.share(needs, 6.0)
        assert {key: slice_.tokens for key, slice_ in given.items()} == (
            {"k1": 2.0, "k2": 2.0} if house.store.shared else {}
        )

    async def test_a_check_leaves_nothing_behind(self, house: House) -> None:
        before = await house.store.counts()
        await house.store.check()
        await house.store.check()
        assert await house.store.counts() == before


class StoreContract(LaneContract, CrashContract, AnswerContract, HistoryContract, SettingsContract):
    """All of it."""
