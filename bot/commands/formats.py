"""The json command: answers as text, as JSON, or after a saved schema."""

from __future__ import annotations

from bot.commands.changes import apply_change
from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.parse import Invocation, split_assignment
from bot.commands.places import choose_level, make_changes, read_effective, read_rows
from bot.errors import SettingRefused
from bot.ports import Level
from bot.settings.catalogue import RESET
from bot.settings.change import PLACES, Change, refuse
from bot.settings.resolve import SCHEMA, Effective
from bot.settings.schemas import check_name, is_strict, read_schema


async def change_format(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Answers as text, as JSON, or after a schema; a schema given along is saved first."""
    name, text = split_assignment(invocation.rest)
    word = name.lower()
    if word == "list":
        return say(_tell_format(await read_effective(context)))
    level = choose_level(context, invocation.level)
    fixed = {
        "": "json_object",
        "off": "text",
        "text": "text",
        "on": "json_object",
        "object": "json_object",
        "json_object": "json_object",
    }
    if word == RESET:
        return await apply_change(context, level, Change("response_format", None))
    if word in fixed:
        return await apply_change(context, level, Change("response_format", fixed[word]))
    if text.lower() == "remove":
        return await _remove_schema(name, context)
    if text:
        return await _save_schema(name, text, level, context)
    return await apply_change(context, level, Change("response_format", name))


async def _save_schema(name: str, text: str, level: Level, context: CommandContext) -> CommandOutcome:
    schema = read_schema(text)
    await _check_owner(check_name(name), context)
    await make_changes(context, Level.WORKSPACE, Change(SCHEMA + name, schema))
    exact = (
        ""
        if is_strict(schema)
        else (
            " Providers follow it as best they can; they can promise it exactly only when every object lists all its "
            'properties as required and has `"additionalProperties": false`.'
        )
    )
    try:
        await make_changes(context, level, Change("response_format", name))
    except SettingRefused as refused:
        return say(f"I saved the schema `{name}`, but did not start using it. {refused.user_text}")
    return say(f"I saved the schema `{name}`; answers follow it for {PLACES[level]} now.{exact}")


async def _remove_schema(name: str, context: CommandContext) -> CommandOutcome:
    if name not in (await read_effective(context)).schemas:
        raise refuse("There is no JSON schema of that name here.")
    await _check_owner(name, context)
    await make_changes(context, Level.WORKSPACE, Change(SCHEMA + name, None))
    return say(f"I removed the schema `{name}`. Where it was in use, answers are any JSON object now.")


async def _check_owner(name: str, context: CommandContext) -> None:
    """Anybody may add a schema; only its author or an admin may change it under the feet of those who use it."""
    if context.author.external:
        raise refuse("Only people of this workspace can save schemas.")
    made = next((row for row in await read_rows(context) if row.key == SCHEMA + name), None)
    if made is not None and made.set_by != context.author.id and not context.admin:
        raise refuse("Somebody else saved a schema of that name. Choose another name, or ask an admin.")


def _tell_format(effective: Effective) -> str:
    value = effective.value("response_format")
    now = {"text": "Answers here are ordinary text.", "json_object": "Answers here are JSON objects."}.get(
        value, f"Answers here follow the schema `{value}`."
    )
    names = ", ".join(f"`{name}`" for name in effective.schemas)
    return f"{now}\n\n" + (f"Saved schemas: {names}." if names else "No schema is saved yet.")
