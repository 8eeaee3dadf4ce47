"""The grammar of commands: a line, or a chat message that turns out to be a command.

A line is ``NAME REST``; a flag such as ``--channel`` may stand at the beginning or the end of the rest, and a dash
that a chat client made long counts as ``--``. In a message only ``!NAME`` is a command, and only a known name:
``!important`` and ``@bot help me with this`` are chat. Commands that take nothing are chat when words follow
(``!new ideas, anyone?``). The single word ``stop`` is a command too: it always wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.commands.registry import FLAGS, find_command
from bot.ports import Level
from bot.settings.quoting import split_words

_STOP = re.compile(r"stop[\s.!]*", re.IGNORECASE)
_BANG = re.compile(r"!([A-Za-z][\w-]*)(?=\s|$)")
_LEADING_FLAG = re.compile(r"(--|\u2014|\u2013)([a-z]+)(?=\s|$)\s*")
_TRAILING_FLAG = re.compile(r"(?:^|\s)(--|\u2014|\u2013)([a-z]+)$")
_ASSIGNMENT = re.compile(r"(`?[\w.-]+`?)\s*=?\s*(.*)", re.DOTALL)
_EVEN_WITH_WORDS = frozenset({"stop"})


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command as given. ``name`` is the registry's, or the unknown word when not ``known``.

    ``rest``: everything after the name, flags taken out. ``level``: where a flag says it counts. ``bare``: the
    single word ``stop`` in a message that named nobody, so perhaps it was not meant for us.
    """

    name: str
    rest: str = ""
    level: Level | None = None
    known: bool = True
    bare: bool = False


def parse_line(line: str) -> Invocation:
    """Read a slash command's line; an empty one asks for help."""
    name, rest = _split(line.strip())
    if not name:
        return Invocation("help")
    command = find_command(name.lstrip("!/") or name)
    if command is None:
        return Invocation(name, rest, known=False)
    rest, level = _take_flag(rest) if command.placed else (rest, None)
    return Invocation(command.name, rest, level)


def parse_message(text: str, mentioned: bool) -> Invocation | None:
    """The command in a message, or ``None`` when it is chat. ``mentioned``: it was addressed to the bot."""
    bare = text.strip().lstrip(",:; ") if mentioned else text.strip()
    if _STOP.fullmatch(bare):
        return Invocation("stop", bare=not mentioned)
    bang = _BANG.match(bare)
    command = find_command(bang[1]) if bang else None
    if bang is None or command is None:
        return None
    follows = bare[bang.end() :].strip()
    if follows and not command.arguments and command.name not in _EVEN_WITH_WORDS:
        return None
    return parse_line(bare[1:])


def split_assignment(rest: str) -> tuple[str, str]:
    """``KEY VALUE`` or ``KEY=VALUE``: the key and the text after it, "" when there is none."""
    found = _ASSIGNMENT.match(rest.strip())
    return (found[1].strip("`"), found[2].strip()) if found else (rest.strip(), "")


def unquote(text: str) -> str:
    """``text`` without the quotes around the whole of it, if there are any."""
    words = split_words(text)
    return words[0] if len(words) == 1 and text.strip() != words[0] else text.strip()


def _split(line: str) -> tuple[str, str]:
    words = line.split(None, 1)
    return (words[0] if words else ""), (words[1].strip() if len(words) > 1 else "")


def _take_flag(rest: str) -> tuple[str, Level | None]:
    leading = _LEADING_FLAG.match(rest)
    if leading and f"--{leading[2]}" in FLAGS:
        return rest[leading.end() :].strip(), FLAGS[f"--{leading[2]}"]
    trailing = _TRAILING_FLAG.search(rest)
    if trailing and f"--{trailing[2]}" in FLAGS:
        return rest[: trailing.start()].strip(), FLAGS[f"--{trailing[2]}"]
    return rest, None
