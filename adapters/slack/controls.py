"""Blocks around a reply's text: notes, buttons, feedback; and what a pressed button says. Pure.

A button's value is ``MARK|VALUE``: the reply it stands under, and a version number where it turns pages. Notices are
built here too, for every place that shows one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.slack.dialect import HARD_LIMIT, escape, notification, render
from bot.events import Action
from bot.replies import Controls, Notice

PREFIX = "parley_"
OPEN_SETTINGS = f"{PREFIX}settings"
REPLY_EVENT = "parley_reply"  # metadata of every part of a reply
QUESTION_EVENT = "parley_question"  # metadata of a question the bot wrote for somebody

_MOST_NOTES = 10
_NOTES_ROOM = 3_600  # characters of all notes of a message together
_ACTIONS = {
    "stop": Action.STOP,
    "regenerate": Action.REGENERATE,
    "retry": Action.RETRY,
    "previous": Action.VERSION,
    "next": Action.VERSION,
    "feedback": Action.FEEDBACK,
    "why": Action.WHY,
}

Block = dict[str, Any]


def content(text: str, notes: Sequence[str], controls: Controls | None, mark: str) -> dict[str, Any]:
    """The arguments of a post or an edit. ``text`` is rendered already."""
    under = blocks_under(notes, controls, mark)
    if not under:
        return {"markdown_text": text}
    return {"text": notification(text), "blocks": [{"type": "markdown", "text": text}, *under]}


def metadata(mark: str, part: int) -> dict[str, Any]:
    """What a part is found again by."""
    return {"event_type": REPLY_EVENT, "event_payload": {"mark": mark, "part": part}}


def part_in(message: Mapping[str, Any], mark: str) -> int | None:
    """Which part of the reply ``mark`` a message is."""
    found = message.get("metadata") or {}
    payload = found.get("event_payload") or {}
    if found.get("event_type") != REPLY_EVENT or payload.get("mark") != mark:
        return None
    return int(payload.get("part", 0))


def mark_under(message: Mapping[str, Any]) -> str:
    """The reply whose buttons a message has, "" for none: known also where no metadata is told."""
    return next((mark for _, mark, _ in _buttons_under(message)), "")


def has_stop(message: Mapping[str, Any]) -> bool:
    """It is shown as an answer that is still being written."""
    return any(action is Action.STOP for action, _, _ in _buttons_under(message))


def _buttons_under(message: Mapping[str, Any]) -> Iterator[tuple[Action, str, str]]:
    for block in message.get("blocks") or ():
        for element in (block.get("elements") or ()) if isinstance(block, dict) else ():
            if isinstance(element, dict) and (found := pressed(element)) is not None:
                yield found


def blocks_under(notes: Sequence[str], controls: Controls | None, mark: str) -> list[Block]:
    """Everything below the text, [] when there is nothing."""
    blocks = _notes(notes)
    if controls is None:
        return blocks
    if controls.feedback:
        blocks.append(_feedback(mark))
    buttons = _buttons(controls, mark)
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    return blocks


def pressed(action: Mapping[str, Any]) -> tuple[Action, str, str] | None:
    """(action, mark, value) of a pressed button under a reply; ``None`` for any other element."""
    name = str(action.get("action_id") or "").removeprefix(PREFIX)
    mark, _, value = str(action.get("value") or "").rpartition("|")
    return (_ACTIONS[name], mark, value) if name in _ACTIONS and mark else None


def notice_content(notice: Notice) -> dict[str, Any]:
    """A notice as the arguments of an ephemeral message or of an answer to a command."""
    text = render(notice.text)
    if len(text) > HARD_LIMIT - 500:
        text = text[: HARD_LIMIT - 500] + "\n…"
    return {"text": notification(text), "blocks": [{"type": "markdown", "text": text}]}


def settings_button(place: str) -> Block:
    """Opens the settings form of a place, from where no command could open it."""
    return {"type": "actions", "elements": [_button("Open settings", "settings", place)]}


def _notes(notes: Sequence[str]) -> list[Block]:
    kept = [note for note in notes if note.strip()]
    if len(kept) > _MOST_NOTES:
        kept = [*kept[: _MOST_NOTES - 1], "\n".join(kept[_MOST_NOTES - 1 :])]
    room = _NOTES_ROOM // max(1, len(kept)) - 1
    shown = [_fitting(escape(note), min(room, 2_900)) for note in kept]
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": note} for note in shown]}] if shown else []


def _fitting(note: str, room: int) -> str:
    if len(note) <= room:
        return note
    head = note[:room]
    return head[: head.rfind("&")] + "…" if "&" in head[-5:] else head + "…"


def _feedback(mark: str) -> Block:
    def side(label: str, spoken: str, value: str) -> Block:
        return {"text": _words(label), "accessibility_label": spoken, "value": f"{mark}|{value}"}

    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": f"{PREFIX}feedback",
                "positive_button": side("Good answer", "This answer helped", "up"),
                "negative_button": side("Bad answer", "This answer did not help", "down"),
            }
        ],
    }


def _buttons(controls: Controls, mark: str) -> list[Block]:
    found: list[Block] = []
    if controls.stop:
        found.append(_button("Stop", "stop", f"{mark}|"))
    if controls.retry:
        found.append(_button("Retry", "retry", f"{mark}|"))
    if controls.regenerate:
        found.append(_button("Regenerate", "regenerate", f"{mark}|"))
    if controls.versions > 1:
        at, of = controls.version, controls.versions
        if at > 1:
            found.append(_button(f"‹ {at - 1}/{of}", "previous", f"{mark}|{at - 1}", "Show the version before"))
        if at < of:
            found.append(_button(f"{at + 1}/{of} ›", "next", f"{mark}|{at + 1}", "Show the next version"))
    if controls.regenerate:
        found.append(_button("Why this answer?", "why", f"{mark}|"))
    return found


def _button(label: str, name: str, value: str, spoken: str = "") -> Block:
    button: Block = {"type": "button", "text": _words(label), "action_id": f"{PREFIX}{name}", "value": value}
    return button | {"accessibility_label": spoken} if spoken else button


def _words(text: str) -> Block:
    return {"type": "plain_text", "text": text}
