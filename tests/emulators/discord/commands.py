"""Application commands: what may be registered, bulk overwrite, and the 200 creates a day.

Registries are kept per guild id, "" for the global one: command id → the command as Discord answers it.
"""

from __future__ import annotations

import re
from typing import Any

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.records import Json
from tests.emulators.discord.refusals import Refused, bad_form, bad_length, not_a_choice
from tests.emulators.discord.state import State

_NAME = re.compile(r"^[-_'\w]{1,32}$")
_MOST = {1: 100, 2: 15, 3: 15}
_DEFAULTS: Json = {
    "description": "",
    "options": [],
    "default_member_permissions": None,
    "dm_permission": True,
    "nsfw": False,
    "name_localizations": None,
    "description_localizations": None,
}
_GLOBAL, _GUILD = "/applications/{application}/commands", "/applications/{application}/guilds/{guild}/commands"


def check_command(command: Any, path: str = "") -> Json:
    """A command as given, with defaults filled in. Raises ``Refused`` (50035)."""
    if not isinstance(command, dict):
        raise bad_form(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
    where = f"{path}." if path else ""
    kind = command.get("type") or 1
    name = str(command.get("name") or "")
    if kind not in _MOST:
        raise not_a_choice(f"{where}type", "1, 2, 3")
    if kind == 1:
        _check_name(name, f"{where}name")
        if not 1 <= len(str(command.get("description") or "")) <= 100:
            raise bad_length(f"{where}description", 1, 100)
        _check_options(command.get("options") or [], f"{where}options")
    elif not 1 <= len(name) <= 32:
        raise bad_length(f"{where}name", 1, 32)
    elif command.get("description") or command.get("options"):
        words = "Context menu commands cannot have description or options"
        raise bad_form(f"{where}description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID", words)
    if _size(command) > 8_000:
        raise bad_form(where.rstrip("."), "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")
    return _DEFAULTS | {key: value for key, value in command.items() if key != "id"} | {"type": kind}


def _check_name(name: str, path: str) -> None:
    if not _NAME.match(name) or name != name.lower():
        raise bad_form(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_options(options: Any, path: str) -> None:
    if len(options) > 25:
        raise bad_length(path, 0, 25)
    names, optional = set(), False
    for index, option in enumerate(options):
        here = f"{path}.{index}"
        name = str(option.get("name") or "")
        _check_name(name, f"{here}.name")
        if name in names:
            raise bad_form(path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_USED", "Option names must be unique")
        names.add(name)
        if not 1 <= len(str(option.get("description") or "")) <= 100:
            raise bad_length(f"{here}.description", 1, 100)
        if option.get("type") not in range(1, 12):
            raise not_a_choice(f"{here}.type", "1 to 11")
        if option.get("required") and optional:
            words = "Required options must be placed before non-required options"
            raise bad_form(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", words)
        optional = optional or not option.get("required")
        _check_choices(option, here)
        _check_options(option.get("options") or [], f"{here}.options")


def _check_choices(option: Json, path: str) -> None:
    choices = option.get("choices") or []
    if len(choices) > 25:
        raise bad_length(f"{path}.choices", 0, 25)
    if choices and option.get("autocomplete"):
        raise bad_form(path, "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES", "Autocomplete cannot have choices")
    for index, choice in enumerate(choices):
        if not 1 <= len(str(choice.get("name") or "")) <= 100:
            raise bad_length(f"{path}.choices.{index}.name", 1, 100)
        if option.get("type") == 3 and not 1 <= len(str(choice.get("value") or "")) <= 100:
            raise bad_length(f"{path}.choices.{index}.value", 1, 100)


def _size(command: Json) -> int:
    """The characters that count to the 8,000: names, descriptions and choice values, of all options."""
    total = sum(len(str(command.get(name) or "")) for name in ("name", "description"))
    for choice in command.get("choices") or []:
        total += len(str(choice.get("name", ""))) + len(str(choice.get("value", "")))
    return total + sum(_size(option) for option in command.get("options") or [])


def check_autocomplete(choices: Any) -> list[Json]:
    """At most 25 choices for somebody who is typing."""
    if not isinstance(choices, list) or len(choices) > 25:
        raise bad_length("data.choices", 0, 25)
    _check_choices({"type": 3, "choices": choices}, "data")
    return choices


def _scope(ask: Ask) -> str:
    if ask.path["application"] != ask.state.app.id:
        raise Refused(20012)
    return ask.guild().id if "guild" in ask.path else ""


def _registry(state: State, scope: str) -> dict[str, Json]:
    return state.commands.setdefault(scope, {})


def _key(command: Json) -> tuple[int, str]:
    return int(command.get("type") or 1), str(command["name"])


def _comparable(command: Json) -> Json:
    """What decides whether two commands are the same to people: absent, null and default fields count alike."""
    gone = ("id", "application_id", "guild_id", "version", "dm_permission")
    kept = {key: value for key, value in command.items() if key not in gone and value not in (None, [], False, "")}
    if "options" in kept:
        kept["options"] = [_comparable(option) for option in kept["options"]]
    return kept


def _record(state: State, scope: str, command: Json, old: Json | None) -> Json:
    identity: Json = {"id": old["id"] if old else state.ids.new(), "application_id": state.app.id}
    if scope:
        identity["guild_id"] = scope
    contexts: Json = {} if scope else {"contexts": None, "integration_types": [0, 1] if state.app.user_install else [0]}
    given = {key: value for key, value in command.items() if value is not None or key not in contexts}
    version = old["version"] if old and _comparable(old) == _comparable(contexts | given) else state.ids.new()
    return contexts | given | identity | {"version": version}


def _spend_creates(state: State, scope: str, count: int) -> None:
    now = state.clock.now()
    spent = [at for at in state.command_creates.get(scope, []) if now - at < 86_400]
    if len(spent) + count > state.limits.command_creates_per_day:
        raise Refused(30034)
    state.command_creates[scope] = spent + [now] * count


def _check_counts(commands: list[Json]) -> None:
    keys = [_key(command) for command in commands]
    if len(keys) != len(set(keys)):
        raise bad_form("", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
    for kind, most in _MOST.items():
        if sum(key[0] == kind for key in keys) > most:
            raise bad_form("", "APPLICATION_COMMAND_TOO_MANY", f"At most {most} commands of type {kind}")


def _overwrite(state: State, ask: Ask) -> Answer:
    scope = _scope(ask)
    if not isinstance(ask.body, list):
        raise bad_form("", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    commands = [check_command(command, str(index)) for index, command in enumerate(ask.body)]
    _check_counts(commands)
    before = {_key(command): command for command in _registry(state, scope).values()}
    _spend_creates(state, scope, sum(_key(command) not in before for command in commands))
    after = [_record(state, scope, command, before.get(_key(command))) for command in commands]
    versions = {command["version"] for command in before.values()}
    if before and {command["version"] for command in after} == versions:
        ask.sin("sync_changes_nothing", scope)
    state.commands[scope] = {command["id"]: command for command in after}
    return list(after)


def _listed(state: State, ask: Ask) -> Answer:
    return list(_registry(state, _scope(ask)).values())


def _created(state: State, ask: Ask) -> Answer:
    scope = _scope(ask)
    command = check_command(ask.form)
    registry = _registry(state, scope)
    old = next((it for it in registry.values() if _key(it) == _key(command)), None)
    _check_counts([command, *(it for it in registry.values() if it is not old)])
    _spend_creates(state, scope, int(old is None))
    record = _record(state, scope, command, old)
    registry[record["id"]] = record
    return record


def _named(state: State, ask: Ask) -> tuple[str, Json]:
    scope = _scope(ask)
    found = _registry(state, scope).get(ask.path["command"])
    if found is None:
        raise Refused(10063)
    return scope, found


def _changed(state: State, ask: Ask) -> Answer:
    scope, old = _named(state, ask)
    record = _record(state, scope, check_command(old | ask.form), old)
    state.commands[scope][old["id"]] = record
    return record


def _deleted(state: State, ask: Ask) -> Answer:
    scope, old = _named(state, ask)
    del state.commands[scope][old["id"]]
    return None


for _path, _word in ((_GLOBAL, "commands"), (_GUILD, "guild_commands")):
    route(f"list_{_word}", "GET", _path, major=())(_listed)
    route(f"sync_{_word}", "PUT", _path, major=())(_overwrite)
    route(f"create_{_word}", "POST", _path, major=())(_created)
    route(f"get_{_word}", "GET", _path + "/{command}", major=())(lambda state, ask: _named(state, ask)[1])
    route(f"change_{_word}", "PATCH", _path + "/{command}", major=())(_changed)
    route(f"delete_{_word}", "DELETE", _path + "/{command}", major=())(_deleted)
