"""Inputs and buttons as Slack reports them: what a press carries, and the state of every input of a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.emulators.slack.blocks import elements
from tests.emulators.slack.records import Json
from tests.emulators.slack.room import Impossible


def values_of(element: Json) -> list[str]:
    sides = [element.get("positive_button", {}), element.get("negative_button", {})]
    options = element.get("options", []) + [it for group in element.get("option_groups", []) for it in group["options"]]
    found = [element.get("value"), *(side.get("value") for side in sides), *(it.get("value") for it in options)]
    return [value for value in found if value is not None]


def acted(element: Json, value: str | None) -> Json:
    kind = element["type"]
    action: Json = {"type": kind, "action_id": element["action_id"]}
    if kind == "feedback_buttons":
        return action | {"value": value if value is not None else element["positive_button"]["value"]}
    if kind.endswith("select") or kind in ("overflow", "radio_buttons", "checkboxes"):
        return action | _chosen(element, value)
    if "value" in element:
        action["value"] = element["value"]
    return action | {"text": element["text"]} if "text" in element else action


def _option(element: Json, value: Any) -> Json | None:
    options = element.get("options", []) + [it for group in element.get("option_groups", []) for it in group["options"]]
    found = [option for option in options if option.get("value") == value]
    if not found and "external" in element["type"] and value:
        return {"text": {"type": "plain_text", "text": str(value)}, "value": value}
    if not found and value:
        raise Impossible(f"{value} is not on offer in {element['action_id']}")
    return {key: found[0][key] for key in ("text", "value")} if found else None


def _chosen(element: Json, value: Any) -> Json:
    """The state of one input as Slack reports it."""
    kind = element["type"]
    if kind == "checkboxes" or kind.startswith(("multi_static", "multi_external")):
        if value is None:
            return {"selected_options": element.get("initial_options", [])}
        return {"selected_options": [_option(element, item) for item in value]}
    for name in ("conversations", "channels", "users"):
        if kind == f"{name}_select":
            return {f"selected_{name[:-1]}": value or element.get(f"initial_{name[:-1]}")}
    if kind.endswith("select") or kind in ("radio_buttons", "overflow"):
        return {"selected_option": element.get("initial_option") if value is None else _option(element, value)}
    return {"value": element.get("initial_value") if value is None else value or None}


def state_of(blocks: list[Json], values: Mapping[str, Any]) -> Json:
    state: Json = {}
    for block, element in elements(blocks):
        if element["type"] in ("button", "overflow", "feedback_buttons", "icon_button"):
            continue
        chosen = {"type": element["type"]} | _chosen(element, values.get(element["action_id"]))
        state.setdefault(block.get("block_id", ""), {})[element["action_id"]] = chosen
    return state


def first_missing(blocks: list[Json], values: Mapping[str, Any]) -> str:
    """The label of the first input that must be filled in and is not, else ""."""
    for block in blocks:
        if block.get("type") != "input" or block.get("optional"):
            continue
        element = block["element"]
        chosen = _chosen(element, values.get(element.get("action_id")))
        if not any(chosen.values()):
            return str(block["label"]["text"])
    return ""
