"""How values, places and times read in notices."""

from __future__ import annotations

from bot.commands.context import CommandContext
from bot.ports import Level
from bot.settings.catalogue import KEYS
from bot.settings.change import PLACES
from bot.settings.resolve import Chosen

_UNITS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"))
_SHORT = 60


def word_value(chosen: Chosen, longest: int = _SHORT) -> str:
    """The value that counts, in code marks and on one line; long texts are cut."""
    return word_raw(chosen.key, chosen.value, longest)


def word_raw(key: str, value: object, longest: int = _SHORT) -> str:
    """Any value of ``key``, worded the same way."""
    text = " ".join(KEYS[key].show(value).split())
    if not text:
        return "not set"
    text = text.replace("`", "'")
    return f"`{text if len(text) <= longest else text[: longest - 1] + '…'}`"


def word_place(level: Level) -> str:
    """Where a value comes from, as a noun."""
    return "the usual value" if level is Level.DEPLOYMENT else PLACES[level]


def word_origin(chosen: Chosen, context: CommandContext) -> str:
    """Level, person and time: "this channel, set by you 2 hours ago"."""
    text = word_place(chosen.level)
    if chosen.set_by:
        who = "you" if chosen.set_by == context.author.id else context.name_of(chosen.set_by)
        text += f", set by {who} {word_ago(context.now - chosen.set_at)}"
    if chosen.capped:
        text += ", brought down to an admin's cap"
    if chosen.locked is not None:
        text += f", locked for {PLACES[chosen.locked]}"
    return text


def word_ago(seconds: float) -> str:
    """ "just now", "3 minutes ago"."""
    return next((f"{_count(seconds, unit, name)} ago" for unit, name in _UNITS if seconds >= unit), "just now")


def word_duration(seconds: float) -> str:
    """ "8 seconds", "3 minutes"."""
    return next((_count(seconds, unit, name) for unit, name in _UNITS if seconds >= unit), _count(seconds, 1, "second"))


def _count(seconds: float, unit: float, name: str) -> str:
    number = max(0, round(seconds / unit))
    return f"{number} {name}{'' if number == 1 else 's'}"
