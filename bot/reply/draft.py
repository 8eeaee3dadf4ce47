"""A reply while it is written: deltas in, parts out, each within the platform's limit and well formed alone.

A sealed part never changes. The parts are a function of the whole text and not of how it was cut into deltas.
Adding costs what the delta is long, looking at the part being written what that part is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.replies import Dialect
from bot.reply.blocks import Blocks, Fence
from bot.reply.cut import Cut, cut
from bot.reply.markdown import preview, settled_tail, take_lines
from bot.reply.measure import fitting

SMALLEST_LIMIT = 64  # below this the marks that close and reopen a fence leave no room for words
_LONGEST_CLOSING = 200  # characters of a line that may still turn out to be a closing fence
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAYBE_CLOSING = re.compile(r"[ \t>]*[`~]*[ \t]*\r?")


@dataclass(frozen=True, slots=True)
class Part:
    """One platform message of a reply.

    The first ``head`` and the last ``tail`` characters of ``text`` are repair marks; what lies between is the
    model's. ``gap`` is what was left out in front of it at the cut: white space, or a closing fence line that the
    part before was given already. Only in a part that is still written, ``tail`` may also stand for a half-typed
    link whose address is not shown.
    """

    text: str
    head: int = 0
    tail: int = 0
    gap: str = ""

    @property
    def body(self) -> str:
        return self.text[self.head : len(self.text) - self.tail]


def rebuild(parts: Iterable[Part], trail: str) -> str:
    """The model's text, from finished parts and ``Draft.trail``."""
    return "".join(part.gap + part.body for part in parts) + trail


class Draft:
    """``sealed``: the parts that will not change. ``trail``: white space behind the last part, once finished."""

    def __init__(self, dialect: Dialect) -> None:
        if dialect.part_limit < SMALLEST_LIMIT:
            raise ValueError(f"part_limit {dialect.part_limit} of {dialect.name} is below {SMALLEST_LIMIT}")
        self._limit, self._weigh = dialect.part_limit, dialect.weigh
        self.sealed: list[Part] = []
        self.trail = ""
        self._finished = False
        self._surrogate = ""
        self._pieces: list[str] = []
        self._head = self._gap = ""
        self._weight = 0
        self._starting = True
        self._begin("", Cut(0))

    def add(self, text: str) -> None:
        """Take the next delta."""
        if self._surrogate or (not text.isascii() and _SURROGATE.search(text)):
            text = self._join_surrogates(text)
        for start in range(0, len(text), self._limit):
            self._take(text[start : start + self._limit])

    def finish(self, whole: bool = True, room: int = 0) -> None:
        """No more text comes. Not ``whole``: it was broken off, so bold and the like that is open is closed too.
        ``room``: what the last part leaves of the limit for something else, if it can."""
        if self._finished:
            return
        self._finished = True
        if self._surrogate:
            self._take("\ufffd")
        if self._starting:
            self._open()
        while not self._starting:
            self._seal_last(whole, self._limit - min(room, self._limit // 2))
        self.trail += self._gap
        self._gap = ""

    def current(self) -> Part | None:
        """The part being written, as it may be shown now; ``None`` while it has nothing to show."""
        if self._starting or self._finished:
            return None
        text = self._text()
        take_lines(self._blocks, text)
        shown = preview(text, self._blocks)
        kept = shown.text.rstrip()
        firm = min(shown.firm, len(kept))
        if self._weigh(kept) > self._limit:
            found = cut(text, len(self._head), self._limit, self._weigh)
            kept, firm = text[: found.end] + found.tail, found.end
        if not kept[len(self._head) : firm].strip() and not kept[len(self._head) :].strip(" \n*_~`"):
            return None
        return Part(kept, min(len(self._head), firm), len(kept) - firm, self._gap)

    def parts(self) -> list[Part]:
        """All sealed parts and the current one."""
        current = self.current()
        return [*self.sealed, current] if current is not None else list(self.sealed)

    # --- the text of the part being written

    def _take(self, piece: str) -> None:
        self._pieces.append(piece)
        if self._starting:
            self._open()
        else:
            self._weight += self._weigh(piece)
        while not self._starting and self._weight > self._limit:
            text = self._text()
            window = text[: fitting(text, self._limit, self._weigh) + 1]
            self._seal(text, cut(window, len(self._head), self._limit, self._weigh))

    def _text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def _seal(self, text: str, found: Cut) -> None:
        self.sealed.append(Part(text[: found.end] + found.tail, len(self._head), len(found.tail), self._gap))
        self._begin(text[found.end :], found)
        self._open()

    def _seal_last(self, whole: bool, limit: int) -> None:
        text = self._text()
        take_lines(self._blocks, text)
        body = text.rstrip()
        tail = settled_tail(text, body, self._blocks, whole)
        if self._weigh(body) + self._weigh(tail) > limit:
            self._seal(text, cut(text, len(self._head), limit, self._weigh))
            return
        self.sealed.append(Part(body + tail, len(self._head), len(tail), self._gap))
        self._begin("", Cut(0))
        self.trail = text[len(body) :]

    # --- the beginning of a part

    def _begin(self, rest: str, found: Cut) -> None:
        self._pieces = [rest] if rest else []
        self._head, self._gap, self._weight = "", "", 0
        self._starting, self._blocks = True, Blocks()
        self._fence, self._table, self._opening = found.fence, found.table, found.head
        self._break_is_due = found.fence is not None

    def _open(self) -> None:
        """Leave out the white space at the cut and decide how the part opens, once enough of it is known."""
        rest = self._text()
        if self._fence is not None:
            opened = self._open_code(rest, self._fence)
            if opened:
                return
            rest = self._text()
            if self._fence is not None:
                return
        body = rest.lstrip()
        self._gap += rest[: len(rest) - len(body)]
        self._pieces = [body] if body else []
        if body:
            table = self._table if body.startswith("|") else ""
            self._start(table or self._opening, body)

    def _open_code(self, rest: str, fence: Fence) -> bool:
        """Go on inside ``fence``; forgets it where the next line closes it, for the part before was closed already."""
        if self._break_is_due and rest and (rest != "\r" or self._finished):
            size = 2 if rest.startswith("\r\n") else int(rest[0] in "\r\n")
            self._gap += rest[:size]
            rest = rest[size:]
            self._pieces, self._break_is_due = [rest] if rest else [], False
        if not rest or self._break_is_due:
            return False
        end = rest.find("\n") + 1
        line = rest[:end] if end else rest
        is_known = bool(end) or self._finished or len(line) > _LONGEST_CLOSING
        if not is_known and _MAYBE_CLOSING.fullmatch(line):
            return False
        if is_known and fence.ends_with(line):
            self._gap += line
            self._pieces = [rest[len(line) :]] if len(rest) > len(line) else []
        elif not fence.is_left_by(line):
            self._start(self._opening, rest)
            return True
        self._fence, self._opening = None, ""
        return False

    def _start(self, head: str, body: str) -> None:
        self._head, self._starting = head, False
        self._pieces = [head + body]
        self._weight = self._weigh(self._pieces[0])

    def _join_surrogates(self, text: str) -> str:
        """Halves of one character that came in two deltas become one; a lone half the replacement character."""
        text, self._surrogate = self._surrogate + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._surrogate = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
