"""How long a text is, in the units platforms count, and where it may be taken apart without breaking a character.

Every weighing function is additive: the weight of two texts joined is the sum of their weights.
"""

from __future__ import annotations

from collections.abc import Callable

from wcwidth import grapheme_boundary_before

Weigh = Callable[[str], int]


def code_points(text: str) -> int:
    """Unicode code points, as Discord counts messages and Slack counts Markdown."""
    return len(text)


def utf16_units(text: str) -> int:
    """UTF-16 code units, as browsers count: characters beyond the first plane are two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8_bytes(text: str) -> int:
    """UTF-8 bytes, as Slack counts some fields in practice."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def fitting(text: str, limit: int, weigh: Weigh) -> int:
    """How many characters of ``text`` weigh at most ``limit`` together."""
    low, high = 0, min(len(text), max(0, limit))
    if weigh(text[:high]) <= limit:
        return high
    while low < high:  # no character weighs less than one, so ``limit`` characters are the most that fit
        middle = (low + high + 1) // 2
        if weigh(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def cluster_start(text: str, position: int) -> int:
    """The start of the grapheme cluster around ``position``: the nearest place at or before it to cut."""
    if position <= 0 or position >= len(text):
        return max(0, min(position, len(text)))
    return grapheme_boundary_before(text, position + 1)
