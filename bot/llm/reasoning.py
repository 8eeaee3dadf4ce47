"""Takes a leading ``<think>…</think>`` out of the answer, wherever the pieces were cut.

A pure machine. Some models write their thinking into the content when the server does not part the two.
Only a block at the very beginning counts: a ``<think>`` later on is something the model talks about. Once the
answer proper has begun (``open`` is False) there is nothing left to filter and the caller may pass text by.
"""

from __future__ import annotations

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkFilter:
    """``feed`` gives (text, reasoning) of each piece; ``end`` what was still held back."""

    __slots__ = ("_held", "_stripping", "_thinking", "open")

    def __init__(self) -> None:
        self.open = True
        self._thinking = False
        self._stripping = False
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        if not self.open:
            return piece, ""
        self._held += piece
        reasoning = ""
        if not self._thinking and not self._stripping:
            start = self._held.lstrip()
            if start.startswith(_OPEN):
                self._thinking = True
                self._held = start[len(_OPEN) :]
            elif _OPEN.startswith(start):
                return "", ""
            else:
                return self._release(), ""
        if self._thinking:
            before, closed, after = self._held.partition(_CLOSE)
            if not closed:
                keep = _overlap(self._held)
                cut = len(self._held) - keep
                reasoning, self._held = self._held[:cut], self._held[cut:]
                return "", reasoning
            reasoning = before
            self._thinking, self._stripping, self._held = False, True, after
        self._held = self._held.lstrip()
        return (self._release() if self._held else ""), reasoning

    def end(self) -> tuple[str, str]:
        """Nothing follows: a block never closed was thinking, an unfinished opening mark was text."""
        held, self._held = self._held, ""
        self.open = False
        return ("", held) if self._thinking else (held, "")

    def _release(self) -> str:
        held, self._held = self._held, ""
        self.open = False
        return held


def _overlap(text: str) -> int:
    """How many characters at the end of ``text`` could begin the closing mark."""
    for size in range(min(len(text), len(_CLOSE) - 1), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return size
    return 0
