"""Whose turn is it? One turn at a time in each conversation, in order of arrival.

The lane itself is durable and lives in the store (``Store.accept`` and ``Store.settle``); what is decided here
is what a question that meets a busy lane brings about.
"""

from __future__ import annotations

from enum import StrEnum


class Arrival(StrEnum):
    """``START``: the lane is free. ``WAIT``: queue up, to be merged with others into the next turn.
    ``INTERRUPT``: queue up and stop what is running. ``DECLINE``: tell the person and do not accept."""

    START = "start"
    WAIT = "wait"
    INTERRUPT = "interrupt"
    DECLINE = "decline"


def arrive(*, busy: bool, mode: str) -> Arrival:
    """What a new question does, by the place's busy mode: ``queue``, ``interrupt`` or ``ignore``."""
    if not busy:
        return Arrival.START
    if mode == "interrupt":
        return Arrival.INTERRUPT
    return Arrival.DECLINE if mode == "ignore" else Arrival.WAIT
