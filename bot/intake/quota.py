"""How much one person, and a pair of bots, may ask. Pure: the caller brings the time in seconds."""

from __future__ import annotations

from collections import OrderedDict, deque

_PEOPLE_REMEMBERED = 10_000
_MINUTE = 60.0


class Quota:
    """At most ``per_minute`` questions a person in any 60 s; 0 switches it off."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, now: float, person: str) -> float:
        """0 when the question is within the quota (and counted), else the seconds until it would be."""
        if not self._per_minute:
            return 0.0
        times = self._asked.setdefault(person, deque())
        self._asked.move_to_end(person)
        if len(self._asked) > _PEOPLE_REMEMBERED:
            self._asked.popitem(last=False)
        while times and now - times[0] >= _MINUTE:
            times.popleft()
        if len(times) >= self._per_minute:
            return _MINUTE - (now - times[0])
        times.append(now)
        return 0.0

    def give_back(self, person: str) -> None:
        """The question counted last was none: it was known already."""
        times = self._asked.get(person)
        if times:
            times.pop()


class PairBreaker:
    """Stops two bots from answering each other for ever: so many bot questions in a row, then a person is needed."""

    def __init__(self, in_a_row: int = 3) -> None:
        self._in_a_row = in_a_row
        self._runs: OrderedDict[str, int] = OrderedDict()

    def lets(self, conversation: str, author_is_bot: bool) -> bool:
        """Count one question of ``conversation`` and say whether it may be answered."""
        if not author_is_bot:
            self._runs.pop(conversation, None)
            return True
        count = self._runs.get(conversation, 0) + 1
        self._runs[conversation] = count
        self._runs.move_to_end(conversation)
        if len(self._runs) > _PEOPLE_REMEMBERED:
            self._runs.popitem(last=False)
        return count <= self._in_a_row
