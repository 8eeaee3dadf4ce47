"""What the processes on one store have to say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.replies import Budget


class SignalKind(StrEnum):
    """What processes on one store tell each other at once. The rows say the same to whoever did not hear it."""

    STOP = "stop"  # a person wants this turn to stop
    NEWER = "newer"  # a newer question interrupts it
    EDITED = "edited"  # its question reads differently now
    DELETED = "deleted"  # its question is gone
    SETTINGS = "settings"  # somebody changed a setting
    FORGOTTEN = "forgotten"  # a workspace was removed
    SWEEP = "sweep"  # somebody let go of conversations
    LISTENING = "listening"  # signals come in from now on; earlier ones may have been missed
    DEAF = "deaf"  # no signals come in


@dataclass(frozen=True, slots=True)
class Signal:
    """``conversation`` and ``seq`` name the running turn that is meant, where one is."""

    kind: SignalKind
    conversation: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A running turn of this process as the store has it.

    ``stop``: somebody wants it to stop. ``stands``: a question that it answers is still there.
    """

    conversation: int
    epoch: int
    seq: int
    stop: bool
    stands: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What a process has to say of a bucket of writes that it shares with others, in tokens.

    Of its slice it keeps ``hand`` and gives ``back`` the rest that it has not spent. It wants more ``now`` for first
    and final writes and ``soon`` for previews. ``rest``: seconds that the platform told it to rest, where that is news.
    """

    key: str
    budget: Budget
    hand: float = 0.0
    back: float = 0.0
    now: float = 0.0
    soon: float = 0.0
    rest: float = 0.0

    @property
    def is_wanting(self) -> bool:
        """It uses the bucket; else it only gives back or tells."""
        return self.hand > 0 or self.now > 0 or self.soon > 0


@dataclass(frozen=True, slots=True)
class Slice:
    """What a process got of a bucket: ``tokens`` beside those it kept, and ``flow`` a second, up to ``most`` at once.

    ``left`` tokens are nobody's yet; ``sharers`` processes use the bucket. It rests for ``rest`` seconds, and its rate
    is ``factor`` of the full one, because the platform refused writes of it.
    """

    tokens: float
    flow: float
    most: float
    left: float
    sharers: int
    rest: float
    factor: float
