"""What a person reads: messages, blocks and views flattened to plain text, exactly once each.

A message with blocks is read from its blocks; ``text`` is then only its notification. A stream is read as its
plan, its task cards, its Markdown and its last blocks.
"""

from __future__ import annotations

from typing import Any

from tests.emulators.slack.records import Json, Message

_ICONS = {"pending": "○", "in_progress": "◔", "complete": "✓", "error": "✗"}


def rendered(message: Message) -> str:
    """The words of ``message`` as they stand on the screen, blocks separated by newlines."""
    if message.tombstone:
        return "This message was deleted."
    pieces = [_stream(message)] if message.stream is not None and not message.blocks else []
    if message.blocks:
        pieces.append(flattened(message.blocks))
    elif message.stream is None:
        pieces.append(message.text)
    pieces += [str(item.get("text") or item.get("fallback") or "") for item in message.attachments]
    pieces += [f"[file {item.get('name', item['id'])}]" for item in message.files]
    return "\n".join(piece for piece in pieces if piece)


def flattened(blocks: list[Json]) -> str:
    """The words of Block Kit blocks, one line or more per block; buttons stand in brackets."""
    return "\n".join(line for line in (_block(block) for block in blocks) if line)


def _stream(message: Message) -> str:
    stream = message.stream
    if stream is None:
        return ""
    lines = [stream.plan] if stream.plan else []
    for task in stream.tasks.values():
        words = [_ICONS.get(task.get("status", ""), "○"), task.get("title", ""), task.get("details", "")]
        lines.append(" ".join(word for word in [*words, task.get("output", "")] if word))
    lines += [stream.markdown, flattened(stream.blocks)]
    return "\n".join(line for line in lines if line)


def _block(block: Json) -> str:
    kind = block.get("type")
    if kind == "markdown":
        return str(block.get("text", ""))
    if kind == "divider":
        return "---"
    if kind == "rich_text":
        return "".join(_rich(element) for element in block.get("elements", []))
    if kind == "table":
        return "\n".join(" | ".join(_cell(cell) for cell in row) for row in block.get("rows", []))
    if kind == "input":
        return f"{_text(block.get('label'))}: {_element(block.get('element', {}))}"
    if kind in ("image", "video"):
        return f"[{kind} {block.get('alt_text', '')}]"
    parts = [_text(block.get("text")), *(_text(item) for item in block.get("fields", []))]
    parts += [_element(item) for item in block.get("elements", [])]
    if "accessory" in block:
        parts.append(_element(block["accessory"]))
    parts += [_text(block.get(name)) for name in ("title", "subtitle", "details", "output") if name in block]
    parts += [_block(child) for child in block.get("blocks", [])]
    return "\n".join(part for part in parts if part) if kind == "container" else " ".join(p for p in parts if p)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return flattened([value]) if value.get("type") == "rich_text" else str(value.get("text", ""))
    return value if isinstance(value, str) else ""


def _element(element: Json) -> str:
    kind = element.get("type", "")
    if kind in ("mrkdwn", "plain_text"):
        return str(element.get("text", ""))
    if kind == "image":
        return f"[image {element.get('alt_text', '')}]"
    if kind == "feedback_buttons":
        sides = (element.get("positive_button", {}), element.get("negative_button", {}))
        return " ".join(f"[{_text(side.get('text'))}]" for side in sides)
    if kind.endswith("select") or kind in ("radio_buttons", "checkboxes"):
        chosen = element.get("initial_option") or {}
        return f"[{_text(chosen.get('text')) or _text(element.get('placeholder')) or '…'}]"
    if kind.endswith("_input"):
        return str(element.get("initial_value", "")) or f"[{_text(element.get('placeholder'))}]"
    label = _text(element.get("text")) or str(element.get("alt_text", "")) or str(element.get("icon", ""))
    return f"[{label}]" if label else ""


def _cell(cell: Json) -> str:
    if cell.get("type") == "rich_text":
        return _block(cell)
    return str(cell.get("text", cell.get("value", "")))


def _rich(element: Json) -> str:
    kind = element.get("type")
    if kind == "text":
        return str(element.get("text", ""))
    if kind == "link":
        return str(element.get("text") or element.get("url", ""))
    if kind == "user":
        return f"<@{element.get('user_id')}>"
    if kind == "emoji":
        return f":{element.get('name')}:"
    inner = "".join(_rich(child) for child in element.get("elements", []))
    return inner + "\n" if kind == "rich_text_list" else inner
