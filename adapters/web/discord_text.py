"""The model's Markdown as a Discord-like room can show it. Pure; lengths in code points.

Tables become monospace blocks, headings below the third level bold lines, rules blank lines, images links, task
boxes characters; nobody can be pinged. Text inside code stays as it is, except for pings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

PART_LIMIT = 1_900
HARD_LIMIT = 2_000

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ROW = re.compile(r" {0,3}\|.*\|\s*$")
_RULER = re.compile(r" {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_DEEP_HEADING = re.compile(r"#{4,6}\s+(.+?)\s*#*\s*$")
_RULE = re.compile(r" {0,3}([-*_])\s*(\1\s*){2,}$")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
_TASK = re.compile(r"^(\s*[-*+] )\[([ xX])\] ")
_MARKED = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*")
_EVERYBODY = re.compile(r"@(everyone|here)\b")
_NAMED = re.compile(r"<(@[!&]?\d)")


def render(text: str) -> str:
    """At most ``HARD_LIMIT`` characters of what people read, for texts of at most ``PART_LIMIT``."""
    for attempt in (
        _defused(_translated(text, tables=True)),
        _defused(_translated(text, tables=False)),
        _defused(text),
    ):
        if len(attempt) <= HARD_LIMIT:
            return attempt
    # A text of hardly anything but mentions: without their @ it is shorter than it was.
    return _EVERYBODY.sub(r"\1", _NAMED.sub(r"\1", text))[:HARD_LIMIT]


def _defused(text: str) -> str:
    return _NAMED.sub("<\u200b\\1", _EVERYBODY.sub("@\u200b\\1", text))


def _translated(text: str, *, tables: bool) -> str:
    lines: list[str] = []
    table: list[str] = []
    for line, coded in _with_code(text.split("\n")):
        if tables and not coded and _ROW.match(line):
            table.append(line)
            continue
        lines += _table(table)
        table = []
        lines.append(line if coded else _line(line))
    return "\n".join(lines + _table(table))


def _with_code(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it belongs to a fenced block."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if fence:
            yield line, True
            if found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        else:
            fence = found[1] if found else ""
            yield line, bool(found)


def _line(line: str) -> str:
    if heading := _DEEP_HEADING.match(line):
        title = heading[1].replace("**", "")
        return f"**{title}**" if title else ""
    if _RULE.match(line):
        return ""
    line = _IMAGE.sub(lambda found: f"[{found[1] or 'image'}]({found[2]})", line)
    return _TASK.sub(lambda found: found[1] + ("☐ " if found[2] == " " else "☑ "), line)


def _table(rows: list[str]) -> list[str]:
    """The rows as a monospace block; rows that are not a table stay as they are."""
    if len(rows) < 2 or not _RULER.match(rows[1]):
        return rows
    found = [_cells(row) for row in rows if not _RULER.match(row)]
    columns = max(len(row) for row in found)
    cells = [row + [""] * (columns - len(row)) for row in found]
    widths = [max(_width(row[column]) for row in cells) for column in range(columns)]
    body = [
        " | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return ["```", body[0], "-+-".join("-" * width for width in widths), *body[1:], "```"]


def _cells(row: str) -> list[str]:
    inner = row.strip().strip("|")
    cells = re.split(r"(?<!\\)\|", inner)
    return [_plain(cell.strip().replace("\\|", "|")) for cell in cells]


def _plain(cell: str) -> str:
    """Bold and code marks mean nothing inside a block, and three backticks would end it."""
    return _MARKED.sub(lambda found: found[1] or found[2], cell).replace("```", "`\u200b``")


def _width(text: str) -> int:
    """Columns in a monospace font."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
