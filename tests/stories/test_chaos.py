"""A small run of the chaos bench, and its audit on scenes in which one thing is wrong: it must find exactly that."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapters.slack.controls import metadata
from bot.storage.claims import mark_of
from bot.turn import INTERRUPTED_TEXT
from tests.chaos.audit import (
    DOUBLED,
    FALSE,
    HALF,
    LOST,
    ORDER,
    ORPHANS,
    SIGNS,
    STREAMS,
    Audit,
    Findings,
)
from tests.chaos.crowd import Question, Thread
from tests.chaos.database import Turn
from tests.chaos.mishaps import Model
from tests.chaos.options import Options, read_options
from tests.chaos.report import told
from tests.chaos.run import play
from tests.chaos.script import answer_to
from tests.emulators.slack import Delivery, Message, Slack
from tests.emulators.slack.deliveries import Carried
from tests.emulators.slack.messages import put
from tests.emulators.slack.records import Stream

SMALL = Options(
    turns=36,
    kills=3,
    deploys=1,
    pauses=1,
    restarts=1,
    drops=1,
    replicas=3,
    workspaces=3,
    crowd=8,
    lease=2.0,
    seed=4,
    patience=150,
)


async def test_whatever_breaks_every_accepted_question_has_its_one_outcome_in_order(tmp_path: Path) -> None:
    result = await play(SMALL, tmp_path)
    assert result.found.count == 0, told(result)
    assert result.trouble == [], told(result)
    assert result.found.accepted > SMALL.turns / 2
    assert (len(result.blows), result.counts["SIGTERM"]) == (SMALL.kills + SMALL.pauses, SMALL.deploys)
    assert [end.code for end in result.ends] == [0] * SMALL.deploys
    assert result.counts["database crashes"] == 1


async def test_alone_on_a_file_it_is_the_same(tmp_path: Path) -> None:
    options = replace(SMALL.alone(), turns=16, kills=2)
    result = await play(options, tmp_path)
    assert result.found.count == 0, told(result)
    assert result.trouble == [], told(result)


# --- the audit


@dataclass
class Scene:
    """A thread with two questions, whose answers are as the audit wants them until a test spoils something."""

    slack: Slack
    thread: Thread
    model: Model = field(default_factory=lambda: Model(random.Random(1), 0.0))
    turns: list[Turn] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)

    async def asks(self, token: str) -> Question:
        text = f"<@{self.slack.bot.id}> {token}"
        sent = len(self.slack.deliveries.all)
        at = self.slack.clock.now()
        message = await self.slack.says("ada", self.thread.channel, text, self.thread.root or None)
        await self.slack.settled()
        self.thread.root = self.thread.root or message.ts
        question = Question(0, token, message, False, self.slack.deliveries.all[sent:], at, tokens=[token])
        self.thread.questions.append(question)
        return question

    def key(self, question: Question) -> str:
        return f"slack:{self.thread.channel.team}:{self.thread.channel.id}:{question.message.ts}"

    def answers(self, question: Question, text: str = "", outcome: str = "answered", part: int = 0) -> Message:
        """The reply's message; and the turn's row, with its first part."""
        message = self.posts(text or answer_to([question.token]))
        message.metadata = metadata(mark_of(self.key(question)), part)
        if part == 0:
            seq = 1_000 + 2 * len(self.turns)
            key = self.key(question)
            where = f"slack:{self.thread.channel.team}:{self.thread.channel.id}:{self.thread.root}"
            self.turns.append(Turn(where, 1, seq, seq, key, mark_of(key), "answer", "settled", outcome, 1, 0.0, 1.0))
        return message

    def posts(self, text: str) -> Message:
        bot, channel = self.slack.bot, self.thread.channel
        message = Message(channel.id, self.slack.clock.stamp(), bot.id, bot.team, text, thread_ts=self.thread.root)
        message.bot_id, message.app_id = bot.bot_id, self.slack.app.id
        self.replies.append(put(self.slack.state, channel, message, "test"))
        return message

    def spoil(self, at: int, **changes: object) -> None:
        self.turns[at] = replace(self.turns[at], **changes)  # type: ignore[arg-type]  # whatever a test spoils

    def audit(self) -> Findings:
        return Audit(self.slack, self.model, [self.thread], self.turns).run()


class _Acknowledged:
    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        return Carried()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    slack = Slack()
    slack.deliveries.carrier = _Acknowledged()
    made = Scene(slack, Thread("talk", slack.general, ""))
    for token in ("q00001", "q00002"):
        made.answers(await made.asks(token))
    yield made
    await slack.deliveries.close()


def _two_replies(scene: Scene) -> None:
    scene.posts("x").metadata = scene.replies[0].metadata


def _half_a_text(scene: Scene) -> None:
    scene.replies[1].text = scene.replies[1].text[:80]


def _still_with_stop(scene: Scene) -> None:
    button = {"type": "button", "action_id": "parley_stop", "text": {"type": "plain_text", "text": "Stop"}}
    text = {"type": "markdown", "text": scene.replies[1].text}
    scene.replies[1].blocks = [text, {"type": "actions", "elements": [button]}]


def _open_stream(scene: Scene) -> None:
    now = scene.slack.clock.now()
    scene.replies[1].stream = Stream(now, now + 300, "", markdown=scene.replies[1].text)
    scene.slack.state.streams.append(scene.replies[1])


def _first_after_second(scene: Scene) -> None:
    scene.replies[0].metadata, scene.replies[1].metadata = scene.replies[1].metadata, scene.replies[0].metadata
    scene.replies[0].text, scene.replies[1].text = scene.replies[1].text, scene.replies[0].text


def _taken_out_of_turn(scene: Scene) -> None:
    scene.spoil(0, seq=1_002, reply_seq=1_002)
    scene.spoil(1, seq=1_000, reply_seq=1_000)


@pytest.mark.parametrize(
    ("spoil", "kinds"),
    [
        (lambda scene: None, set()),
        (lambda scene: scene.turns.pop(), {LOST, ORPHANS}),
        (lambda scene: scene.spoil(1, state="generating"), {LOST}),
        (lambda scene: setattr(scene.replies[1], "deleted", True), {LOST}),
        (lambda scene: scene.spoil(1, outcome="cancelled"), {HALF}),
        (_two_replies, {DOUBLED}),
        (lambda scene: scene.spoil(0, outcome="merged", reply_seq=scene.turns[1].seq), {DOUBLED, HALF}),
        (_half_a_text, {HALF}),
        (_still_with_stop, {HALF}),
        (_open_stream, {HALF, STREAMS}),
        (_first_after_second, {ORDER}),
        (_taken_out_of_turn, {ORDER}),
        (lambda scene: scene.posts("Nobody asked for this."), {ORPHANS}),
        (
            lambda scene: scene.slack.state.set_status(scene.thread.channel.id, scene.thread.root, "is thinking"),
            {SIGNS},
        ),
        (lambda scene: setattr(scene.replies[1], "text", "Sorry, there is no answer."), {FALSE}),
        (lambda scene: scene.spoil(1, outcome="stopped"), {HALF}),
        (lambda scene: scene.spoil(1, outcome="failed"), {HALF}),
        (lambda scene: scene.spoil(1, outcome="cut"), {HALF}),
        (lambda scene: setattr(scene.replies[1], "text", answer_to(["q00009"])), {HALF}),
    ],
)
async def test_the_audit_finds_what_is_wrong(scene: Scene, spoil: Callable[[Scene], object], kinds: set[str]) -> None:
    spoil(scene)
    found = scene.audit()
    assert {kind for kind, texts in found.wrong.items() if texts} == kinds, found.wrong


async def test_an_explanation_after_three_interrupted_tries_is_an_outcome_and_an_earlier_one_is_not(
    scene: Scene,
) -> None:
    scene.replies[1].text = INTERRUPTED_TEXT
    scene.spoil(1, outcome="interrupted", attempts=2)
    assert scene.audit().wrong[FALSE]
    scene.spoil(1, attempts=4)
    assert scene.audit().count == 0


async def test_what_the_platform_never_got_acknowledged_may_be_missing(scene: Scene) -> None:
    question = await scene.asks("q00003")
    for delivery in question.sent:
        delivery.state = "failed"
    found = scene.audit()
    assert (found.count, found.outcomes["not accepted"], found.accepted) == (0, 1, 2)


def test_a_run_can_be_made_again_from_what_it_prints() -> None:
    given = "--engine postgresql --mode socket --turns 7 --lease 5 --seed 3 --limits"
    (made,) = read_options(given.split())
    assert read_options(made.again().split()) == [made]
    assert [run.engine for run in read_options([])] == ["postgresql", "sqlite"]
    assert read_options(["--full"])[0].turns == 2_000
