"""The whole way from messages to a prompt that fits, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.ports import ChatMessage, StoredMessage
from bot.prompt.build import MOST_IMAGES, Attached, compose, limit_images, write_lines
from bot.prompt.trim import trim


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent, and what is told: ``notes`` are sentences for people on what was left out.

    ``tokens`` is the estimate of the whole; ``trimmed_before`` the seq from which history counts from now on, when
    something was dropped (``None`` otherwise), and ``left_out`` how many messages that were.
    """

    messages: tuple[ChatMessage, ...]
    tokens: int
    trimmed_before: int | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()


def prepare(
    system: str,
    history: Sequence[StoredMessage],
    question: Sequence[StoredMessage],
    *,
    shared: bool,
    room: int,
    vision: bool = False,
    attached: Mapping[int, Attached] | None = None,
) -> Prompt:
    """The prompt for ``question`` after ``history``, in at most about ``room`` tokens (see ``measure_room``).

    ``attached``: what ``read_files`` made of each message's files, by seq. Images are sent to models with ``vision``
    only, the newest; the notices of the question's files come first in ``notes``.
    """
    lines = write_lines([*history, *question], shared=shared, attached=attached)
    asked = {message.seq for message in question}
    lines = limit_images(lines, MOST_IMAGES if vision else 0)
    fits = trim(
        system,
        [line for line in lines if line.seq not in asked],
        [line for line in lines if line.seq in asked],
        room,
    )
    told = tuple(note for message in question for note in (attached or {}).get(message.seq, Attached()).notices)
    return Prompt(compose(system, fits.lines), fits.tokens, fits.trimmed_before, fits.left_out, (*told, *fits.notes))
