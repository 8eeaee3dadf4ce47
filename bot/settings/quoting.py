"""Words of a line as people type them: separated by spaces, kept together by quotes.

Chat clients turn straight quotes into typographic ones, so those quote too. Inside quotes ``\\n``, ``\\t``,
``\\"`` and ``\\\\`` are read as in JSON, and an unknown escape stands for itself. A quote that is never closed is
an ordinary character, because people write apostrophes and inches. ``quote`` undoes ``split_words``.
"""

from __future__ import annotations

import re

_OPENING = {'"': '"', "“": "”", "„": "“”", "«": "»"}
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split_words(line: str) -> tuple[str, ...]:
    """The words of ``line``; ``""`` is a word of no characters."""
    words: list[str] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        quoted = _read_quoted(line, at)
        if quoted is None:
            word, at = _read_plain(line, at)
        else:
            word, at = quoted
        words.append(word)
    return tuple(words)


def quote(word: str) -> str:
    """``word`` in straight quotes, such that ``split_words`` reads it back."""
    for letter, char in (("\\", "\\"), ("n", "\n"), ("t", "\t"), ('"', '"')):
        word = word.replace(char, f"\\{letter}")
    return f'"{word}"'


def _read_plain(line: str, at: int) -> tuple[str, int]:
    end = at
    while end < len(line) and not line[end].isspace():
        end += 1
    return line[at:end], end


def _read_quoted(line: str, at: int) -> tuple[str, int] | None:
    closing = _OPENING.get(line[at])
    if closing is None:
        return None
    end = at + 1
    while end < len(line):
        if line[end] == "\\":
            end += 2
        elif line[end] in closing and (end + 1 == len(line) or line[end + 1].isspace()):
            return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[0]), line[at + 1 : end]), end + 1
        else:
            end += 1
    return None
