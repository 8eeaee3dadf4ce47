"""Sins that show only over several calls: loops on refusals, two edits of one message at once, forms not checked."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from tests.emulators.discord.ledger import Call
from tests.emulators.discord.state import State

_LOOK_BACK = 60.0
_PATIENCE = 3


class Watch:
    def __init__(self, state: State) -> None:
        self._state = state
        self._refused: dict[tuple[str, str, int], deque[float]] = defaultdict(deque)
        self._unauthorized = 0

    @contextmanager
    def editing(self, route: str, message: str) -> Iterator[None]:
        """An edit is on its way; only one per message should be."""
        if route not in ("edit_message", "edit_original"):
            yield
            return
        flight = self._state.edits_in_flight
        flight[message] = flight.get(message, 0) + 1
        if flight[message] > 1:
            self._state.sin("edits_in_flight", route, message)
        try:
            yield
        finally:
            flight[message] -= 1

    def answered(self, call: Call) -> None:
        """Look at a refusal in the light of the earlier ones."""
        if call.outcome == "ok":
            self._unauthorized = 0
            return
        if call.code == 50035:
            self._state.sin("invalid_form", call.route, call.place)
        if call.status == 401 and call.code == 0:
            self._unauthorized += 1
            if self._unauthorized > 1:
                self._state.sin("went_on_after_401", call.route)
        if call.status in (403, 404) and call.outcome == "refused":
            self._count(call)

    def _count(self, call: Call) -> None:
        """The same refusal of the same thing again and again within a minute."""
        times = self._refused[call.path, call.place, call.status]
        times.append(call.ended)
        while times[0] <= call.ended - _LOOK_BACK:
            times.popleft()
        if len(times) >= _PATIENCE:
            self._state.sin(f"loops_on_{call.status}", call.route, call.place)
