"""The model command: the provider's live list, and choosing from it."""

from __future__ import annotations

import difflib

from bot.commands.changes import apply_change, tell_change
from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.parse import Invocation, unquote
from bot.commands.places import choose_level, make_changes, profile_of, read_effective
from bot.commands.wording import word_origin
from bot.errors import CompletionFailed
from bot.ports import ModelProfile
from bot.settings.catalogue import KEYS, RESET
from bot.settings.change import Change, list_misfits, list_words, refuse

_LISTED = 40


async def choose_model(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """List the live models, or make one of them answer here."""
    if not invocation.rest:
        return say(await _list_models(context))
    level = choose_level(context, invocation.level)
    wanted = unquote(invocation.rest).strip("`")
    if wanted.lower() == RESET:
        return await apply_change(context, level, Change("model", None))
    found, checked = await find_model(wanted, context)
    change = Change("model", KEYS["model"].parse(found))
    after = await make_changes(context, level, change)
    text = tell_change(change, level, after, context)
    misfits = list_misfits(after, profile_of(context, after))
    if misfits:
        text += "\n\nA setting made before does not fit this model: " + " ".join(misfits)
    if not checked:
        text += "\n\nThe provider could not be asked whether it has this model, so I took your word for it."
    return say(text)


async def _list_models(context: CommandContext) -> str:
    effective = await read_effective(context)
    current = effective.value("model")
    origin = word_origin(effective.chosen["model"], context)
    try:
        profiles = await context.completions.models()
    except CompletionFailed as failed:
        return f"`{current}` answers here ({origin}). I could not get the list of models: {failed.user_text}"
    choose = f"`/{context.command_name} model ID` chooses another."
    if not profiles:
        return f"`{current}` answers here ({origin}). The provider has no list of its models. {choose}"
    lines = [_word_model(profile, profile.id == current) for profile in profiles[:_LISTED]]
    if len(profiles) > _LISTED:
        lines.append(f"- and {len(profiles) - _LISTED} more")
    if all(profile.id != current for profile in profiles):
        lines.insert(0, f"- **`{current}`** answers here, but the provider does not list it now")
    return "\n".join(lines) + f"\n\nWhy this one: {origin}. {choose}"


def _word_model(profile: ModelProfile, current: bool) -> str:
    traits = [f"reads {profile.context_window:,} tokens"] if profile.known else []
    traits += ["sees images"] * profile.vision + ["thinks first"] * bool(profile.efforts)
    name = f"**`{profile.id}`** answers here" if current else f"`{profile.id}`"
    return f"- {name}" + (f" ({', '.join(traits)})" if traits else "")


async def find_model(wanted: str, context: CommandContext) -> tuple[str, bool]:
    """The id meant, and whether the provider's list was there to check it. Raises ``SettingRefused``."""
    try:
        ids = [profile.id for profile in await context.completions.models()]
    except CompletionFailed:
        return wanted, False
    if not ids:
        return wanted, False
    if wanted == context.completions.backend().model:  # whoever runs the bot chose it, listed or not
        return wanted, True
    exact = [each for each in ids if each.lower() == wanted.lower()]
    ends = [each for each in ids if each.lower().rsplit("/", 1)[-1] == wanted.lower()]
    part = [each for each in ids if wanted.lower() in each.lower()]
    for found in (exact, ends, part):
        if len(found) == 1:
            return found[0], True
    near = part or difflib.get_close_matches(wanted, ids, n=3, cutoff=0.4) or ids[:5]
    raise refuse(f"The provider has no model of that name. Did you mean {list_words(near[:5])}?")
