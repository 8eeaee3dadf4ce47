"""Completions of a command line while it is typed: commands, keys, values, live models, schemas, places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.commands.context import CommandContext
from bot.commands.parse import split_assignment
from bot.commands.places import profile_of, read_effective
from bot.commands.registry import FLAGS, Argument, ArgumentKind, command_helps, find_command
from bot.commands.wording import word_value
from bot.errors import CompletionFailed, SettingRefused
from bot.ports import Suggestion
from bot.settings.catalogue import KEYS, RESET, find_key
from bot.settings.change import FORMATS, list_choices

MOST = 25
"""How many Discord shows; more would not help anybody elsewhere either."""


async def suggest(line: str, context: CommandContext) -> Sequence[Suggestion]:
    """Up to 25 completions of ``line`` (without the command's name), best first. Raises ``StoreError``."""
    return [*_unique(await _complete(line.lstrip(), context))][:MOST]


async def _complete(line: str, context: CommandContext) -> Iterable[Suggestion]:
    word, space, rest = line.partition(" ")
    if not space:
        return _suggest_commands(word)
    command = find_command(word)
    if command is None or not command.arguments:
        return ()
    last = rest.rsplit(" ", 1)[-1]
    if command.placed and last[:1] in ("-", "\u2014", "\u2013"):
        return _suggest_flags(line, last)
    if command.name == "set":
        return await _suggest_setting(rest, context)
    return await _suggest_argument(command.name, command.arguments[0], rest, context)


def _suggest_commands(word: str) -> Iterator[Suggestion]:
    typed = word.casefold().lstrip("!/")
    for command in command_helps():
        if command.name.startswith(typed) or any(alias.startswith(typed) for alias in command.aliases if typed):
            yield Suggestion(command.name + (" " if command.arguments else ""), command.usage, command.summary)


def _suggest_flags(line: str, last: str) -> Iterator[Suggestion]:
    kept = line[: len(line) - len(last)]
    typed = last.lstrip("-\u2014\u2013")
    for flag in FLAGS:
        if flag.removeprefix("--").startswith(typed):
            yield Suggestion(kept + flag, flag, "Change it there instead of here")


async def _suggest_argument(name: str, argument: Argument, typed: str, context: CommandContext) -> Iterable[Suggestion]:
    pairs: Iterable[tuple[str, str]] = ()
    if argument.kind is ArgumentKind.COMMAND:
        pairs = [(each.name, each.summary) for each in command_helps()]
    elif argument.kind is ArgumentKind.MODEL:
        pairs = await _list_models(context)
    elif argument.kind is ArgumentKind.PLACE:
        pairs = [(place, "") for place in argument.choices]
    elif argument.kind is ArgumentKind.SCHEMA:
        effective = await read_effective(context)
        saved = [(schema, "A saved schema") for schema in effective.schemas]
        pairs = [("on", "Any JSON object"), ("off", "Ordinary text"), *saved]
    elif name == "system":
        pairs = [("off", "No system prompt at all"), (RESET, "Back to the usual one")]
    return _matching(f"{name} ", typed, pairs)


async def _suggest_setting(rest: str, context: CommandContext) -> Iterable[Suggestion]:
    if " " not in rest and "=" not in rest:
        effective = await read_effective(context)
        pairs = [
            (f"{key.name} ", f"{key.label}, now {word_value(effective.chosen[key.name]).replace('`', '')}")
            for key in KEYS.values()
        ]
        return _matching("set ", rest, pairs)
    name, typed = split_assignment(rest)
    try:
        key = find_key(name)
    except SettingRefused:
        return ()
    if key.name in ("model", "fallback_models"):
        values = await _list_models(context)
    else:
        values = [(value, "") for value in await _list_values(key.name, context)]
    off = [("off", "Send none")] if key.optional else []
    chosen = (await read_effective(context)).chosen[key.name]
    now = key.show(chosen.value)
    marked = [(value, "now" if value == now else hint) for value, hint in values]
    return _matching(f"set {key.name} ", typed, [*marked, *off, (RESET, "Take the value made here away")]) or (
        [Suggestion(f"set {key.name} {typed}", typed, f"{key.label} takes {key.expects}")]
    )


async def _list_values(name: str, context: CommandContext) -> Sequence[str]:
    effective = await read_effective(context)
    if name == "response_format":
        return (*FORMATS, *effective.schemas)
    return list_choices(KEYS[name], profile_of(context, effective))


async def _list_models(context: CommandContext) -> Sequence[tuple[str, str]]:
    """Live model ids with a hint, the present one marked; only that one while the provider is away."""
    current = (await read_effective(context)).value("model")
    try:
        ids = [profile.id for profile in await context.completions.models()]
    except CompletionFailed:
        ids = [current]
    return [(each, "answers here now" if each == current else "") for each in ids]


def _matching(head: str, typed: str, pairs: Iterable[tuple[str, str]]) -> list[Suggestion]:
    """Those that begin with what was typed, then those that contain it."""
    low = typed.strip().casefold()
    held = [(value, hint) for value, hint in pairs if low in value.casefold()]
    held.sort(key=lambda pair: not pair[0].casefold().startswith(low))
    return [Suggestion(head + value, value.strip(), hint) for value, hint in held]


def _unique(found: Iterable[Suggestion]) -> Iterator[Suggestion]:
    seen = set()
    for suggestion in found:
        if suggestion.line not in seen:
            seen.add(suggestion.line)
            yield suggestion
