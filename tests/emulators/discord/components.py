"""Components checked as Discord checks them: legacy rows, Components V2, and the components of modals."""

from __future__ import annotations

from typing import Any

from tests.emulators.discord.limits import Limits
from tests.emulators.discord.reading import walk
from tests.emulators.discord.records import Json
from tests.emulators.discord.refusals import Refused, bad_form, bad_length, not_a_choice, required, too_long

_SELECTS = frozenset([3, 5, 6, 7, 8])
_TOP_V2 = frozenset([1, 9, 10, 12, 13, 14, 17])
_IN_MODAL = frozenset([4, 19, 21, 22, 23]) | _SELECTS


def check_components(components: Any, limits: Limits, *, v2: bool) -> list[Json]:
    """The components of a message. Raises ``Refused`` (50035)."""
    if components is None:
        return []
    if not isinstance(components, list):
        raise bad_form("components", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    every = walk(components)
    if v2:
        _check_v2(components, every, limits)
    else:
        if len(components) > 5:
            raise bad_length("components", 0, 5)
        for index, row in enumerate(components):
            if row.get("type") != 1:
                raise not_a_choice(f"components.{index}.type", "1,")
    for index, component in enumerate(components):
        _check_tree(component, f"components.{index}")
    check_ids(every)
    return components


def _check_v2(components: list[Json], every: list[Json], limits: Limits) -> None:
    if not components:
        raise Refused(50006)
    if len(every) > limits.components:
        raise bad_form("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "The maximum is 40 components.")
    if sum(len(str(it.get("content", ""))) for it in every if it.get("type") == 10) > limits.components_text:
        raise bad_form("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "The text is longer than 4000.")
    for index, component in enumerate(components):
        if component.get("type") not in _TOP_V2:
            raise not_a_choice(f"components.{index}.type", "1, 9, 10, 12, 13, 14, 17")


def check_ids(every: list[Json]) -> None:
    """Custom ids must be unique within a message or modal."""
    ids = [str(it["custom_id"]) for it in every if it.get("custom_id") is not None]
    if len(ids) != len(set(ids)):
        raise bad_form("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")


def _check_tree(component: Json, path: str) -> None:
    kind = component.get("type")
    children = component.get("components") or []
    if kind == 1:
        _check_row(children, path)
    elif kind == 2:
        _check_button(component, path)
    elif kind in _SELECTS:
        _check_select(component, path)
    elif kind == 9 and (not 1 <= len(children) <= 3 or not isinstance(component.get("accessory"), dict)):
        raise bad_length(f"{path}.components", 1, 3)
    elif kind == 10 and not str(component.get("content", "")).strip():
        raise required(f"{path}.content")
    for index, child in enumerate(children):
        _check_tree(child, f"{path}.components.{index}")
    if isinstance(component.get("accessory"), dict):
        _check_tree(component["accessory"], f"{path}.accessory")


def _check_row(children: list[Json], path: str) -> None:
    buttons = sum(child.get("type") == 2 for child in children)
    if not 1 <= len(children) <= 5 or (buttons != len(children) and len(children) != 1):
        raise bad_length(f"{path}.components", 1, 5)


def _check_button(button: Json, path: str) -> None:
    style = button.get("style")
    if style not in (1, 2, 3, 4, 5, 6):
        raise not_a_choice(f"{path}.style", "1, 2, 3, 4, 5, 6")
    if len(str(button.get("label") or "")) > 80:
        raise too_long(f"{path}.label", 80)
    if not button.get("label") and not button.get("emoji") and style != 6:
        raise bad_form(f"{path}", "BUTTON_COMPONENT_LABEL_REQUIRED", "A label or emoji is required")
    if style == 5:
        if not button.get("url") or button.get("custom_id"):
            raise bad_form(path, "BUTTON_COMPONENT_URL_REQUIRED", "A url is required")
        if len(str(button["url"])) > 512:
            raise too_long(f"{path}.url", 512)
    elif style != 6:
        _check_custom_id(button, path)


def _check_custom_id(component: Json, path: str) -> None:
    custom_id = component.get("custom_id")
    if not custom_id:
        raise bad_form(f"{path}.custom_id", "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required")
    if len(str(custom_id)) > 100:
        raise bad_length(f"{path}.custom_id", 1, 100)


def _check_select(select: Json, path: str) -> None:
    _check_custom_id(select, path)
    if len(str(select.get("placeholder") or "")) > 150:
        raise too_long(f"{path}.placeholder", 150)
    if select["type"] != 3:
        return
    options = select.get("options") or []
    if not 1 <= len(options) <= 25:
        raise bad_length(f"{path}.options", 1, 25)
    values = [str(option.get("value", "")) for option in options]
    if len(values) != len(set(values)):
        raise bad_form(f"{path}.options", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "Values cannot be duplicated")
    for index, option in enumerate(options):
        for name in ("label", "value", "description"):
            words = str(option.get(name) or "")
            if len(words) > 100 or (name != "description" and not words):
                raise bad_length(f"{path}.options.{index}.{name}", 1, 100)
    chosen = sum(bool(option.get("default")) for option in options)
    if chosen > int(select.get("max_values", 1)):
        raise bad_form(f"{path}.options", "SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES", "Too many default values")


def check_modal(data: Any) -> Json:
    """The data of a modal response. Raises ``Refused`` (50035)."""
    if not isinstance(data, dict):
        raise required("data")
    if not 1 <= len(str(data.get("title") or "")) <= 45:
        raise bad_length("data.title", 1, 45)
    if not 1 <= len(str(data.get("custom_id") or "")) <= 100:
        raise bad_length("data.custom_id", 1, 100)
    components = data.get("components")
    if not isinstance(components, list) or not 1 <= len(components) <= 5:
        raise bad_length("data.components", 1, 5)
    for index, component in enumerate(components):
        _check_in_modal(component, f"data.components.{index}")
    check_ids(walk(components))
    return data


def _check_in_modal(component: Json, path: str) -> None:
    kind = component.get("type")
    if kind == 10:
        return
    if kind == 18:
        if not 1 <= len(str(component.get("label") or "")) <= 45:
            raise bad_length(f"{path}.label", 1, 45)
        if len(str(component.get("description") or "")) > 100:
            raise too_long(f"{path}.description", 100)
        child = component.get("component") or {}
    elif kind == 1 and len(component.get("components") or []) == 1:
        child = component["components"][0]
        if not 1 <= len(str(child.get("label") or "")) <= 45:
            raise bad_length(f"{path}.components.0.label", 1, 45)
    else:
        raise not_a_choice(f"{path}.type", "1, 10, 18")
    if child.get("type") not in _IN_MODAL:
        raise not_a_choice(f"{path}.component.type", "3, 4, 5, 6, 7, 8, 19, 21, 22, 23")
    _check_input(child, f"{path}.component")


def _check_input(child: Json, path: str) -> None:
    _check_custom_id(child, path)
    if child["type"] == 4:
        if child.get("style") not in (1, 2):
            raise not_a_choice(f"{path}.style", "1, 2")
        least, most = child.get("min_length") or 0, child.get("max_length") or 4_000
        if not 0 <= least <= 4_000 or not 1 <= most <= 4_000:
            raise bad_form(f"{path}.max_length", "NUMBER_TYPE_MAX", "int value should be less than or equal to 4000.")
        if len(str(child.get("value") or "")) > most:
            raise too_long(f"{path}.value", most)
        if len(str(child.get("placeholder") or "")) > 100:
            raise too_long(f"{path}.placeholder", 100)
    elif child["type"] == 3:
        _check_select(child, path)
