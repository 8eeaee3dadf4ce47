"""Whether the messages of one reply say what the model wrote, repair marks aside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

_OPENING = re.compile(r"(?:`{3,}|~{3,})[^\n]*\n")
_CLOSING = re.compile(r"\n(?:`{3,}|~{3,})$")


def rejoined(text: str, parts: Sequence[str]) -> bool:
    """Every part is the next piece of ``text``: without the fence that reopens it, without the one that closes it,
    and with only white space left out between two parts. Nothing is missing, doubled or out of order."""
    places = {0}
    for part in parts:
        places = {place + size for place in places for size in _sizes(text, place, part)}
    return any(not text[place:].strip() for place in places)


def _sizes(text: str, place: int, part: str) -> list[int]:
    """How much of ``text`` the part may stand for."""
    blank = len(text) - place - len(text[place:].lstrip())
    heads = [part, _OPENING.sub("", part, count=1) if _OPENING.match(part) else part]
    readings = [body for head in heads for body in (head, _CLOSING.sub("", head))]
    return [
        gap + len(body)
        for body, gap in product(readings, {0, blank, min(blank, 1)})
        if text.startswith(body, place + gap)
    ]
