"""Whether the bot is ready, and if not, why: pure state that ``/readyz`` reads.

Ready means that a question asked now would be answered: started, database well, no surface deaf, not draining.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """Told by ``bot.wiring``; ``reasons`` is empty when the bot is ready. Reasons are short and free of secrets."""

    _starting: bool = True
    _draining: bool = False
    _database: str = ""
    _deaf: dict[str, str] = field(default_factory=dict)

    def started(self) -> None:
        """Every surface is connected."""
        self._starting = False

    def draining(self) -> None:
        """No more events are taken; for ever."""
        self._draining = True

    def database(self, problem: str) -> None:
        """The newest look at the database: why it fails, "" when it is well."""
        self._database = problem

    def surface(self, name: str, problem: str) -> None:
        """The newest look at a surface: why it is deaf, "" when it is well."""
        if problem:
            self._deaf[name] = problem
        else:
            self._deaf.pop(name, None)

    @property
    def ready(self) -> bool:
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the bot is not ready, weightiest first."""
        found = []
        if self._draining:
            found.append("draining")
        if self._starting:
            found.append("starting")
        if self._database:
            found.append(f"database failing: {self._database}")
        found += [f"{name} deaf: {problem}" for name, problem in sorted(self._deaf.items())]
        return tuple(found)
