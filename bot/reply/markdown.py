"""Model Markdown that is well formed although it is not finished.

``close`` is what a preview shows: what is half open is closed (bold, italic, strike, code, fences), what is half
typed is left out (a link's address, a fence line, a mark that opens nothing yet). Text with nothing open comes
back as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.reply.blocks import Blocks, Fence, fence_opened_by
from bot.reply.inline import MARKS, Open, scan

_HALF_MARKER = re.compile(
    r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:[-=]+|[*+_]{1,3}|#{1,6}|\d{1,9}[.)]|`+|~+|>)?[ \t]*"
)
_RULE = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*")
_HALF_DELIMITER = re.compile(r"[ \t>]*\|?[ \t:|-]*")
_HALF_CLOSING = re.compile(r"[ \t>]*(?:`+|~+)[ \t]*")


@dataclass(frozen=True, slots=True)
class Shown:
    """``text`` as people may see it; its first ``firm`` characters are the model's own and stay."""

    text: str
    firm: int


def close(text: str) -> str:
    """``text`` as a well-formed preview."""
    return preview(text, scan_lines(text)).text


def scan_lines(text: str) -> Blocks:
    """Take every whole line of ``text``."""
    blocks = Blocks()
    take_lines(blocks, text)
    return blocks


def take_lines(blocks: Blocks, text: str) -> None:
    """Take the whole lines of ``text`` that ``blocks`` has not taken yet."""
    while (end := text.find("\n", blocks.taken) + 1) > 0:
        blocks.take(text[blocks.taken : end])


def preview(text: str, blocks: Blocks) -> Shown:
    """Close ``text``, whose whole lines ``blocks`` has taken."""
    line = text[blocks.taken :]
    fence = blocks.fence
    if fence is not None and not fence.is_left_by(line or ">"):
        return _preview_code(text, line, blocks, fence)
    opens_fence = fence_opened_by(line) is not None
    if opens_fence or _is_half_marker(line, blocks):
        kept = text[: blocks.taken].rstrip()
        return _preview_inline(kept, min(blocks.block, len(kept)), complete=opens_fence)
    if "|" in blocks.last and not blocks.in_table and "|" in line and _HALF_DELIMITER.fullmatch(line):
        kept = text[: blocks.taken].rstrip()
        return Shown(kept, len(kept))
    return _preview_inline(text, blocks.taken if blocks.parts_from(line) else blocks.block, complete=False)


def _preview_code(text: str, line: str, blocks: Blocks, fence: Fence) -> Shown:
    if fence.ends_with(line):
        return Shown(text, len(text))
    half = _HALF_CLOSING.fullmatch(line) is not None and fence.marks[0] in line
    body = (text[: blocks.taken] if half else text).rstrip()
    opening_end = text.find("\n", blocks.fence_start)
    if len(body) <= opening_end:
        before = text[: blocks.fence_start].rstrip()
        return Shown(before, len(before))
    return Shown(f"{body}\n{fence.closing}", len(body))


def _is_half_marker(line: str, blocks: Blocks) -> bool:
    if not line.strip() or _HALF_MARKER.fullmatch(line) is None:
        return False
    return not (_RULE.fullmatch(line) and not blocks.last.strip())


def _preview_inline(text: str, start: int, complete: bool) -> Shown:
    found = scan(text, start, len(text), complete)
    if found.half_link is not None:
        opened, text_start, text_end = found.half_link
        label = text[text_start:text_end]
        marks = found.open_at(text_end)
        return Shown(text[:opened] + label + closers(marks), opened)
    kept = text if found.dangling is None else text[: found.dangling]
    marks = found.open_at(len(kept))
    if found.dangling is not None or marks:
        kept = kept.rstrip()
    while marks and not kept[marks[-1].end :].strip():
        kept, marks = kept[: marks[-1].start].rstrip(), marks[:-1]
    firm = len(kept) if found.bracket is None else min(found.bracket, len(kept))
    return Shown(kept + closers(marks), firm)


def closers(marks: Open) -> str:
    """What closes these open marks, innermost first."""
    return "".join(mark.mark for mark in reversed(marks))


def openers(marks: Open) -> str:
    """What opens these marks again, outermost first."""
    return "".join(mark.mark for mark in marks)


def joins_safely(text: str, body_end: int, rest_start: int, marks: Open) -> bool:
    """Closing ``marks`` after ``text[:body_end]`` and opening them before ``text[rest_start:]`` reads as meant."""
    if not marks:
        return body_end == 0 or text[body_end - 1] != "\\"
    if rest_start >= len(text):
        return False
    return text[body_end - 1] not in MARKS and text[rest_start] not in MARKS


def settled_tail(text: str, body: str, blocks: Blocks, whole: bool) -> str:
    """What closes ``body``, the finished ``text`` without its trailing white space; nothing in the ordinary case.

    Marks that are open at the end of a ``whole`` text were only characters. Where the text was broken off they
    are closed, unless a mark at the very end makes that ambiguous.
    """
    line = text[blocks.taken :]
    fence = blocks.fence
    if fence is not None and not fence.is_left_by(line or ">"):
        return "" if fence.ends_with(line) else f"\n{fence.closing}"
    if fence is None and (opened := fence_opened_by(line)) is not None:
        return f"\n{opened.closing}"
    if whole:
        return ""
    start = blocks.taken if blocks.parts_from(line) else blocks.block
    found = scan(body, min(start, len(body)), len(body), complete=False)
    marks = found.open_at(len(body))
    if not marks or found.dangling is not None or body[-1] in MARKS:
        return ""
    return closers(marks)
