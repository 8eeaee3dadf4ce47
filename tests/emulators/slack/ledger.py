"""What the app did: every call with its outcome, and every sin.

A sin is something Slack may let pass (or answers with an error) but that a well-made bot never does. A test that
ends with an empty ``sins`` has seen a polite bot. Arguments are kept as they came; tokens are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One Web API call. ``outcome``: "ok", Slack's error word, or what a fault did to it. Times in seconds.

    ``at`` is when it came in, ``ended`` when it was answered (or given up). ``carried_out``: the state changed, even
    if the answer was lost. ``status``: the HTTP status, 0 when there was no answer.
    """

    method: str
    team: str
    args: dict[str, Any]
    at: float
    outcome: str = "running"
    status: int = 0
    ended: float = 0.0
    carried_out: bool = False
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


@dataclass(frozen=True, slots=True)
class Sin:
    """``name`` is a stable word to assert on, ``where`` the method or channel, ``detail`` for the reader."""

    name: str
    where: str
    detail: str
    at: float


@dataclass(slots=True)
class Ledger:
    calls: list[Call] = field(default_factory=list)
    sins: list[Sin] = field(default_factory=list)

    def of(self, *methods: str) -> list[Call]:
        """The calls of these methods, oldest first; of all methods when none is named."""
        return [call for call in self.calls if not methods or call.method in methods]

    def sin(self, name: str, where: str, detail: str, at: float) -> None:
        self.sins.append(Sin(name, where, detail, at))

    def sin_names(self) -> list[str]:
        return [sin.name for sin in self.sins]
