"""What the app did: every REST call with its outcome, what it sent on the gateway, and every sin.

A sin is something Discord may let pass (or answers with an error) but that a well-made bot never does. A test that
ends with an empty ``sins`` has seen a polite bot. Tokens are never kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack.ledger import Sin


@dataclass(slots=True)
class Call:
    """One REST call. ``route`` is its short name (``create_message``), ``place`` the channel, guild or webhook.

    ``at``: when it came in, ``ended``: when it was answered, in monotonic seconds. ``status``: 0 when there was no
    answer; ``code``: Discord's error code. ``outcome``: "ok", "refused", "ratelimited", "hang", "reset" or "fault".
    ``carried_out``: the state changed, even if the answer was lost.
    """

    route: str
    path: str
    place: str
    body: Any
    at: float
    outcome: str = "running"
    status: int = 0
    code: int = 0
    ended: float = 0.0
    carried_out: bool = False
    files: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


@dataclass(slots=True)
class Ledger:
    """``frames``: what the app sent on the gateway, as (shard, opcode, monotonic seconds)."""

    calls: list[Call] = field(default_factory=list)
    frames: list[tuple[int, int, float]] = field(default_factory=list)
    sins: list[Sin] = field(default_factory=list)

    def of(self, *routes: str) -> list[Call]:
        """The calls of these routes, oldest first; of all routes when none is named."""
        return [call for call in self.calls if not routes or call.route in routes]

    def sin(self, name: str, where: str, detail: str, at: float) -> None:
        self.sins.append(Sin(name, where, detail, at))

    def sin_names(self) -> list[str]:
        return [sin.name for sin in self.sins]
