"""What stands under a reply's text: notes as small print, buttons; and what a pressed button says. Pure.

A button's custom id is ``parley:ACTION:MARK:VALUE``: it names the reply it stands under, so it works after any
restart.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.discord.dialect import HARD_LIMIT, defuse, within
from bot.events import Action
from bot.replies import Controls, Notice

PREFIX = "parley"
SUPPRESS_PREVIEWS, EPHEMERAL = 1 << 2, 1 << 6
NOBODY: Mapping[str, Any] = {"parse": [], "replied_user": False}
OPEN_SETTINGS = f"{PREFIX}:settings"

_MOST_IN_ROW = 5
_NOTES_ROOM = 400  # characters of notes that a full part still has room for, by making its tables plainer
_BLUE, _GREY, _RED = 1, 2, 4
_ACTIONS = {
    "stop": Action.STOP,
    "regenerate": Action.REGENERATE,
    "retry": Action.RETRY,
    "previous": Action.VERSION,
    "next": Action.VERSION,
    "up": Action.FEEDBACK,
    "down": Action.FEEDBACK,
    "why": Action.WHY,
}
_LINE_END = re.compile(r"\n+")

Component = dict[str, Any]


def content(text: str, notes: Sequence[str], controls: Controls | None, mark: str) -> dict[str, Any]:
    """What a message shows, for a create or an edit. ``text`` is the model's Markdown."""
    return {
        "content": _with_notes(text, notes),
        "components": rows_under(controls, mark),
        "allowed_mentions": dict(NOBODY),
    }


def _with_notes(text: str, notes: Sequence[str]) -> str:
    small = [f"-# {defuse(_LINE_END.sub(' ', note.strip()))}" for note in notes if note.strip()]
    if not small:
        return within(text, HARD_LIMIT)
    tail = "\n".join(small)
    shown = within(text, max(HARD_LIMIT - 1 - min(len(tail), _NOTES_ROOM), len(text)))
    room = HARD_LIMIT - 1 - len(shown)
    tail = tail if len(tail) <= room else tail[: max(0, room - 1)] + "…"
    return f"{shown}\n{tail}"[:HARD_LIMIT]


def nonce(mark: str, part: int, place: str, salt: int = 0) -> str:
    """The same for the same part of a reply, for ever: Discord makes no second message of it for some minutes."""
    seed = f"{mark}|{part}|{place}|{salt}".encode()
    return base64.b32encode(hashlib.blake2b(seed, digest_size=15).digest()).decode().lower()


# --- buttons


def rows_under(controls: Controls | None, mark: str) -> list[Component]:
    """Rows of buttons, [] when there are none."""
    if controls is None:
        return []
    rows = [_about_the_answer(controls, mark), _about_the_quality(controls, mark)]
    if sum(map(len, rows)) <= _MOST_IN_ROW:
        rows = [rows[0] + rows[1]]
    return [{"type": 1, "components": row} for row in rows if row]


def pressed(custom_id: str) -> tuple[Action, str, str] | None:
    """(action, mark, value) of a button under a reply; ``None`` for any other component."""
    words = custom_id.split(":")
    if len(words) != 4 or words[0] != PREFIX or words[1] not in _ACTIONS or not words[2]:
        return None
    value = words[1] if words[1] in ("up", "down") else words[3]
    return _ACTIONS[words[1]], words[2], value


def marks_in(message: Mapping[str, Any]) -> set[str]:
    """The replies that the buttons of a message belong to."""
    return {mark for _, mark, _ in _buttons_under(message)}


def is_growing(message: Mapping[str, Any], mark: str) -> bool:
    """It is shown as an answer that is still being written."""
    return any((action, of) == (Action.STOP, mark) for action, of, _ in _buttons_under(message))


def _buttons_under(message: Mapping[str, Any]) -> Iterator[tuple[Action, str, str]]:
    for component in _walk(message.get("components") or ()):
        if (found := pressed(str(component.get("custom_id") or ""))) is not None:
            yield found


def settings_row() -> list[Component]:
    """Opens the settings, from where no command could."""
    return [{"type": 1, "components": [_button("Open settings", OPEN_SETTINGS, _BLUE)]}]


def sign_row(text: str) -> list[Component]:
    """At most 80 characters beside a text that has no room for a note."""
    sign = _button(text, f"{PREFIX}:sign") | {"disabled": True}
    return [{"type": 1, "components": [sign]}]


def notice_texts(notice: Notice) -> list[str]:
    """A notice as messages of at most the hard limit, cut between lines."""
    pages: list[str] = []
    page = ""
    for line in notice.text.split("\n"):
        for piece in [line[start : start + 1_700] for start in range(0, max(1, len(line)), 1_700)]:
            if page and len(page) + len(piece) > 1_700:
                pages.append(page)
                page = ""
            page = f"{page}\n{piece}" if page else piece
    return [within(text, HARD_LIMIT) for text in [*pages, page] if text.strip()][:5] or ["Done."]


def _about_the_answer(controls: Controls, mark: str) -> list[Component]:
    found: list[Component] = []
    if controls.stop:
        found.append(_button("Stop", _id("stop", mark), _RED))
    if controls.retry:
        found.append(_button("Retry", _id("retry", mark), _BLUE))
    if controls.regenerate:
        found.append(_button("Regenerate", _id("regenerate", mark)))
    at, of = controls.version, controls.versions
    if of > 1 and at > 1:
        found.append(_button(f"‹ {at - 1}/{of}", _id("previous", mark, str(at - 1))))
    if of > 1 and at < of:
        found.append(_button(f"{at + 1}/{of} ›", _id("next", mark, str(at + 1))))
    return found


def _about_the_quality(controls: Controls, mark: str) -> list[Component]:
    found: list[Component] = []
    if controls.feedback:
        found += [_button("👍", _id("up", mark)), _button("👎", _id("down", mark))]
    if controls.regenerate:
        found.append(_button("Why?", _id("why", mark)))
    return found


def _id(action: str, mark: str, value: str = "") -> str:
    return f"{PREFIX}:{action}:{mark}:{value}"


def _button(label: str, custom_id: str, style: int = _GREY) -> Component:
    return {"type": 2, "style": style, "label": label, "custom_id": custom_id}


def _walk(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        yield component
        yield from _walk(component.get("components") or ())
