"""What fits: how long the prompt may be, and what is left out when it is longer.

The room is the smallest of the model's window, the provider's tokens per minute (which count the answer's budget as
well) and the setting. When a prompt does not fit, whole exchanges go, oldest first, and many at once: down to 60 %
of the room the history has. The same beginning then serves many turns before the next cut, and the provider's
cache keeps hitting. A question too long by itself loses its middle. Whatever is left out is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ports import ModelProfile
from bot.prompt.build import Line, reline
from bot.prompt.estimate import MESSAGE, cut_middle, estimate_tokens

MOST_LINES = 300
"""History longer than this is cut like a prompt that is too long."""

HISTORY_LIMIT = 2 * MOST_LINES
"""How many messages to read from the store, so that the cut is made here and not by the reading."""

_KEPT_SHARE = 0.6
_MARGIN = 64
_MARGIN_SHARE = 0.02
_USUAL_COMPLETION = 4_096
_LEAST_QUESTION = 64
CUT_NOTE = "Your message was too long for this model, so I left out its middle."


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens for the ``prompt``, and for the answer (``completion``; ``None``: the provider's own limit)."""

    prompt: int
    completion: int | None


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The lines that fit, history first. ``trimmed_before``: seq of the first line that is still sent, when older
    ones were left out now; ``left_out`` counts those. ``tokens``: the estimate of the whole prompt."""

    lines: tuple[Line, ...]
    tokens: int
    trimmed_before: int | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()


def measure_room(
    profile: ModelProfile, completion: int | None, *, per_minute: int | None = None, setting: int | None = None
) -> Room:
    """How long prompt and answer may be. ``per_minute``: the provider's tokens a minute for this model, if known.

    The answer never takes more than half of the window or of the minute: a question must fit as well.
    """
    bounds = [profile.context_window, *([per_minute] if per_minute else [])]
    wanted = completion if completion is not None else min(_USUAL_COMPLETION, profile.max_completion)
    if profile.known:
        wanted = min(wanted, profile.max_completion)
    answer = min(wanted, *(bound // 2 for bound in bounds))
    margin = _MARGIN + int(profile.context_window * _MARGIN_SHARE)
    room = min([profile.context_window - answer - margin, *([per_minute - answer] if per_minute else [])])
    return Room(max(0, min(room, setting or room)), answer if completion is not None or answer < wanted else None)


def trim(system: str, history: Sequence[Line], question: Sequence[Line], room: int) -> Trimmed:
    """What of ``history`` and ``question`` fits into ``room`` tokens after ``system``."""
    fixed = (MESSAGE + estimate_tokens(system)) if system else 0
    asked = tuple(question)
    notes: tuple[str, ...] = ()
    if fixed + _sum(asked) > room:
        asked, notes = _shorten(asked, max(_LEAST_QUESTION, room - fixed)), (CUT_NOTE,)
    fixed += _sum(asked)
    kept = tuple(history)
    if fixed + _sum(kept) > room or len(kept) > MOST_LINES:
        kept = _drop_oldest(kept, int((room - fixed) * _KEPT_SHARE))
    left_out = len(history) - len(kept)
    first = (kept + asked)[:1]
    return Trimmed(
        (*kept, *asked),
        fixed + _sum(kept),
        trimmed_before=first[0].seq if left_out and first else None,
        left_out=left_out,
        notes=(*((_tell_left_out(left_out),) if left_out else ()), *notes),
    )


def _drop_oldest(history: tuple[Line, ...], target: int) -> tuple[Line, ...]:
    """The newest whole exchanges within ``target`` tokens and 60 % of the lines."""
    kept: tuple[Line, ...] = ()
    total = 0
    for at in range(len(history) - 1, -1, -1):
        total += history[at].tokens
        if total > target or len(history) - at > MOST_LINES * _KEPT_SHARE:
            break
        if history[at].role == "user" and (at == 0 or history[at - 1].role == "assistant"):
            kept = history[at:]
    return kept


def _shorten(question: tuple[Line, ...], room: int) -> tuple[Line, ...]:
    """The lines of the question within ``room``: the longest ones lose their middle."""
    lines = list(question)
    for at in sorted(range(len(lines)), key=lambda at: -lines[at].tokens):
        over = _sum(lines) - room
        if over <= 0:
            break
        bare = estimate_tokens(lines[at].text)
        lines[at] = reline(lines[at], cut_middle(lines[at].text, max(_LEAST_QUESTION // 2, bare - over)))
    return tuple(lines)


def _sum(lines: Sequence[Line]) -> int:
    return sum(line.tokens for line in lines)


def _tell_left_out(number: int) -> str:
    return f"This conversation is long: I left out its {number} oldest message{'s' if number > 1 else ''}."
