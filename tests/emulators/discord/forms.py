"""Menus and modals as people fill them in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.emulators.discord.records import Attachment, Json
from tests.emulators.discord.room import Impossible


def chosen(menu: Json, values: Sequence[str]) -> list[str]:
    """The values of a menu that were chosen, by value or label. Raises ``Impossible``."""
    least, most = menu.get("min_values", 1), menu.get("max_values", 1)
    if not least <= len(values) <= most:
        raise Impossible(f"the menu takes {least} to {most} values")
    if menu["type"] not in (3, 21, 22):
        return list(values)
    known = {str(option["value"]): str(option["value"]) for option in menu.get("options") or []}
    known |= {str(option["label"]): str(option["value"]) for option in menu.get("options") or []} | known
    unknown = [value for value in values if value not in known]
    if unknown:
        raise Impossible(f"the menu does not offer {unknown}")
    return [known[value] for value in values]


def filled(components: list[Json], values: Mapping[str, Any], files: Sequence[Attachment]) -> list[Json]:
    """The components of a modal submission: what was typed, else what stood there. Raises ``Impossible``."""
    answer: list[Json] = []
    used: set[str] = set()
    for number, component in enumerate(components, 1):
        base: Json = {"type": component["type"], "id": component.get("id", number)}
        if component["type"] == 10:
            answer.append(base | {"content": component["content"]})
        elif component["type"] == 18:
            child = component["component"]
            used.add(child["custom_id"])
            answer.append(base | {"component": _input(child, values, files, 100 + number)})
        else:
            children = component["components"]
            used |= {child["custom_id"] for child in children}
            answer.append(base | {"components": [_input(child, values, files, 100 + number) for child in children]})
    if set(values) - used:
        raise Impossible(f"the form has no field {sorted(set(values) - used)}")
    return answer


def _input(child: Json, values: Mapping[str, Any], files: Sequence[Attachment], number: int) -> Json:
    kind, name = child["type"], child["custom_id"]
    base: Json = {"type": kind, "custom_id": name, "id": child.get("id", number)}
    value = values.get(name)
    if kind == 4:
        return base | {"value": _text(child, str(child.get("value") or "") if value is None else str(value))}
    if kind == 19:
        return base | {"values": [file.id for file in files]}
    if kind == 23:
        return base | {"value": bool(child.get("default")) if value is None else bool(value)}
    standing = [str(option["value"]) for option in child.get("options") or [] if option.get("default")]
    picked = standing if value is None else [value] if isinstance(value, str) else list(value)
    if not picked and child.get("required", True):
        raise Impossible(f"{name} must be chosen")
    if kind == 21:
        return base | {"value": chosen(child, picked)[0] if picked else None}
    return base | {"values": chosen(child, picked) if picked else []}


def _text(child: Json, typed: str) -> str:
    if not typed and child.get("required", True):
        raise Impossible(f"{child['custom_id']} must be filled in")
    if typed and not (child.get("min_length") or 0) <= len(typed) <= (child.get("max_length") or 4_000):
        raise Impossible(f"{child['custom_id']} has the wrong length")
    return typed
