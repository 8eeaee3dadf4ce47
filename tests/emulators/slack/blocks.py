"""Block Kit's rules: what Slack refuses with ``invalid_blocks`` (messages) or ``invalid_arguments`` (views).

Pure. ``problems`` returns complaints in Slack's manner: what is wrong, and a JSON pointer to where. Lengths are
characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.emulators.slack.records import Json

_URL = re.compile(r"^(https?|mailto|slack):\S+$")

MESSAGE_BLOCKS = frozenset(
    [
        "actions",
        "alert",
        "call",
        "card",
        "carousel",
        "container",
        "context",
        "context_actions",
        "data_table",
        "data_visualization",
        "divider",
        "file",
        "header",
        "image",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    ]
)
VIEW_BLOCKS = frozenset(
    [
        "actions",
        "context",
        "divider",
        "header",
        "image",
        "input",
        "rich_text",
        "section",
        "video",
    ]
)
_ACTIONS = frozenset(
    [
        "button",
        "checkboxes",
        "datepicker",
        "datetimepicker",
        "overflow",
        "radio_buttons",
        "timepicker",
        "static_select",
        "external_select",
        "users_select",
        "conversations_select",
        "channels_select",
        "multi_static_select",
        "multi_external_select",
        "multi_users_select",
        "multi_conversations_select",
        "multi_channels_select",
        "workflow_button",
    ]
)
_INPUTS = (_ACTIONS - {"button", "overflow", "workflow_button"}) | frozenset(
    [
        "plain_text_input",
        "number_input",
        "email_text_input",
        "url_text_input",
        "rich_text_input",
        "file_input",
    ]
)
_CAPS = {"context": 10, "actions": 25, "context_actions": 5}
_NEEDED = {
    "actions": ["elements"],
    "card": [],
    "carousel": ["elements"],
    "container": [],
    "context": ["elements"],
    "context_actions": ["elements"],
    "header": ["text"],
    "image": ["alt_text"],
    "input": ["label", "element"],
    "markdown": ["text"],
    "plan": ["title"],
    "rich_text": ["elements"],
    "table": ["rows"],
    "task_card": ["task_id", "title"],
    "video": ["title", "video_url", "thumbnail_url", "alt_text"],
}


def problems(blocks: Any, *, allowed: frozenset[str] = MESSAGE_BLOCKS, most: int = 50) -> list[str]:
    """Every complaint about ``blocks``; an empty list when Slack would draw them."""
    if not isinstance(blocks, list):
        return ["must be an array [json-pointer:/blocks]"]
    found = [f"no more than {most} items allowed [json-pointer:/blocks]"] if len(blocks) > most else []
    seen: set[str] = set()
    for at, block in enumerate(blocks):
        where = f"/blocks/{at}"
        if not isinstance(block, dict):
            found.append(f"must be an object [json-pointer:{where}]")
            continue
        found += [f"{problem} [json-pointer:{where}]" for problem in _block(block, allowed)]
        block_id = block.get("block_id")
        if block_id and block.get("type") != "markdown":
            if block_id in seen:
                found.append(f"`block_id` {block_id} already exists [json-pointer:{where}/block_id]")
            seen.add(block_id)
    return found + _tables(blocks)


def markdown_size(blocks: list[Json]) -> int:
    """Characters over all Markdown blocks: Slack counts them together."""
    return sum(len(str(block.get("text", ""))) for block in blocks if block.get("type") == "markdown")


def total_size(blocks: list[Json]) -> int:
    """Characters of words in all blocks together."""
    return sum(len(word) for block in blocks for word in _words(block))


def elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every interactive element with its block."""
    for block in blocks:
        inner = [*block.get("elements", []), block.get("accessory"), block.get("element"), *block.get("actions", [])]
        for element in inner:
            if isinstance(element, dict) and "action_id" in element:
                yield block, element
        yield from elements([child for child in block.get("blocks", []) if isinstance(child, dict)])


def view_problems(view: Any, *, most: int = 100) -> list[str]:
    """Every complaint about a modal or Home view."""
    if not isinstance(view, dict):
        return ["must be an object [json-pointer:/view]"]
    kind = view.get("type")
    if kind not in ("modal", "home"):
        return ["must be one of modal, home [json-pointer:/view/type]"]
    found = problems(view.get("blocks"), allowed=VIEW_BLOCKS, most=most)
    for name in ("title", "submit", "close"):
        if name in view and kind == "modal":
            found += [f"{problem} [json-pointer:/view/{name}]" for problem in _plain(view[name], 24)]
    if kind == "modal" and "title" not in view:
        found.append("missing required field: title [json-pointer:/view]")
    listed = view["blocks"] if isinstance(view.get("blocks"), list) else []
    has_input = any(isinstance(block, dict) and block.get("type") == "input" for block in listed)
    if kind == "modal" and has_input and "submit" not in view:
        found.append("missing required field: submit [json-pointer:/view]")
    for name, cap in (("private_metadata", 3_000), ("callback_id", 255), ("external_id", 255)):
        if len(str(view.get(name, ""))) > cap:
            found.append(f"must be less than {cap + 1} characters [json-pointer:/view/{name}]")
    return found


