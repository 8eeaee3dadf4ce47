"""The options of a slash command as a person fills them in, and as the app gets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.emulators.discord.describe import describe_channel, describe_member, describe_role, describe_user
from tests.emulators.discord.files import describe_file
from tests.emulators.discord.records import Attachment, Channel, Json, Role, User
from tests.emulators.discord.room import Impossible
from tests.emulators.discord.state import State

_PYTHON: dict[int, tuple[type, ...]] = {3: (str,), 4: (int,), 5: (bool,), 10: (int, float)}


def find_command(state: State, guild_id: str, name: str, kind: int) -> Json | None:
    """The registered command, the guild's own first."""
    registries = [state.commands.get(guild_id, {}), state.commands[""]] if guild_id else [state.commands[""]]
    for registry in registries:
        for command in registry.values():
            if (command["name"], command["type"]) == (name, kind):
                return command
    return None


def options_of(
    state: State, command: Json, name: str, values: Mapping[str, Any], *, focused: str = ""
) -> tuple[list[Json], Json]:
    """The ``options`` and ``resolved`` of an interaction. Raises ``Impossible`` for what Discord would not send."""
    resolved: Json = {}
    path = name.split(" ")[1:]
    offered, wrap = command.get("options") or [], list[Json]()
    for word in path:
        part = next((it for it in offered if it["name"] == word and it["type"] in (1, 2)), None)
        if part is None:
            raise Impossible(f"there is no {name}")
        wrap.append({"name": word, "type": part["type"]})
        offered = part.get("options") or []
    if any(it["type"] in (1, 2) for it in offered):
        raise Impossible(f"{name} needs a subcommand")
    unknown = set(values) - {it["name"] for it in offered}
    if unknown:
        raise Impossible(f"{name} has no option {sorted(unknown)}")
    given: list[Json] = []
    for option in offered:
        if option["name"] in values:
            given.append(_given(state, option, values[option["name"]], resolved, typing=option["name"] == focused))
        elif option.get("required") and not focused:
            raise Impossible(f"{name} needs {option['name']}")
    for part in reversed(wrap):
        given = [part | {"options": given}]
    return given, resolved


def _given(state: State, option: Json, value: Any, resolved: Json, *, typing: bool) -> Json:
    answer: Json = {"name": option["name"], "type": option["type"]}
    if typing:
        if not option.get("autocomplete"):
            raise Impossible(f"{option['name']} does not complete")
        return answer | {"value": value, "focused": True}
    if option["type"] in _PYTHON:
        _check_value(option, value)
        return answer | {"value": value}
    return answer | {"value": _resolve(state, value, resolved)}


def _check_value(option: Json, value: Any) -> None:
    kinds = _PYTHON[option["type"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and option["type"] != 5):
        raise Impossible(f"{option['name']} takes {kinds[0].__name__}")
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise Impossible(f"{option['name']} offers {choices}")
    least, most = option.get("min_value"), option.get("max_value")
    if option["type"] == 3:
        least, most = option.get("min_length"), option.get("max_length") or 6_000
        value = len(str(value))
    if (least is not None and value < least) or (most is not None and value > most):
        raise Impossible(f"{option['name']} must be between {least} and {most}")


def _resolve(state: State, value: Any, resolved: Json) -> str:
    if isinstance(value, User):
        resolved.setdefault("users", {})[value.id] = describe_user(value)
        for guild in state.guilds.values():
            if value.id in guild.members and state.bot.id in guild.members:
                member = describe_member(guild.members[value.id], with_user=False)
                resolved.setdefault("members", {})[value.id] = member | {"permissions": "0"}
                break
    elif isinstance(value, Channel):
        resolved.setdefault("channels", {})[value.id] = describe_channel(state, value) | {"permissions": "0"}
    elif isinstance(value, Role):
        resolved.setdefault("roles", {})[value.id] = describe_role(value)
    elif isinstance(value, Attachment):
        value.ephemeral, value.channel_id = True, value.channel_id or state.ids.new()
        state.files[value.id] = value
        resolved.setdefault("attachments", {})[value.id] = describe_file(state, value)
    else:
        raise Impossible(f"{value!r} is no user, channel, role or file")
    return str(value.id)
