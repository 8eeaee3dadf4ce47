"""The provider's rate limits: what its headers said, and whether a request would be refused if it went now.

Pure: it is told the time and answers how long to wait. The request headers count requests per DAY and the token
headers tokens per MINUTE, always; no header shows the other two limits, and those are learnt from refusals. A
budget refills continuously, so what was left grows back between two answers. Waiting never helps a request
that is larger than the whole limit: that one goes out and the server says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.llm.durations import read_duration
from bot.ports import LimitState

_DAY = 86_400.0
_MINUTE = 60.0
_LEAST_ANSWER = 256  # tokens; less is not worth an answer


@dataclass(slots=True)
class _Account:
    """One budget: ``remaining`` at ``at``, what was sent since taken off. ``reset_in`` counts from ``told``."""

    limit: int
    remaining: float
    reset_in: float
    at: float
    told: float
    period: float

    def available(self, now: float) -> float:
        return min(float(self.limit), self.remaining + max(0.0, now - self.at) * self.limit / self.period)

    def spend(self, amount: float, now: float) -> None:
        self.remaining, self.at = max(0.0, self.available(now) - amount), now
        self.reset_in, self.told = self.until_reset(now) + amount * self.period / self.limit, now

    def until_reset(self, now: float) -> float:
        return max(0.0, self.reset_in - (now - self.told))

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there: by the refill, but never longer than the server's own reset."""
        missing = amount - self.available(now)
        if missing <= 0:
            return 0.0
        refill = missing * self.period / self.limit
        return min(refill, self.until_reset(now)) if self.reset_in else refill


class Limits:
    """The limits of every model of one server. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._requests: dict[str, _Account] = {}
        self._tokens: dict[str, _Account] = {}
        self._closed: dict[str, float] = {}

    def learn(self, model: str, headers: Mapping[str, str], now: float) -> None:
        """Take over the rate-limit headers of a response, where it has them."""
        for accounts, kind, period in ((self._requests, "requests", _DAY), (self._tokens, "tokens", _MINUTE)):
            limit = headers.get(f"x-ratelimit-limit-{kind}", "")
            remaining = headers.get(f"x-ratelimit-remaining-{kind}", "")
            if limit.isdigit() and remaining.lstrip("-").isdigit() and int(limit) > 0:
                reset = read_duration(headers.get(f"x-ratelimit-reset-{kind}", "")) or 0.0
                accounts[model] = _Account(int(limit), max(0, int(remaining)), reset, now, now, period)

    def learn_minute(self, model: str, limit: int, now: float) -> None:
        """A refusal named the tokens per minute; servers whose headers do not say them are learnt from this alone."""
        account = self._tokens.get(model)
        if account is None or account.limit != limit:
            self._tokens[model] = _Account(limit, limit, 0.0, now, now, _MINUTE)

    def spend(self, model: str, tokens: int, now: float) -> None:
        """A request goes out: count it until the next headers tell better."""
        for account, amount in ((self._requests.get(model), 1), (self._tokens.get(model), tokens)):
            if account is not None:
                account.spend(amount, now)

    def close(self, model: str, seconds: float, now: float) -> None:
        """The server refused and said when to come back."""
        self._closed[model] = max(self._closed.get(model, 0.0), now + seconds)

    def wait(self, model: str, tokens: int, now: float, ahead: int = 0) -> float:
        """Seconds until a request of ``tokens`` may go, with ``ahead`` tokens of others going before it; 0 is now."""
        longest = max(0.0, self._closed.get(model, 0.0) - now)
        if (requests := self._requests.get(model)) is not None:
            longest = max(longest, requests.wait(1, now))
        account = self._tokens.get(model)
        if account is not None and 0 < tokens <= account.limit:
            longest = max(longest, account.wait(ahead + tokens, now))
        return longest

    def minute(self, model: str) -> int | None:
        """The tokens per minute, where they are known."""
        account = self._tokens.get(model)
        return account.limit if account is not None else None

    def states(self, now: float) -> list[LimitState]:
        """What the provider last said, brought up to ``now``."""
        states = []
        for accounts, kind in ((self._requests, "requests/day"), (self._tokens, "tokens/minute")):
            for model, account in sorted(accounts.items()):
                left = int(account.available(now))
                states.append(LimitState(model, kind, account.limit, left, account.until_reset(now)))
        return states


def shrink_answer(prompt: int, limit: int) -> int | None:
    """The budget for an answer to ``prompt`` tokens where one minute has ``limit``; ``None`` when too little is left.

    It never takes more than half of the minute, or the next question would wait for a whole one.
    """
    room = min(limit - prompt, limit // 2)
    return room if room >= _LEAST_ANSWER else None


def grow_answer(sent: int, prompt: int, limit: int | None) -> int:
    """Twice the budget ``sent`` for an answer, as far as a minute allows; ``limit`` ``None``: as far as is known."""
    most = 2 * sent if limit is None else shrink_answer(prompt, limit) or sent
    return max(sent, min(2 * sent, most))
