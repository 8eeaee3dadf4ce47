"""Texts as models write them, and strategies that make more of the kind."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from bot.replies import Dialect
from bot.reply.draft import Draft, Part
from bot.reply.measure import Weigh, code_points, utf8_bytes, utf16_units

WEIGHS: tuple[Weigh, ...] = (code_points, utf16_units, utf8_bytes)

FRAGMENTS = (
    "word ", "another, ", "A sentence. ", "Is it? ", "**bold** ", "**bold over words ", "*it* ", "_it ", "~~gone~~ ",
    "`code` ", "`half ", "``a ` b`` ", "[docs](https://example.org/a_(b)) ", "![alt](https://example.org/x.png) ",
    "[half](http",
    "\n", "\n\n", "\r\n", "- item\n", "  - nested\n", "1. first\n", "# Heading\n", "> quoted\n", "---\n",
    "```python\n", "```\n", "~~~\n", "````md\n", "````\n", "> ```\n", "   ```js\n", "x = 1\n", "    return {}\n",
    "``", "```",
    "| a | b |\n|---|---|\n", "| 1 | two |\n", "| 3 |", "a | b\n", "2 * 3 * 4 ", "**kwargs ", "\\* ", "\\", "*",
    "**", "`",
    "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "e\u0301", "漢字かな。", "שלום עולם ", "한국어 ", "z" * 40, "   ", "\t", "\r",
)  # fmt: skip

texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=12)), max_size=120).map("".join)


def dialect(limit: int = 100, weigh: Weigh = code_points, spacing: float = 1.0, live: bool = True) -> Dialect:
    return Dialect("sample", limit, weigh, str, spacing, live)


def drafted(deltas: Sequence[str], limit: int = 100, weigh: Weigh = code_points, whole: bool = True) -> Draft:
    draft = Draft(dialect(limit, weigh))
    for delta in deltas:
        draft.add(delta)
    draft.finish(whole)
    return draft


def shown(text: str, limit: int = 100) -> list[Part]:
    return drafted([text], limit).sealed
