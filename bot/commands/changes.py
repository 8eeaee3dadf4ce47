"""Making one change and saying plainly what it means here."""

from __future__ import annotations

from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.places import make_changes
from bot.commands.wording import word_origin, word_raw, word_value
from bot.ports import Level
from bot.settings.catalogue import KEYS
from bot.settings.change import PLACES, Change
from bot.settings.resolve import CAP, LOCK, RANK, Effective


async def apply_change(context: CommandContext, level: Level, change: Change) -> CommandOutcome:
    """Make one change and say what it means here."""
    return say(tell_change(change, level, await make_changes(context, level, change), context))


def tell_change(change: Change, level: Level, after: Effective, context: CommandContext) -> str:
    """What was changed, and what counts here when that is something else."""
    place = PLACES[level]
    if change.name.startswith(LOCK):
        verb = "unlocked" if change.value is None else "locked"
        return f"`{change.name.removeprefix(LOCK)}` is {verb} for {place}."
    if change.name.startswith(CAP):
        key = KEYS[change.name.removeprefix(CAP)]
        if change.value is None:
            return f"`{key.name}` has no cap for {place} any more."
        return f"`{key.name}` is at most {key.show(change.value)} for {place} now."
    chosen = after.chosen[change.name]
    if change.value is None:
        return f"Reset for {place}. `{change.name}` is {word_value(chosen)} here now: {word_origin(chosen, context)}."
    text = f"`{change.name}` is {word_raw(change.name, change.value)} for {place} now."
    if RANK[chosen.level] > RANK[level]:
        text += f" Here {word_value(chosen)} still counts: {word_origin(chosen, context)}."
    return text
