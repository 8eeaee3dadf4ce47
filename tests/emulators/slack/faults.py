"""Faults on demand: what Slack, or the network before it, does wrong to the next calls of a method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Moment = Literal["before", "after"]


@dataclass(slots=True)
class Fault:
    """What happens to the next ``left`` calls, after ``skip`` calls have been let through.

    ``status``: answer with this HTTP status (429 takes ``retry_after``). ``error``: Slack's ``ok: false``. ``hang``
    and ``reset``: never answer, or cut the connection, before the call is carried out or after it (a lost answer).
    ``delay``: seconds of waiting before anything else. ``hits`` counts the calls it met.
    """

    left: int
    status: int = 0
    error: str = ""
    retry_after: float | None = None
    hang: Moment | None = None
    reset: Moment | None = None
    delay: float = 0.0
    skip: int = 0
    hits: int = 0

    def takes(self) -> bool:
        """Count one call; true when the fault strikes it."""
        if self.left <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.left -= 1
        self.hits += 1
        return True


@dataclass(slots=True)
class Faults:
    """Pending faults by method (``"*"``: any) and latencies in seconds: ``latency`` for all, ``latency_of`` for one."""

    latency: float = 0.0
    latency_of: dict[str, float] = field(default_factory=dict)
    _pending: dict[str, list[Fault]] = field(default_factory=dict)

    def add(self, method: str, fault: Fault) -> Fault:
        self._pending.setdefault(method, []).append(fault)
        return fault

    def next(self, method: str) -> Fault | None:
        """The fault that strikes this call, if any."""
        for name in (method, "*"):
            for fault in self._pending.get(name, ()):
                if fault.left > 0:
                    return fault if fault.takes() else None
        return None

    def wait(self, method: str) -> float:
        """Seconds a call of ``method`` takes on its way."""
        return self.latency_of.get(method, self.latency)

    def clear(self) -> None:
        self._pending.clear()
        self.latency_of.clear()
        self.latency = 0.0
