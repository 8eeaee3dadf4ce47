"""The people: threads in channels and direct rooms, follow-ups, edits, deletions, Stop; some deliveries come twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.adapters.slack.conversing import buttons, is_final, markdown
from tests.chaos.options import Options
from tests.chaos.script import LONG, ORDINARY, SLOW
from tests.emulators.slack import Channel, Delivery, Impossible, Message, Person, Slack

_LOOK = 0.1  # seconds
_LONGEST_WAIT = 90.0  # seconds somebody waits for an answer before going on
# What happens in a thread → how often.
_STORIES = {"alone": 30, "talk": 30, "rush": 12, "long": 4, "edited": 9, "deleted": 7, "stopped": 8}


@dataclass(slots=True, eq=False)
class Question:
    """``token``: what its text holds now. ``sent``: its deliveries. Times of the emulator's clock, 0: never.

    ``raced``: it was edited or deleted before the app had acknowledged it. ``told``: the delivery of its edit.
    """

    number: int
    token: str
    message: Message
    direct: bool
    sent: list[Delivery]
    asked_at: float
    edited_at: float = 0.0
    deleted_at: float = 0.0
    raced: bool = False
    tokens: list[str] = field(default_factory=list)
    told: Delivery | None = None

    @property
    def may_read_older(self) -> bool:
        """The app may not know of the edit, or have been told before it knew of the question."""
        return self.raced or (self.told is not None and not self.told.acked)

    @property
    def accepted(self) -> bool:
        """The app has acknowledged it at least once."""
        return any(delivery.acked for delivery in self.sent)

    @property
    def taken_at(self) -> float:
        """When it did so first; 0 when never."""
        acks = [attempt.ended for it in self.sent for attempt in it.attempts if attempt.outcome == "acked"]
        return min(acks, default=0.0)


@dataclass(slots=True, eq=False)
class Thread:
    """``stopped``: somebody pressed or said Stop in it."""

    story: str
    channel: Channel
    root: str
    questions: list[Question] = field(default_factory=list)
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Home:
    """One workspace as the crowd uses it."""

    people: tuple[Person, ...]
    channels: tuple[Channel, ...]
    bot: Person


class Crowd:
    """``asking(number)`` is called at each question, with how many there were before it; none is asked until
    ``may_ask`` says so."""

    def __init__(
        self,
        slack: Slack,
        options: Options,
        homes: list[Home],
        asking: Callable[[int], None],
        may_ask: Callable[[], bool],
    ) -> None:
        self._slack, self._options, self._homes = slack, options, homes
        self._asking, self._may_ask = asking, may_ask
        self.threads: list[Thread] = []
        self.asked = 0
        self.done: Counter[str] = Counter()
        self._aside: set[asyncio.Task[None]] = set()

    @property
    def questions(self) -> list[Question]:
        return [question for thread in self.threads for question in thread.questions]

    async def talk(self) -> None:
        """Ask until there were enough questions."""
        await asyncio.gather(*(self._stay(number) for number in range(self._options.crowd)))
        if self._aside:
            await asyncio.wait(self._aside)
        self._slack.release()

    async def _stay(self, number: int) -> None:
        """One place in the crowd: thread after thread, each with a chance of its own that the seed decides."""
        rng = random.Random(f"{self._options.seed} {number}")
        await asyncio.sleep(rng.uniform(0, 2))
        while self.asked < self._options.turns:
            story = rng.choices(list(_STORIES), list(_STORIES.values()))[0]
            home = rng.choice(self._homes)
            await self._play(story, home, rng)
            await asyncio.sleep(rng.uniform(0, 0.5))

    async def _play(self, story: str, home: Home, rng: random.Random) -> None:
        letter = {"long": LONG, "stopped": SLOW}.get(story, ORDINARY)
        person = rng.choice(home.people)
        direct = rng.random() < 0.15
        channel = self._slack.dm(person) if direct else rng.choice(home.channels)
        thread = Thread(story, channel, "")
        first = await self._ask(thread, home, person, letter, rng, direct)
        match story:
            case "talk":
                for _ in range(rng.randint(1, 3)):
                    await self._answered(thread, first)
                    await asyncio.sleep(rng.uniform(0, 1))
                    await self._ask(
                        thread, home, rng.choice(home.people) if not direct else person, letter, rng, direct
                    )
            case "rush":  # more questions while the first one is being answered
                for _ in range(rng.randint(1, 3)):
                    await self._taken(thread.questions[-1])
                    await asyncio.sleep(rng.uniform(0, 1.5))
                    await self._ask(thread, home, person, letter, rng, direct)
            case "edited":
                await self._change(first, person, rng, self._edit)
            case "deleted":
                await self._change(first, person, rng, self._delete)
            case "stopped":
                await self._stop(thread, home, person, rng)
        await self._answered(thread, thread.questions[-1])

    async def _ask(
        self, thread: Thread, home: Home, person: Person, letter: str, rng: random.Random, direct: bool
    ) -> Question:
        await self._until(self._may_ask)
        number = self.asked
        self.asked += 1
        self._asking(number)
        token = f"{letter}{number:05d}"
        text = f"Please tell me about {token}, and do not leave anything out."
        is_heard = any(question.accepted for question in thread.questions)  # else only a mention is for the bot
        if not (direct or (is_heard and rng.random() < 0.5)):
            text = f"<@{home.bot.id}> {text}"
        before, deliveries = len(self._slack.deliveries.all), self._slack.deliveries.all
        at = self._slack.clock.now()
        message = await self._slack.says(person, thread.channel, text, thread.root or None)
        question = Question(number, token, message, direct, deliveries[before:], at, tokens=[token])
        if not thread.root:
            thread.root = message.ts
            self.threads.append(thread)
        thread.questions.append(question)
        if rng.random() < 0.08:
            self._later(self._repeat(question, rng.uniform(0, 8)))
        if rng.random() < 0.04:
            self._later(self._hold(rng.uniform(0.1, 1.0)))
        return question

    # --- waiting

    async def _until(self, holds: Callable[[], object]) -> bool:
        until = time.monotonic() + _LONGEST_WAIT
        while not holds():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(_LOOK)
        return True

    async def _taken(self, question: Question) -> None:
        await self._until(lambda: question.accepted or all(it.done.is_set() for it in question.sent))

    async def _answered(self, thread: Thread, question: Question) -> None:
        """The thread's last word is a reply that is final, and later than the question's."""
        await self._taken(question)

        def is_answered() -> bool:
            if not question.accepted or question.message.deleted or question.message.tombstone:
                return True
            replies = self._replies(thread)
            return bool(replies) and all(map(is_final, replies)) and replies[-1].ts > question.message.ts

        await self._until(is_answered)

    def _replies(self, thread: Thread) -> list[Message]:
        return self._slack.replies(thread.channel, thread.root)

    # --- what else they do

    async def _change(
        self,
        question: Question,
        person: Person,
        rng: random.Random,
        change: Callable[[Question, Person], Awaitable[None]],
    ) -> None:
        if rng.random() < 0.8:
            await self._taken(question)
        await asyncio.sleep(rng.choice([0, rng.uniform(0, 1), rng.uniform(0, 4)]))
        question.raced = not question.accepted
        with contextlib.suppress(Impossible):
            await change(question, person)

    async def _edit(self, question: Question, person: Person) -> None:
        token = f"{question.token.partition('e')[0]}e{len(question.tokens)}"
        text = question.message.text.replace(question.token, token)
        before = len(self._slack.deliveries.all)
        await self._slack.edits(person, question.message, text)
        question.token = token
        question.tokens.append(token)
        question.edited_at = self._slack.clock.now()
        question.told = self._slack.deliveries.all[before]
        self.done["edited"] += 1
        await self._arrived(before)

    async def _delete(self, question: Question, person: Person) -> None:
        before = len(self._slack.deliveries.all)
        await self._slack.deletes(person, question.message)
        question.deleted_at = self._slack.clock.now()
        self.done["deleted"] += 1
        await self._arrived(before)

    async def _arrived(self, before: int) -> None:
        """What was announced since has been acknowledged, or given up."""
        sent = self._slack.deliveries.all[before : before + 1]
        await self._until(lambda: all(it.done.is_set() for it in sent))

    async def _stop(self, thread: Thread, home: Home, person: Person, rng: random.Random) -> None:
        begun = await self._until(lambda: any(markdown(reply) for reply in self._replies(thread)))
        await asyncio.sleep(rng.uniform(0, 2.5))
        if not begun or all(map(is_final, self._replies(thread))):
            return
        thread.stopped = True
        self.done["stopped"] += 1
        with contextlib.suppress(Impossible):
            way = rng.choice(["word", "button", "native"])
            drawn = [reply for reply in self._replies(thread) if "parley_stop" in buttons(reply)]
            if way == "button" and drawn:  # a stream has none
                await self._slack.presses(person, drawn[0], "parley_stop")
            elif way == "native":
                await self._slack.presses_stop(person, thread.channel, thread.root)
            else:
                await self._slack.says(person, thread.channel, f"<@{home.bot.id}> stop", thread.root)

    async def _repeat(self, question: Question, after: float) -> None:
        """Slack delivers it once more, late."""
        await asyncio.sleep(after)
        again = self._slack.deliveries.repeat(random.choice(question.sent))
        question.sent.append(again)
        self.done["repeated"] += 1

    async def _hold(self, seconds: float) -> None:
        """Everything comes late for a moment, and then in any order."""
        if not self._slack.deliveries.holding:
            self._slack.hold()
            self.done["held"] += 1
            await asyncio.sleep(seconds)
            self._slack.release("shuffled")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
