"""The bot's commands as Discord's: generated from the core's registry; and a used command as a line of it. Pure.

There is one command, named by COMMAND_NAME, with a subcommand for each of the registry's; a context menu entry asks
about a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

ASK_ABOUT = "Ask about this"
PLACE = "where"
SUBCOMMAND, STRING = 1, 3
_CHAT, _ON_MESSAGE = 1, 3
_MOST = 25
_PLACES = {
    "thread": "this thread",
    "channel": "this channel",
    "workspace": "the whole server",
    "me": "me, in direct messages",
}
_LONGEST_LINE = 6_000
_COMPARED = (
    *("type", "name", "value", "description", "options", "required", "choices", "autocomplete"),
    *("contexts", "integration_types", "default_member_permissions"),
)

Json = dict[str, Any]


class Argument(Protocol):
    """As ``bot.commands.registry.Argument``."""

    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def choices(self) -> tuple[str, ...]: ...


class Command(Protocol):
    """As ``bot.commands.registry.CommandHelp``."""

    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def arguments(self) -> Sequence[Argument]: ...
    @property
    def placed(self) -> bool: ...


def registration(commands: Sequence[Command], name: str, bot_name: str, *, for_persons: bool) -> list[Json]:
    """Everything to register. ``for_persons``: people may install the application for themselves."""
    where: Json = {"contexts": [0, 1, 2] if for_persons else [0, 1]}
    where["integration_types"] = [0, 1] if for_persons else [0]
    options = [_subcommand(command) for command in commands[:_MOST]]
    group: Json = {"name": name, "type": _CHAT, "description": f"Talk with {bot_name}, and change how it answers"[:100]}
    return [group | {"options": options} | where, {"name": ASK_ABOUT, "type": _ON_MESSAGE} | where]


def is_registered(wanted: Sequence[Json], found: Sequence[Mapping[str, Any]]) -> bool:
    """Discord holds exactly these commands; it adds fields of its own, and defaults."""
    return sorted(map(_essence, wanted)) == sorted(map(_essence, found))


def _essence(command: Mapping[str, Any]) -> str:
    """The same for commands that are the same to people, in whatever way they are written."""
    return json.dumps(_distinctive({"type": _CHAT} | dict(command)), sort_keys=True)


def _distinctive(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _distinctive(value[key]) for key in _COMPARED if key in value}
        return {key: it for key, it in kept.items() if it not in (None, False, [], "")}
    if isinstance(value, list):
        return [_distinctive(it) for it in value] if any(isinstance(it, Mapping) for it in value) else sorted(value)
    return value


def _subcommand(command: Command) -> Json:
    options = [_option(argument) for argument in command.arguments]
    if command.placed and all(option["name"] != PLACE for option in options):
        choices = [{"name": label, "value": value} for value, label in _PLACES.items()]
        option: Json = {"name": PLACE, "type": STRING, "description": "Where it counts, when not here"}
        options.append(option | {"choices": choices})
    # Discord wants the required ones first.
    options.sort(key=lambda option: not option.get("required"))
    return {"name": command.name, "type": SUBCOMMAND, "description": command.summary[:100], "options": options}


def _option(argument: Argument) -> Json:
    option: Json = {"name": argument.name, "type": STRING, "description": argument.summary[:100]}
    if argument.required:
        option["required"] = True
    if argument.choices:
        option["choices"] = [{"name": choice, "value": choice} for choice in argument.choices[:_MOST]]
    elif argument.kind != "text":
        option["autocomplete"] = True
    return option


# --- a command as used


def line_of(data: Mapping[str, Any], commands: Sequence[Command]) -> str:
    """The line of the core's grammar: name, flag, arguments in their order."""
    name, given = _used(data)
    command = next((it for it in commands if it.name == name), None)
    order = [argument.name for argument in command.arguments] if command else []
    order += [argument for argument in given if argument not in (*order, PLACE)]
    words = [str(given[argument]).strip() for argument in order if argument in given]
    flag = [f"--{given[PLACE]}"] if given.get(PLACE) in _PLACES and PLACE not in order else []
    return " ".join([name, *flag, *(word for word in words if word)])[:_LONGEST_LINE]


def typed_line(data: Mapping[str, Any], commands: Sequence[Command]) -> tuple[str, str]:
    """(the line up to the argument that is being typed, what stands before that argument's value)."""
    name, given = _used(data)
    focused = next((str(it["name"]) for it in _options(data) if it.get("focused")), "")
    command = next((it for it in commands if it.name == name), None)
    order = [argument.name for argument in command.arguments] if command else []
    before = order[: order.index(focused)] if focused in order else []
    head = " ".join([name, *(str(given[argument]).strip() for argument in before if argument in given)]) + " "
    return head + str(given.get(focused, "")), head


def choices_of(lines: Sequence[tuple[str, str, str]], head: str) -> list[Json]:
    """Suggestions as Discord's choices: (line, label, hint) → name and value, those that fit."""
    found: list[Json] = []
    for line, label, hint in lines:
        value = line.removeprefix(head).strip() if line.startswith(head) else label.strip()
        if 0 < len(value) <= 100:
            name = f"{label.strip() or value} – {hint}" if hint else label.strip() or value
            found.append({"name": name if len(name) <= 100 else name[:99] + "…", "value": value})
    return found[:_MOST]


def _used(data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    chosen: Mapping[str, Any] = next(iter(data.get("options") or ()), {})
    return str(chosen.get("name") or ""), {str(it["name"]): it.get("value", "") for it in _options(data)}


def _options(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    chosen: Mapping[str, Any] = next(iter(data.get("options") or ()), {})
    options: Sequence[Mapping[str, Any]] = chosen.get("options") or ()
    return options
