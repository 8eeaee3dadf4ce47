"""Deliveries: events, commands and interactions on their way to the app, with retries, over one of two transports.

An event that is not acknowledged in time is sent again: at once, after a minute, after five (scaled by
``retry_factor``). Commands and interactions are sent once. A delivery can be held back, reordered, repeated and lost,
as if every attempt had failed.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Protocol

from tests.emulators.slack.limits import RETRY_DELAYS
from tests.emulators.slack.records import Json
from tests.emulators.slack.state import State


@dataclass(slots=True)
class Attempt:
    """``number``: 0 first. ``outcome``: acked, or why not. ``ended - at``: seconds until the acknowledgement."""

    number: int
    at: float
    outcome: str = "waiting"
    ended: float = 0.0


@dataclass(slots=True)
class Delivery:
    """``kind``: events_api, slash_commands or interactive. ``answer``: what the acknowledgement carried.

    ``state``: waiting, acked or failed. ``answers``: an answer may travel in the acknowledgement.
    """

    kind: str
    body: Json
    answers: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    answer: Json = field(default_factory=dict)
    state: str = "waiting"
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acked(self) -> bool:
        return self.state == "acked"

    @property
    def event(self) -> Json:
        """The inner event, {} for other kinds."""
        event: Json = self.body.get("event", {})
        return event


@dataclass(frozen=True, slots=True)
class Carried:
    """``problem``: "" when acknowledged, else Slack's retry reason. ``no_retry``: the app asked for none."""

    problem: str = ""
    answer: Json = field(default_factory=dict)
    no_retry: bool = False


class Carrier(Protocol):
    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        """Send once and wait for the acknowledgement; ``number`` > 0 marks a retry for ``reason``."""
        ...


class Deliveries:
    def __init__(self, state: State, carrier: Carrier) -> None:
        self.state, self.carrier = state, carrier
        self.all: list[Delivery] = []
        self.retry_factor = 1.0
        self.holding = self.losing = False
        self.double_next = 0
        self._held: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, delivery: Delivery) -> Delivery:
        """Put a delivery on its way, or hold it back, or lose it."""
        self.all.append(delivery)
        if self.losing:
            delivery.state = "failed"
            delivery.done.set()
            return delivery
        if self.holding:
            self._held.append(delivery)
            return delivery
        self._start(delivery)
        if self.double_next > 0 and delivery.kind == "events_api":
            self.double_next -= 1
            self.repeat(delivery)
        return delivery

    def repeat(self, delivery: Delivery) -> Delivery:
        """Deliver the same body again: same event id, marked as a retry."""
        again = Delivery(delivery.kind, delivery.body, delivery.answers)
        self.all.append(again)
        self._start(again, first=1)
        return again

    def release(self, order: str = "same") -> None:
        """Let the held deliveries go; ``order``: same, reversed or shuffled."""
        self.holding = False
        held, self._held = self._held, []
        if order == "reversed":
            held.reverse()
        elif order == "shuffled":
            random.Random(len(held)).shuffle(held)
        for delivery in held:
            self._start(delivery)

    async def settled(self) -> None:
        """Wait until nothing is under way: all acknowledged or given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, delivery: Delivery, first: int = 0) -> None:
        task = asyncio.create_task(self._deliver(delivery, first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, first: int) -> None:
        try:
            await self._attempt_all(delivery, first)
        finally:
            delivery.state = "acked" if delivery.state == "acked" else "failed"
            delivery.done.set()

    async def _attempt_all(self, delivery: Delivery, first: int) -> None:
        delays = RETRY_DELAYS if delivery.kind == "events_api" else ()
        reason = "http_timeout" if first else ""
        for number, delay in enumerate((0.0, *delays[first:]), start=first):
            if delay * self.retry_factor > 0:
                await asyncio.sleep(delay * self.retry_factor)
            attempt = Attempt(number, self.state.clock.now())
            delivery.attempts.append(attempt)
            carried = await self.carrier.carry(delivery, number, reason)
            attempt.ended, attempt.outcome = self.state.clock.now(), carried.problem or "acked"
            if not carried.problem:
                delivery.state, delivery.answer = "acked", carried.answer
                return
            if carried.no_retry:
                return
            reason = carried.problem