def _words(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if key in ("text", "title", "subtitle", "details", "output", "alt_text", "value"):
            yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _words(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner, key)


def _block(block: Json, allowed: frozenset[str]) -> list[str]:
    kind = block.get("type")
    if kind not in allowed:
        return [f"unsupported type: {kind}"]
    missing = [f"missing required field: {name}" for name in _NEEDED.get(str(kind), []) if name not in block]
    if missing:
        return missing
    found = _length(block, "block_id", 255)
    if kind == "section":
        found += _section(block)
    elif kind == "header":
        found += _plain(block["text"], 150)
    elif kind == "markdown":
        found += [] if isinstance(block["text"], str) and block["text"] else ["must be more than 0 characters: text"]
    elif kind == "input":
        found += _plain(block["label"], 2_000) + _element(block["element"], _INPUTS)
    elif kind == "image" and "image_url" not in block and "slack_file" not in block:
        found.append("missing required field: image_url")
    elif kind == "carousel" and len(block["elements"]) > 10:
        found.append("no more than 10 items allowed: elements")
    elif kind == "container" and len(block.get("blocks") or block.get("elements") or []) > 10:
        found.append("no more than 10 items allowed: blocks")
    if kind in _CAPS:
        found += _elements(str(kind), block["elements"])
    return found


def _section(block: Json) -> list[str]:
    if "text" not in block and not block.get("fields"):
        return ["either text or fields must be provided"]
    found = _words_of(block["text"], 3_000) if "text" in block else []
    fields = block.get("fields", [])
    if len(fields) > 10:
        found.append("no more than 10 items allowed: fields")
    for item in fields:
        found += _words_of(item, 2_000)
    if "accessory" in block:
        found += _element(block["accessory"], _ACTIONS | {"image"})
    return found


def _elements(kind: str, items: Any) -> list[str]:
    if not isinstance(items, list) or not items:
        return ["must have at least 1 item: elements"]
    if len(items) > _CAPS[kind]:
        return [f"no more than {_CAPS[kind]} items allowed: elements"]
    found: list[str] = []
    for item in items:
        if kind == "context":
            found += _words_of(item, 3_000) if item.get("type") != "image" else _image(item)
        elif kind == "actions":
            found += _element(item, _ACTIONS)
        else:
            found += _element(item, frozenset(["feedback_buttons", "icon_button"]))
    ids = [item["action_id"] for item in items if isinstance(item, dict) and "action_id" in item]
    return found + ([] if len(ids) == len(set(ids)) else ["`action_id` already exists in this block"])


def _element(item: Any, allowed: frozenset[str]) -> list[str]:
    if not isinstance(item, dict) or item.get("type") not in allowed:
        return [f"unsupported type: {item.get('type') if isinstance(item, dict) else item}"]
    found = _length(item, "action_id", 255)
    kind = item["type"]
    if kind == "image":
        return _image(item)
    if kind == "button":
        found += _plain(item.get("text"), 75) + _length(item, "value", 2_000)
        if item.get("style", "primary") not in ("primary", "danger"):
            found.append("must be one of primary, danger: style")
        if "url" in item and not _URL.match(str(item["url"])):
            found.append("invalid url")
    if kind == "feedback_buttons":
        for name in ("positive_button", "negative_button"):
            side = item.get(name)
            if not isinstance(side, dict):
                found.append(f"missing required field: {name}")
                continue
            found += _plain(side.get("text"), 75) + _length(side, "value", 2_000)
            found += _length(side, "accessibility_label", 75)
    if kind == "icon_button":
        found += _plain(item.get("text"), 75) + ([] if item.get("icon") == "trash" else ["unsupported icon"])
    return found + _options(item)


def _options(item: Json) -> list[str]:
    if "static_select" not in item["type"] and item["type"] not in ("checkboxes", "radio_buttons", "overflow"):
        return []
    grouped = [option for group in item.get("option_groups", []) for option in group.get("options", [])]
    options = item.get("options", grouped)
    most = 100 if "select" in item["type"] else {"overflow": 5}.get(item["type"], 10)
    if not options or len(options) > most:
        return [f"must have between 1 and {most} items: options"]
    found: list[str] = []
    for option in options:
        found += _words_of(option.get("text"), 75) + _length(option, "value", 150)
    initial = item.get("initial_option")
    if initial is not None and initial not in options:
        found.append("initial_option must exactly match one of the options")
    return found


def _image(item: Json) -> list[str]:
    return [f"missing required field: {name}" for name in ("image_url", "alt_text") if name not in item]


def _plain(value: Any, most: int) -> list[str]:
    if not isinstance(value, dict) or value.get("type") != "plain_text":
        return ["must be a plain_text object"]
    return _words_of(value, most)


def _words_of(value: Any, most: int) -> list[str]:
    if not isinstance(value, dict) or value.get("type") not in ("plain_text", "mrkdwn"):
        return ["must be a text object"]
    text = value.get("text")
    if not isinstance(text, str) or not text:
        return ["must be more than 0 characters: text"]
    return [f"must be less than {most + 1} characters: text"] if len(text) > most else []


def _length(item: Json, name: str, most: int) -> list[str]:
    return [f"must be less than {most + 1} characters: {name}"] if len(str(item.get(name, ""))) > most else []


def _tables(blocks: list[Any]) -> list[str]:
    tables = [block for block in blocks if isinstance(block, dict) and block.get("type") == "table"]
    if len(tables) > 1:
        return ["only_one_table_allowed [json-pointer:/blocks]"]
    found: list[str] = []
    for table in tables:
        rows = table.get("rows")
        if not isinstance(rows, list) or not 1 <= len(rows) <= 100 or any(not 1 <= len(row) <= 20 for row in rows):
            return ["a table has 1 to 100 rows of 1 to 20 cells [json-pointer:/blocks]"]
        cells = [cell for row in rows for cell in row]
        if any(cell.get("type") not in ("rich_text", "raw_text", "raw_number") for cell in cells):
            found.append("unsupported cell type [json-pointer:/blocks]")
        if any(cell.get("type") == "raw_text" and not cell.get("text") for cell in cells):
            found.append("a cell must not be empty [json-pointer:/blocks]")
        if sum(len(word) for cell in cells for word in _words(cell)) > 10_000:
            found.append("no more than 10000 characters in tables [json-pointer:/blocks]")
    return found
