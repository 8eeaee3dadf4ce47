"""What goes wrong with single calls: of Slack's Web API, and of the model."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.chaos.script import answer_to, asked, pace_of
from tests.emulators.llm import Script
from tests.emulators.slack import Slack

_METHODS = (
    "chat.postMessage", "chat.update", "chat.startStream", "chat.appendStream", "chat.stopStream", "chat.delete",
    "conversations.replies", "assistant.threads.setStatus", "agents.sessions.setStatus", "users.info", "*",
)  # fmt: skip
_CALLS = 10  # of the Web API, for a turn


class Model:
    """The model: it answers every question with the text that belongs to it, or fails on purpose.

    ``calls``: how often each combination of questions was asked for. ``refused``: tokens whose request was refused at
    least once; ``broken``: those whose answer was broken off. ``empty``: requests without a question.
    """

    def __init__(self, rng: random.Random, errors: float) -> None:
        self._rng, self._errors = rng, errors
        self.calls: Counter[tuple[str, ...]] = Counter()
        self.refused: set[str] = set()
        self.broken: set[str] = set()
        self.empty = 0

    def answer(self, body: Mapping[str, Any]) -> Script:
        tokens = tuple(asked(body))
        if not tokens:
            self.empty += 1
            return Script(text="There is no question here.")
        self.calls[tokens] += 1
        if self._rng.random() < self._errors:
            return self._fail(tokens)
        return Script(text=answer_to(tokens), ttft=self._rng.uniform(0.05, 0.3), rate=pace_of(tokens))

    def _fail(self, tokens: tuple[str, ...]) -> Script:
        kind = self._rng.choice(["429", "500", "503", "closed", "reset", "end", "error_event"])
        if kind.isdigit():
            self.refused.update(tokens)
            wait = (("retry-after", "1"),) if kind == "429" else ()
            return Script(status=int(kind), body={"error": {"message": "on purpose", "type": "x"}}, headers=wait)
        if kind == "closed":
            self.refused.update(tokens)
            return Script(fault="closed")
        self.broken.update(tokens)
        after = self._rng.randint(0, 40)
        return Script(text=answer_to(tokens), ttft=0.1, rate=pace_of(tokens), fault=kind, after=after)


class Mishaps:
    """Faults of the Web API, strewn as turns are asked."""

    def __init__(self, slack: Slack, rng: random.Random, errors: float) -> None:
        self._slack, self._rng, self._share = slack, rng, errors * _CALLS
        self.count = 0

    def strew(self) -> None:
        """One turn's share of what goes wrong."""
        share = self._share
        while self._rng.random() < share:
            share -= 1.0
            self.count += 1
            method, rng = self._rng.choice(_METHODS), self._rng
            match rng.choice(["429", "500", "error", "before", "after", "slow", "hang"]):
                case "429":
                    self._slack.fault(method, status=429, retry_after=1)
                case "500":
                    self._slack.fault(method, status=rng.choice([500, 502, 503]))
                case "error":
                    self._slack.fault(method, error="internal_error")
                case "before":
                    self._slack.fault(method, reset="before")
                case "after":  # carried out, and nobody hears of it
                    self._slack.fault(method, reset="after")
                case "slow":
                    self._slack.fault(method, delay=rng.uniform(0.5, 2.0))
                case "hang":
                    self._slack.fault(method, hang=rng.choice(["before", "after"]))
