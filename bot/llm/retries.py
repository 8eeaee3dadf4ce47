"""After a failed attempt: again, another model, or give up. A pure decision from plain values.

``Verdict`` is what the translator made of the failure (``failures.py``); this module only counts and waits.
Nothing is ever repeated once people have seen a piece of the answer: the caller checks that first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bot.errors import CompletionFailed


class Remedy(Enum):
    """What can help. ``REST``: wait as told. ``BACKOFF``: wait a growing while. ``ONCE``: the same again, one time.

    ``FRESH``: again on a new connection. ``DROP``: again without the field the server refused. ``SHRINK``: again with
    a smaller budget for the answer. ``MORE``: one time, with a larger one.
    """

    NOTHING = auto()
    REST = auto()
    BACKOFF = auto()
    ONCE = auto()
    FRESH = auto()
    DROP = auto()
    SHRINK = auto()
    MORE = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A failure and what to do about it. ``others_may``: another model of the chain could answer.

    ``field``: what to ``DROP``. ``limit``, ``wanted``: for ``SHRINK``, the tokens per minute that the server grants and
    those that it counted for this request.
    """

    error: CompletionFailed
    remedy: Remedy = Remedy.NOTHING
    others_may: bool = False
    field: str = ""
    limit: int = 0
    wanted: int = 0


class Step(Enum):
    AGAIN = auto()
    OTHER = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """``seconds`` to wait before ``AGAIN``. ``fresh``: on a new connection."""

    step: Step
    seconds: float = 0.0
    fresh: bool = False


_MOST = {Remedy.REST: 4, Remedy.BACKOFF: 3, Remedy.FRESH: 2, Remedy.DROP: 4, Remedy.SHRINK: 2}
_MOST |= {Remedy.ONCE: 1, Remedy.MORE: 1}


class Retries:
    """Counts the attempts with one model. ``patience``: the longest rest in seconds that is slept through.

    ``others``: the chain goes on after this model; then a long rest is not worth it.
    """

    def __init__(self, *, patience: float, others: bool, step: float = 0.5) -> None:
        self._patience = min(patience, 5.0) if others else patience
        self._others = others
        self._step = step
        self._used: dict[Remedy, int] = {}

    def after(self, verdict: Verdict, took: float, chance: float) -> Decision:
        """``took``: seconds the attempt lasted; ``chance``: a random number in [0, 1) for the jitter."""
        remedy = verdict.remedy
        used = self._used.get(remedy, 0)
        self._used[remedy] = used + 1
        if used < _MOST.get(remedy, 0):
            rest = verdict.error.retry_after
            backoff = min(8.0, self._step * 2**used) * (0.75 + 0.5 * chance)
            if remedy in (Remedy.REST, Remedy.BACKOFF):
                seconds = backoff if rest is None else rest
                if seconds <= self._patience:
                    return Decision(Step.AGAIN, seconds)
            elif remedy is Remedy.FRESH:
                if took <= self._patience:
                    return Decision(Step.AGAIN, backoff if used else 0.0, fresh=True)
            else:
                return Decision(Step.AGAIN)
        return Decision(Step.OTHER if self._others and verdict.others_may else Step.GIVE_UP)
