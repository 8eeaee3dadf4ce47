"""Within one block: bold, italic, strike, inline code and links, and where words and sentences end.

A simplification of CommonMark's pairing that agrees with it on what models write: at most one mark of each kind
is open, marks pair inside their block only, and code wins over everything. One pass, linear in the block.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum

_TOKEN = re.compile(r"\\[!-/:-@\[-`{-~]|`+|\*+|_+|~+|!?\[|\]|\s+|[。！？；，、]")
# Every branch begins with a plain character, so that the search skips over words at once.
_MARK_TOKEN = re.compile(r"\\[!-/:-@\[-`{-~]|``*|\*\**|__*|~~*|!\[|\[|\]")
_TICKS = re.compile(r"`+")
_SPACE = re.compile(r"\s+")
_LINK = re.compile(r"\]\((?:[^()\s\\]++|\\.|\([^()\s]*+\))*+(?:[ \t]++\"[^\"\n]*+\")?\)")
_HALF_LINK = re.compile(r"\]\((?:[^()\s]++|\([^()\s]*+\)?+)*+(?:[ \t]++(?:\"[^\"\n]*+\"?+)?)?+")
_SENTENCE_END = re.compile(r"(?<!\d)[.!?…][\"')\]*_»”’]{0,3}$")
_MAY_END_SENTENCE = frozenset(".!?…\"')]*_»”’")
MARKS = frozenset("*_~`\\[]")


class Break(IntEnum):
    """How well a reply can be cut at a place inside a block."""

    WORD = 0
    SENTENCE = 1


@dataclass(slots=True, eq=False)
class Opener:
    """An open mark. ``literal``: its block ended without a partner, so it was only a character."""

    mark: str
    start: int
    literal: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.mark)


Open = tuple[Opener, ...]


@dataclass(slots=True)
class Inline:
    """What one pass over a block found; all positions are in the whole text.

    ``breaks``: places between words. ``half_link``: (start, text start, text end) of a link whose address is
    still being written. ``dangling``: where a mark at the very end begins that opens or half closes something.
    ``bracket``: the first one that may yet turn out to begin a link.
    """

    breaks: list[tuple[int, Break]] = field(default_factory=list)
    half_link: tuple[int, int, int] | None = None
    dangling: int | None = None
    bracket: int | None = None
    _positions: list[int] = field(default_factory=list)
    _open: list[Open] = field(default_factory=list)

    def open_at(self, position: int) -> Open:
        """The marks open just before ``position``, outermost first."""
        index = bisect_right(self._positions, position) - 1
        return tuple(mark for mark in self._open[index] if not mark.literal) if index >= 0 else ()

    def note(self, position: int, marks: Open) -> None:
        self._positions.append(position)
        self._open.append(marks)


def scan(text: str, start: int, end: int, complete: bool, wants_breaks: bool = False) -> Inline:
    """Read the block ``text[start:end]``. ``complete``: it ends there; otherwise more may follow."""
    return _Scan(text, start, end, complete, wants_breaks).run()


class _Scan:
    def __init__(self, text: str, start: int, end: int, complete: bool, wants_breaks: bool) -> None:
        self._text, self._start, self._end, self._complete = text, start, end, complete
        self._token = _TOKEN if wants_breaks else _MARK_TOKEN
        self._wants_breaks = wants_breaks
        self._found = Inline()
        self._open: Open = ()
        self._brackets: list[tuple[int, int]] = []
        self._last_ticks: dict[int, int] | None = None

    def run(self) -> Inline:
        position = self._start
        while (token := self._token.search(self._text, position, self._end)) is not None:
            position = self._take(token.group(), token.start(), token.end())
        if (
            not self._complete
            and self._end > self._start
            and self._text[self._end - 1] == "\\"
            and position < self._end
        ):
            self._found.dangling = self._end - 1
        if self._complete:
            for mark in self._open:
                mark.literal = True
        elif self._brackets:
            self._found.bracket = self._brackets[0][0]
        return self._found

    def _take(self, token: str, start: int, end: int) -> int:
        first = token[0]
        if first == "`":
            return self._code(start, end)
        if first in "*_~":
            self._emphasis(token, start, end)
        elif token in ("[", "!["):
            self._brackets.append((start, end))
        elif first == "]":
            return self._link(start, end)
        elif first in "。！？；，、":
            self._break(end, Break.WORD if first in "，、" else Break.SENTENCE)
        elif first != "\\" and "\n" not in token:
            self._break(end, Break.SENTENCE if self._ends_sentence(start) else Break.WORD)
        return end

    def _ends_sentence(self, position: int) -> bool:
        if position == self._start or self._text[position - 1] not in _MAY_END_SENTENCE:
            return False
        return _SENTENCE_END.search(self._text, max(self._start, position - 5), position) is not None

    def _break(self, position: int, kind: Break) -> None:
        self._found.breaks.append((position, kind))

    def _set(self, position: int, marks: Open) -> None:
        self._open = marks
        self._found.note(position, marks)

    # --- code

    def _code(self, start: int, end: int) -> int:
        size = end - start
        if self._last_ticks is None:
            runs = _TICKS.finditer(self._text, start, self._end)
            self._last_ticks = {len(run.group()): run.start() for run in runs}
        if self._last_ticks.get(size, -1) > start:
            closing = next(
                run for run in _TICKS.finditer(self._text, end, self._end) if run.end() - run.start() == size
            )
            outer = self._open
            self._set(end, (*outer, Opener("`" * size, start)))
            self._set(closing.end(), outer)
            return closing.end()
        if self._complete:
            return end
        if end == self._end:
            self._found.dangling = start
            return end
        self._set(end, (*self._open, Opener("`" * size, start)))
        if self._wants_breaks:
            self._found.breaks += [(space.end(), Break.WORD) for space in _SPACE.finditer(self._text, end, self._end)]
        self._half_ticks()
        return self._end

    def _half_ticks(self) -> None:
        """Ticks at the end of open code would run together with those that close it."""
        stripped = self._text[self._start : self._end].rstrip()
        ticks = len(stripped) - len(stripped.rstrip("`"))
        if ticks:
            self._found.dangling = self._start + len(stripped) - ticks

    # --- bold, italic, strike

    def _emphasis(self, run: str, start: int, end: int) -> None:
        marks = _marks(run)
        if not marks:
            return
        before = self._text[start - 1] if start > self._start else " "
        if end == self._end and not self._complete:
            pairs = not before.isspace() and all(self._index(mark) is not None for mark in marks)
            if not pairs:
                self._found.dangling = start
                return
        after = self._text[end] if end < self._end else " "
        opens, closes = _flanks(run[0], before, after)
        position = start
        for mark in reversed(marks) if closes else marks:
            position += len(mark)
            index = self._index(mark)
            if index is None and opens:
                self._set(position, (*self._open, Opener(mark, position - len(mark))))
            elif index is not None and closes:
                for crossed in self._open[index + 1 :]:
                    crossed.literal = True
                self._set(position, self._open[:index])

    def _index(self, mark: str) -> int | None:
        return next((index for index, one in enumerate(self._open) if one.mark == mark), None)

    # --- links

    def _link(self, start: int, end: int) -> int:
        if not self._brackets:
            return end
        if end == self._end and not self._complete:
            return end
        opened, text_start = self._brackets.pop()
        if self._text[end : min(end + 1, self._end)] != "(":
            return end
        whole = _LINK.match(self._text, start, self._end)
        if whole is not None:
            self._forget_breaks(opened)
            return whole.end()
        half = _HALF_LINK.match(self._text, start, self._end)
        if half is not None and half.end() == self._end and not self._complete:
            self._forget_breaks(opened)
            self._found.half_link = (opened, text_start, start)
            return self._end
        return end

    def _forget_breaks(self, start: int) -> None:
        breaks = self._found.breaks
        while breaks and breaks[-1][0] > start:
            breaks.pop()


def _marks(run: str) -> tuple[str, ...]:
    """The marks a run of one character stands for, outermost first; none for what is only decoration."""
    if run[0] == "~":
        return ("~~",) if len(run) == 2 else ()
    if len(run) == 3:
        return (run[:2], run[:1])
    return (run,) if len(run) < 3 else ()


def _flanks(character: str, before: str, after: str) -> tuple[bool, bool]:
    """Whether a run can open and can close, by CommonMark's flanking rules."""
    left = not after.isspace() and (not _punctuates(after) or before.isspace() or _punctuates(before))
    right = not before.isspace() and (not _punctuates(before) or after.isspace() or _punctuates(after))
    if character == "_":
        return left and (not right or _punctuates(before)), right and (not left or _punctuates(after))
    return left, right


def _punctuates(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
