"""Tables, which Discord does not know, as what a phone can show of them. Pure.

Narrow ones become an aligned block in a fixed-width font; wide ones a list with a line for each cell, or, where there
is no room to name the columns again and again, a line for each row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

from wcwidth import wcswidth

from adapters.discord.spans import bold

WIDEST = 60  # columns of a block that does not wrap on most screens

_ROW = re.compile(r" {0,3}\|?.*\|.*$")
_RULER = re.compile(r" {0,3}(?=.*[|])\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_MARKED = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]*)\]\(([^)\s]*)\)")


class Shape(IntEnum):
    """How tables are shown, richest first; each needs less room than the one before."""

    ALIGNED = 0
    LINES = 1
    AS_WRITTEN = 2


def is_row(line: str) -> bool:
    return bool(_ROW.match(line))


def is_ruler(line: str) -> bool:
    return bool(_RULER.match(line))


def shown(lines: Sequence[str], shape: Shape) -> list[str]:
    """The lines of a table (its head, a ruler, rows) as Discord can show them."""
    if shape is Shape.AS_WRITTEN:
        return list(lines)
    rows = [_cells(line) for line in (lines[0], *lines[2:])]
    columns = len(rows[0])
    rows = [(row + [""] * columns)[:columns] for row in rows]
    block = [[_plain(cell) for cell in row] for row in rows]
    widths = [max(_width(row[column]) for row in block) for column in range(columns)]
    if shape is Shape.LINES:
        return _as_lines(rows)
    if len(rows) > 1 and sum(widths) + 3 * (columns - 1) > WIDEST:
        return _as_list(rows)
    body = [_padded(row, widths) for row in block]
    return ["```", body[0], "-+-".join("-" * width for width in widths), *body[1:], "```"]


def _as_list(rows: list[list[str]]) -> list[str]:
    head, *rest = rows
    lines: list[str] = []
    for row in rest:
        lines.append(f"- {bold(row[0]) or '–'}")
        lines += [
            f"  - {name}: {cell}" if name else f"  - {cell}"
            for name, cell in zip(head[1:], row[1:], strict=True)
            if cell
        ]
    return lines


def _as_lines(rows: list[list[str]]) -> list[str]:
    """Hardly longer than the table as it was written."""
    head, *rest = rows
    return [bold(" · ".join(head)), *("- " + " · ".join([bold(row[0]), *row[1:]]) for row in rest)]


def _padded(row: list[str], widths: list[int]) -> str:
    return " | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(line: str) -> list[str]:
    inner = line.strip()
    inner = inner.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _plain(cell: str) -> str:
    """Marks mean nothing inside a block, and three backticks would end it."""

    def bare(found: re.Match[str]) -> str:
        code, bold, words, address = found.groups()
        return code or bold or (f"{words} {address}".strip() if words != address else address)

    return _MARKED.sub(bare, cell).replace("<br>", " ").replace("```", "'''")


def _width(text: str) -> int:
    """Columns in a fixed-width font."""
    return max(0, wcswidth(text)) or len(text)
