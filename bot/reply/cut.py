"""Where a part of a reply ends, what closes it there and what opens the next one.

The choice is a function of the text of one part and the first character that no longer fits, so it does not
depend on how the text arrived. A shorter head may be longer once its fence is closed: fitting is not monotone,
and every place is weighed with the marks it needs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from bot.reply.blocks import Blocks, Border, Fence
from bot.reply.inline import Break, Inline, scan
from bot.reply.markdown import closers, joins_safely, openers
from bot.reply.measure import Weigh, cluster_start, fitting

_QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)+")
_SPACE = re.compile(r"[ \t]+")
_LOOKS_LIKE_BLOCK = re.compile(r"#{1,6}\s|[-*+]\s|\d{1,9}[.)]\s|>|\||```|~~~|={2,}|-{2,}")
_EARLIEST = {Border.PARAGRAPH: 0.5, Border.LINE: 0.5, Border.INSIDE: 0.5}
_EARLIEST_BREAK = {Break.SENTENCE: 0.5, Break.WORD: 0.25}
_HALF_CLOSING = re.compile(r"[ \t>]*[`~]+[ \t]*\r?")
_HALF_OPENING = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:`{3}|~{3})[^`]*$")
_HALF_DELIMITER = re.compile(r"[ \t>]*\|?[ \t:|-]*\r?")
_STEPS_BACK = 16  # how far to look for a place whose neighbours are not marks before giving the marks up


@dataclass(frozen=True, slots=True)
class Cut:
    """``text[:end]`` and ``tail`` are the part; the next one opens with ``head`` and goes on at ``end``.

    ``fence``: the cut is inside this fence, so exactly one line break may be left out, and none of the code.
    ``table``: the rows to repeat if the next part goes on with a row.
    """

    end: int
    tail: str = ""
    head: str = ""
    fence: Fence | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line and what is open in front of it. ``solid``: a fence line or a table's dashes, never cut in two."""

    start: int
    border: Border
    fence: Fence | None
    table: str
    block: int
    solid: bool


def cut(text: str, head: int, limit: int, weigh: Weigh) -> Cut:
    """Cut ``text``, which does not fit into ``limit``; its first ``head`` characters are repair marks."""
    return _Cutter(text, head, limit, weigh).choose()


