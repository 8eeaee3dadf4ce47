"""Commands that change settings: system, set, reset-settings."""

from __future__ import annotations

from bot.commands.changes import apply_change
from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.model_choice import choose_model
from bot.commands.parse import Invocation, split_assignment, unquote
from bot.commands.places import choose_level, profile_of, read_effective, read_rows, scope_at, write
from bot.commands.wording import word_origin, word_value
from bot.errors import SettingRefused
from bot.ports import Level, ModelProfile
from bot.settings.catalogue import KEYS, find_key
from bot.settings.change import PLACES, Change, check_change, read_change, refuse
from bot.settings.resolve import CAP, LOCK, Effective


async def change_system(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Show, write, switch off or reset the system prompt."""
    if not invocation.rest:
        chosen = (await read_effective(context)).chosen["system"]
        text = KEYS["system"].show(chosen.value)
        cited = "\n".join(f"> {line}" for line in text.splitlines())
        shown = "There is no system prompt here." if text in ("", "off") else f"The system prompt here:\n\n{cited}"
        return say(f"{shown}\n\nFrom {word_origin(chosen, context)}.")
    level = choose_level(context, invocation.level)
    return await apply_change(context, level, read_change("system", unquote(invocation.rest)))


async def change_setting(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """``set KEY`` explains, ``set KEY VALUE`` changes."""
    if not invocation.rest:
        names = ", ".join(f"`{name}`" for name in KEYS)
        return say(f"Which setting? There are {names}.\n\nFor example: `/{context.command_name} set temperature 0.2`")
    name, text = split_assignment(invocation.rest)
    if not text:
        key = find_key(name.removeprefix(LOCK).removeprefix(CAP))
        chosen = (await read_effective(context)).chosen[key.name]
        return say(
            f"**{key.label}** (`{key.name}`): {key.help}\n\nNow {word_value(chosen, 300)}: "
            f"{word_origin(chosen, context)}. It takes {key.expects}; `reset` takes the value made here away."
        )
    value = text if name.lower() == "stop" else unquote(text)
    change = read_change(name, value)
    if change.name == "model" and change.value is not None:
        return await choose_model(Invocation("model", change.value, invocation.level), context)
    return await apply_change(context, choose_level(context, invocation.level), change)


async def reset_settings(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Clear every value of one level that this person may clear; locks and saved schemas stay."""
    named = {level.value: level for level in (Level.THREAD, Level.CHANNEL, Level.WORKSPACE)}
    word = invocation.rest.lower().removeprefix("--")
    if word and word not in named:
        raise refuse("I can reset `thread`, `channel` or `workspace`.")
    level = choose_level(context, named[word] if word else invocation.level)
    if level is Level.WORKSPACE and not context.admin:
        raise refuse("Only admins can change settings for the whole workspace.")
    scope = scope_at(context, level)
    effective = await read_effective(context)
    profile = profile_of(context, effective)
    made = [Change(row.key, None) for row in await read_rows(context) if row.scope == scope and row.key in KEYS]
    mine = [change for change in made if _may(change, level, context, effective, profile)]
    if not mine:
        return say(f"There is no setting for {PLACES[level]} that you could take away.")
    await write(context, level, *mine)
    names = ", ".join(f"`{change.name}`" for change in mine)
    return say(f"Done. Taken away for {PLACES[level]}: {names}.")


def _may(change: Change, level: Level, context: CommandContext, effective: Effective, profile: ModelProfile) -> bool:
    try:
        check_change(change, level, context.admin, effective, profile)
    except SettingRefused:
        return False
    return True
