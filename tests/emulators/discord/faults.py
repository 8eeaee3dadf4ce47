"""Faults on demand: what Discord, or the network before it, does wrong to the next calls of a route."""

from __future__ import annotations

from dataclasses import dataclass

from tests.emulators.slack.faults import Fault as AnyFault
from tests.emulators.slack.faults import Faults as AnyFaults
from tests.emulators.slack.faults import Moment

__all__ = ["Fault", "Faults", "Moment"]


@dataclass(slots=True)
class Fault(AnyFault):
    """``code``: Discord's error code in the body. ``scope``: of a 429: user, global, shared or cloudflare."""

    code: int = 0
    scope: str = "user"


class Faults(AnyFaults):
    """Pending faults by route (``"*"``: any), and latencies."""

    def next(self, method: str) -> Fault | None:
        """The fault that strikes this call of the route ``method``, if any."""
        fault = super().next(method)
        return fault if isinstance(fault, Fault) else None