class _Cutter:
    def __init__(self, text: str, head: int, limit: int, weigh: Weigh) -> None:
        self._text, self._head, self._limit, self._weigh = text, head, limit, weigh
        self._lines = list(_read_lines(text))
        self._starts = [line.start for line in self._lines]
        self._scans: dict[int, Inline] = {}

    def choose(self) -> Cut:
        return self._at_border(early=False) or self._at_break() or self._at_border(early=True) or self._anywhere()

    # --- the candidates, best first

    def _at_border(self, early: bool) -> Cut | None:
        for wanted in (Border.PARAGRAPH, Border.LINE, Border.INSIDE):
            earliest = 1 if early else int(len(self._text) * _EARLIEST[wanted])
            for line in reversed(self._lines):
                if line.start < earliest:
                    break
                if line.border is wanted and (found := self._try(line.start)) is not None:
                    return found
        return None

    def _at_break(self) -> Cut | None:
        for wanted in (Break.SENTENCE, Break.WORD):
            earliest = int(len(self._text) * _EARLIEST_BREAK[wanted])
            for place, kind in self._breaks():
                if place < earliest:
                    break
                if (kind is wanted or wanted is Break.WORD) and place < len(self._text):
                    rest = self._text[place : place + 12]
                    if not _LOOKS_LIKE_BLOCK.match(rest) and (found := self._try(place)) is not None:
                        return found
        return None

    def _breaks(self) -> Iterator[tuple[int, Break]]:
        """Every place between words, last first."""
        index = len(self._lines) - 1
        while index >= 0:
            line = self._lines[index]
            if line.fence is not None:
                end = self._starts[index + 1] if index + 1 < len(self._lines) else len(self._text)
                for space in reversed(list(_SPACE.finditer(self._text, line.start, end))):
                    yield space.end(), Break.WORD
                index -= 1
            elif line.solid:
                index -= 1
            else:
                yield from reversed(self._inline(line.block).breaks)
                while index >= 0 and self._lines[index].fence is None and self._lines[index].block == line.block:
                    index -= 1

    def _anywhere(self) -> Cut:
        """Between two characters, closing what is open if that can be; else without repair."""
        room = self._limit
        line = self._line_at(len(self._text) - 1)
        if line.fence is not None:
            room -= self._weigh("\n" + line.fence.closing)
        place = cluster_start(self._text, fitting(self._text, room, self._weigh))
        for back in range(_STEPS_BACK):
            at = cluster_start(self._text, place - back)
            if at > self._head and (found := self._try(at)) is not None:
                return found
        place = fitting(self._text, self._limit, self._weigh)
        whole = cluster_start(self._text, place)
        return Cut(whole if whole > self._head else max(place, self._head + 1))

    # --- one candidate

    def _try(self, place: int) -> Cut | None:
        found = self._cut_at(place)
        if found is None or not self._text[self._head : found.end].strip():
            return None
        if self._weigh(self._text[: found.end]) + self._weigh(found.tail) > self._limit:
            return None
        return found

    def _cut_at(self, place: int) -> Cut | None:
        at_border = self._text[place - 1] == "\n"
        line = self._line_at(place)
        if line.solid and not at_border:
            return None
        if line.fence is not None:
            return self._cut_code(place, line, line.fence)
        end = len(self._text[:place].rstrip())
        rest = place + len(self._text[place:]) - len(self._text[place:].lstrip())
        inside_block = line.block < place
        marks = self._inline(line.block).open_at(end) if inside_block else ()
        if not joins_safely(self._text, end, rest, marks):
            return None
        quote = _QUOTE.match(self._text, line.start) if not at_border else None
        head = (quote.group() if quote is not None else "") + openers(marks)
        head = head if self._is_light(head) else ""
        table = line.table if at_border and self._is_light(line.table) else ""
        return Cut(end, closers(marks), head, table=table)

    def _cut_code(self, place: int, line: _Line, fence: Fence) -> Cut | None:
        end = place
        if place == line.start:
            end -= 2 if self._text[place - 2 : place] == "\r\n" else 1
        elif self._text[place : place + 1] in ("`", "~") or not self._text[line.start : place].strip():
            return None
        for kept in (fence, Fence(fence.prefix, fence.marks, ""), Fence("", fence.marks, "")):
            if self._is_light(f"{kept.opening}\n\n{kept.closing}"):
                return Cut(end, f"\n{kept.closing}", f"{kept.opening}\n", fence=kept)
        return Cut(end, fence=fence)

    def _is_light(self, repair: str) -> bool:
        return self._weigh(repair) <= self._limit // 2

    def _inline(self, block: int) -> Inline:
        if block not in self._scans:
            index = bisect_right(self._starts, block)
            while index < len(self._lines) and self._lines[index].block == block and self._lines[index].fence is None:
                index += 1
            ends = index < len(self._lines)
            end = self._starts[index] if ends else len(self._text)
            self._scans[block] = scan(self._text, block, end, ends, wants_breaks=True)
        return self._scans[block]

    def _line_at(self, place: int) -> _Line:
        return self._lines[bisect_right(self._starts, place) - 1]


def _read_lines(text: str) -> Iterator[_Line]:
    """Every line, and an empty last one for the place behind a final line break."""
    blocks = Blocks()
    while (end := text.find("\n", blocks.taken) + 1) > 0:
        start, fence, table = blocks.taken, blocks.fence, blocks.table
        line = text[start:end]
        if fence is not None and fence.is_left_by(line):
            fence = None
        border = blocks.take(line)
        solid = (blocks.fence is None) != (fence is None) or (border is Border.NONE and blocks.in_table)
        kept = table if border is Border.INSIDE else ""
        yield _Line(start, border, fence, kept, min(start, blocks.block), solid)
    yield _half_line(text[blocks.taken :], blocks)


def _half_line(line: str, blocks: Blocks) -> _Line:
    """The last line of the window, which may go on in any way."""
    start, fence = blocks.taken, blocks.fence
    if fence is not None and not (line and fence.is_left_by(line)):
        may_close = bool(line) and _HALF_CLOSING.fullmatch(line) is not None
        border = Border.NONE if may_close or blocks.is_fresh else Border.INSIDE
        return _Line(start, border, fence, "", start, may_close)
    block = start if line and blocks.parts_from(line) else min(start, blocks.block)
    if blocks.in_table and (not line or "|" in line):
        return _Line(start, Border.NONE if blocks.is_fresh else Border.INSIDE, None, blocks.table, start, False)
    if "|" in blocks.last and not blocks.in_table and _HALF_DELIMITER.fullmatch(line):
        return _Line(start, Border.NONE, None, "", start, True)
    solid = _HALF_OPENING.match(line) is not None
    apart = solid or not blocks.last.strip() or blocks.in_table or blocks.ended_code
    return _Line(start, Border.PARAGRAPH if apart else Border.LINE, None, "", block, solid)
