"""Line by line through model Markdown: which fence or table is open, and where the present block began.

Models indent fences under list items and quote them, so a fence is recognised at any indentation and behind
quote marks. Lines are taken once and in order; what is known after a line depends on nothing after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

_OPENING = re.compile(r"((?:[ \t]*>)*[ \t]*)((?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(`{3,}|~{3,})([^`]*)")
_CLOSING = re.compile(r"((?:[ \t]*>)*)[ \t]*(`{3,}|~{3,})[ \t]*")
_DELIMITER = re.compile(r"[ \t>]*+\|?(?:[ \t]*+:?-++:?[ \t]*+\|)*+(?:[ \t]*+:?-++:?)?[ \t]*+")
_OWN_BLOCK = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]|#{1,6}[ \t]|(?:[-*_][ \t]*){3,}$)")


class Border(IntEnum):
    """What lies between a line and the one before it, by how well a reply can be cut there."""

    NONE = 0
    INSIDE = 1
    LINE = 2
    PARAGRAPH = 3


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence: quote marks and indentation, the marks themselves, and the language after them."""

    prefix: str
    marks: str
    info: str

    @property
    def opening(self) -> str:
        return f"{self.prefix}{self.marks}{self.info}"

    @property
    def closing(self) -> str:
        return f"{self.prefix}{self.marks}"

    def ends_with(self, line: str) -> bool:
        """``line`` is this fence's closing line."""
        found = _CLOSING.fullmatch(line.rstrip("\r\n"))
        if found is None or (">" in found[1] and ">" not in self.prefix):
            return False
        return found[2][0] == self.marks[0] and len(found[2]) >= len(self.marks)

    def is_left_by(self, line: str) -> bool:
        """A quoted fence ends where the quote does."""
        return ">" in self.prefix and not line.lstrip().startswith(">")


def fence_opened_by(line: str) -> Fence | None:
    """The fence that a whole ``line`` opens, if it does."""
    if "```" not in line and "~~~" not in line:
        return None
    found = _OPENING.fullmatch(line.rstrip("\r\n"))
    if found is None:
        return None
    return Fence(found[1] + " " * len(found[2]), found[3], found[4].rstrip())


def delimits_table(line: str, header: str) -> bool:
    """``line`` is the row of dashes under a table's ``header``."""
    line, header = line.strip(), header.strip()
    if "-" not in line or "|" not in line or "|" not in header or _DELIMITER.fullmatch(line) is None:
        return False
    return _cells(line) == _cells(header)


def _cells(row: str) -> int:
    row = row.strip(" \t>").replace("\\|", "")
    return row.removeprefix("|").removesuffix("|").count("|")


class Blocks:
    """What is open after the lines taken so far.

    ``taken``: characters so far. ``fence`` and ``fence_start``: the open fence and where its line began.
    ``in_table``, ``table``: in a table, and its header and delimiter rows when they can be repeated (rows that
    begin with a pipe). ``block``: where the text began within which inline marks may pair.
    """

    __slots__ = ("_after_head", "_last", "block", "fence", "fence_start", "in_table", "table", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self.fence: Fence | None = None
        self.fence_start = 0
        self.in_table = False
        self.table = ""
        self.block = 0
        self._last = ""
        self._after_head = False

    @property
    def last(self) -> str:
        """The line taken last, "" before the first."""
        return self._last

    @property
    def is_fresh(self) -> bool:
        """The last line opened the fence or the table, and nothing stands in it yet."""
        return self._after_head

    def take(self, line: str) -> Border:
        """Take the next line with its line break and say what lies in front of it."""
        start, self.taken = self.taken, self.taken + len(line)
        fence = self.fence
        border = self._take_text(line, start) if fence is None else self._take_code(line, fence)
        self._last = line
        return border

    def _take_code(self, line: str, fence: Fence) -> Border:
        fresh, self._after_head = self._after_head, False
        self.block = self.taken
        if fence.is_left_by(line):
            self.fence = None
            self._take_text(line, self.taken - len(line))
            return Border.PARAGRAPH
        if fence.ends_with(line):
            self.fence = None
            return Border.NONE
        return Border.NONE if fresh else Border.INSIDE

    def _take_text(self, line: str, start: int) -> Border:
        after_blank = not self._last.strip() or self.ended_code
        was_table, fresh = self.in_table, self._after_head
        self._after_head = False
        if not line.strip():
            self.in_table, self.table, self.block = False, "", self.taken
            return Border.PARAGRAPH
        opened = fence_opened_by(line)
        if opened is not None:
            self.fence, self.fence_start, self._after_head = opened, start, True
            self.in_table, self.table, self.block = False, "", self.taken
            return Border.PARAGRAPH
        if was_table and "|" in line:
            self.block = start
            return Border.NONE if fresh else Border.INSIDE
        if "|" in line and delimits_table(line, self._last):
            self.in_table, self._after_head, self.block = True, True, self.taken
            repeatable = self._last.lstrip().startswith("|")
            self.table = f"{self._last.strip()}\n{line.strip()}\n" if repeatable else ""
            return Border.NONE
        self.in_table, self.table = False, ""
        if after_blank or was_table or self.parts_from(line):
            self.block = start
        return Border.PARAGRAPH if after_blank or was_table or line.startswith("#") else Border.LINE

    @property
    def ended_code(self) -> bool:
        """The last line was a fence's (or looks like one's)."""
        return "```" in self._last or "~~~" in self._last

    def parts_from(self, line: str) -> bool:
        """``line`` would begin a block of its own right after a line of text."""
        quote_begins = line.lstrip().startswith(">") and not self._last.lstrip().startswith(">")
        return quote_begins or "|" in line or bool(_OWN_BLOCK.match(line)) or self._last.startswith("#")
