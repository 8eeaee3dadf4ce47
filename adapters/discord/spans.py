"""Code spans, inside of which no mark means anything. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")


def outside_code(line: str, change: Callable[[str], str]) -> str:
    """``line`` with everything but its code spans changed."""
    pieces: list[str] = []
    at = 0
    for span in _CODE.finditer(line):
        pieces += [change(line[at : span.start()]), span[0]]
        at = span.end()
    return "".join([*pieces, change(line[at:])])


def bold(line: str) -> str:
    """``line`` in bold as a whole; "" for nothing."""
    words = outside_code(line, lambda text: text.replace("**", "")).strip()
    return f"**{words}**" if words else ""
