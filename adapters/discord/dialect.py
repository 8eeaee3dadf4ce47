"""Discord's markup and limits, as data. Pure.

Discord reads a Markdown of its own: no tables, images, rules, deep headings, nested quotes or task lists; ``__x__``
underlines, ``||x||`` hides, ``-# x`` is small print. Rendering turns the model's Markdown into what looks as meant, and
leaves code as it is. Budgets stay within the five writes in five seconds that are granted to a channel, which belongs
to the one process that has its shard; what all processes write together counts for the token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from adapters.discord.spans import bold, outside_code
from adapters.discord.tables import Shape, is_row, is_ruler, shown
from bot.replies import Budget, Dialect, Toll, Way

HARD_LIMIT = 2_000
PART_LIMIT = HARD_LIMIT

GLOBAL_KEY = "discord:global"
CREATE = Budget("create", rate=0.95, burst=1, reserve=0, private=True)
EDIT = Budget("edit", rate=0.6, burst=2, reserve=1, private=True)
OLD_EDIT = Budget("edit of an old message", rate=0.4, burst=1, reserve=0, private=True)
HOOK = Budget("interaction", rate=1.5, burst=3, reserve=1, private=True)
GLOBAL = Budget("everything", rate=22, burst=20, reserve=5)

_FENCE = re.compile(r"([ \t>]*?)(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*$")
_LANGUAGE = re.compile(r"[\w+#.-]{1,20}")
_HEADING = re.compile(r"#{4,6}[ \t]+(.+?)[ \t#]*$")
_UNDERLINE = re.compile(r" {0,3}=+[ \t]*$")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(\1[ \t]*){2,}$")
_QUOTE = re.compile(r" {0,3}>[ \t]?(?:[ \t]*>[ \t]?)*")
_SMALL = re.compile(r"^(\s*)-#(?=\s)")
_TASK = re.compile(r"^(\s*(?:[-*+]|\d+[.)])[ \t]+)\[([ xX])\][ \t]+")
_PLUS = re.compile(r"^(\s*)\+(?=[ \t])")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(<?([^)\s>]+)>?[^)]*\)")
_LINK = re.compile(r"\[([^\[\]]+)\]\((?!https?://|<https?://)([^)\s]+)[^)]*\)")
_STRONG = re.compile(r"(?<![\w\\_])__(?=[^\s_])(.+?)(?<=[^\s_])__(?![\w_])")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_EVERYBODY = re.compile(r"@(?=everyone|here)")
_EVERYBODIES = re.compile(r"@+(?=everyone|here)")
_NAMES = re.compile(r"<+(?=@[!&]?\d)")
_NAMED = re.compile(r"<(?=@[!&]?\d)")


def render(text: str) -> str:
    """At most ``HARD_LIMIT`` characters of what people read, for texts of at most ``PART_LIMIT``."""
    return within(text, HARD_LIMIT)


def weigh(text: str) -> int:
    """As Discord counts, by code points; what may have to be taken apart takes a character more."""
    return len(text) + text.count("@") + text.count("|")


def weigh_notes(notes: Sequence[str]) -> int:
    return sum(len(note) + len("\n-# ") for note in notes)


def within(text: str, limit: int) -> str:
    """``text`` as Discord shows it in at most ``limit`` characters, as rich as fits."""
    for shape in Shape:
        rendered = "\n".join(_lines(text, shape))
        if len(rendered) <= limit and rendered.strip():
            return rendered
    # A text of hardly anything but what must be taken apart: without those characters it is no longer than it was.
    plain = _EVERYBODIES.sub("", _NAMES.sub("", text))
    return plain[:limit] if plain.strip() else "\u200b"


def escape(text: str) -> str:
    """``text`` as it stands, on one line, for names and small print."""
    return defuse(re.sub(r"([\\*_~`|])", r"\\\1", " ".join(text.split())))


def defuse(text: str) -> str:
    """Nobody is mentioned."""
    return _NAMED.sub("<\u200b", _EVERYBODY.sub("@\u200b", text))


# --- lines


def _lines(text: str, shape: Shape) -> Iterator[str]:
    source = text.split("\n")
    at, fence = 0, ""
    while at < len(source):
        line = source[at]
        found = _FENCE.match(line)
        if fence:
            closes = found is not None and found[2].startswith(fence) and not found[3]
            yield f"{found[1]}```" if closes and found else line.replace("```", "`\u200b``")
            fence = "" if closes else fence
        elif found:
            fence = found[2]
            yield f"{found[1]}```{found[3] if _LANGUAGE.fullmatch(found[3]) else ''}"
        elif table := _table_at(source, at):
            rows = shown(table, shape)
            front = "> " if _QUOTE.match(line) else ""
            yield from (front + (row if rows[0] == "```" else _inline(row)) for row in rows)
            at += len(table)
            continue
        elif line.strip() and at + 1 < len(source) and _UNDERLINE.match(source[at + 1]):
            yield bold(_inline(line))
            at += 2
            continue
        else:
            yield _line(line)
        at += 1


def _table_at(source: Sequence[str], at: int) -> list[str]:
    """The lines of the table that begins there, without the marks of the quote it may stand in; [] where none does."""
    is_quoted = _QUOTE.match(source[at]) is not None
    lines: list[str] = []
    for line in source[at:]:
        quote = _QUOTE.match(line)
        inner = line[quote.end() :] if quote else line
        if (quote is not None) != is_quoted or not is_row(inner) or (len(lines) == 1 and not is_ruler(inner)):
            break
        lines.append(inner)
    return lines if len(lines) > 1 else []


def _line(line: str) -> str:
    quote = _QUOTE.match(line)
    if quote:
        return "> " + _line(line[quote.end() :])
    if _RULE.match(line):
        return ""
    heading = _HEADING.match(line)
    if heading:
        return bold(_inline(heading[1]))
    line = _SMALL.sub(r"\1\\-#", line)
    line = _TASK.sub(lambda found: found[1] + ("☐ " if found[2] == " " else "☑ "), line)
    return _inline(_PLUS.sub(r"\1-", line))


def _inline(line: str) -> str:
    """A line outside of code blocks; what stands in code spans stays."""
    return outside_code(line, _words)


def _words(text: str) -> str:
    if not text:
        return text
    text = _IMAGE.sub(lambda found: f"[{found[1] or 'image'}]({found[2]})", text)
    text = _LINK.sub(r"\1 (\2)", text)
    text = _STRONG.sub(r"**\1**", text).replace("||", "\\|\\|")
    return defuse(_BREAK.sub("\n", text))


# --- budgets


def bucket(budget: Budget, place: str) -> str:
    """The key under which writes of this kind are counted in a channel, thread or interaction."""
    return f"discord:{budget.name}:{place}"


def way(name: str, budget: Budget, place: str, *, counts: bool = True) -> Way:
    """One manner of writing. ``counts``: to the global allowance too."""
    toll = Toll(budget, bucket(budget, place))
    return Way(name, (toll, Toll(GLOBAL, GLOBAL_KEY)) if counts else (toll,))


DISCORD = Dialect("discord", part_limit=PART_LIMIT, weigh=weigh, render=render, spacing=1.0, weigh_notes=weigh_notes)
