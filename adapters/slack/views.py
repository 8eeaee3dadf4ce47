"""Forms and the App Home as Slack's views. Pure.

A settings form has one input for each field; its block is named by the key, so that errors find their place. What
the view is about (place and level) travels in ``private_metadata``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.controls import PREFIX, settings_button
from bot.events import Address
from bot.ports import Form, FormField, Level

SETTINGS_FORM = f"{PREFIX}settings_form"
ASK_FORM = f"{PREFIX}ask_form"
ASK_SHORTCUT = f"{PREFIX}ask"
LEVEL = f"{PREFIX}level"
QUESTION = "question"

_UNSET = "\u2014unset\u2014"  # Slack takes no empty values
_LONGEST_TEXT = 3_000
_MOST_OPTIONS = 99
_LEVELS = {
    Level.WORKSPACE: "The whole workspace",
    Level.CHANNEL: "This channel",
    Level.PERSON: "Me, in direct messages",
    Level.THREAD: "This thread",
}

View = dict[str, Any]
Values = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a view is about; ``message`` is the one a question is asked about."""

    channel: str
    thread: str = ""
    direct: bool = False
    message: str = ""

    def write(self, **more: str) -> str:
        """As text for a button's value or a view's metadata."""
        return json.dumps({"c": self.channel, "t": self.thread, "d": self.direct, "m": self.message} | more)

    def address(self, platform: str, team: str) -> Address:
        return Address(platform, team, self.channel, self.thread)


def read_place(text: str) -> tuple[Place, str]:
    """(place, level) from ``Place.write``."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = {}
    place = Place(str(found.get("c", "")), str(found.get("t", "")), bool(found.get("d")), str(found.get("m", "")))
    return place, str(found.get("l", ""))


def loading_view() -> View:
    """Opened at once, because what opens a view works for three seconds only."""
    return _modal("Settings", [_words("Reading the settings…")])


def told_view(title: str, text: str) -> View:
    """A view that only says something."""
    return _modal(title, [_words(text)])


def form_view(form: Form, place: Place) -> View:
    """The settings form of one level."""
    blocks: list[View] = []
    if len(form.levels) > 1:
        options = [_option(_LEVELS.get(level, level.value), level.value) for level in form.levels]
        chosen = next((option for option in options if option["value"] == form.level.value), options[0])
        select = {"type": "static_select", "action_id": LEVEL, "options": options, "initial_option": chosen}
        section = {"type": "section", "text": {"type": "mrkdwn", "text": "These settings are for"}}
        blocks.append(section | {"block_id": LEVEL, "accessory": select})
    blocks += [_field(field, form.level) for field in form.fields]
    view = _modal("Settings", blocks[:100])
    return view | {
        "callback_id": SETTINGS_FORM,
        "submit": _plain("Save"),
        "private_metadata": place.write(l=form.level.value),
    }


def ask_view(place: Place) -> View:
    """Asks for the question to put about a message."""
    element = {"type": "plain_text_input", "action_id": QUESTION, "multiline": True, "max_length": _LONGEST_TEXT}
    field = {"type": "input", "block_id": QUESTION, "label": _plain("Your question"), "element": element}
    view = _modal("Ask about this", [field])
    return view | {"callback_id": ASK_FORM, "submit": _plain("Ask"), "private_metadata": place.write()}


def values_in(view: Mapping[str, Any]) -> Values:
    """key → text as typed, "" where nothing is set."""
    found: list[tuple[str, str]] = []
    for block, elements in (view.get("state") or {}).get("values", {}).items():
        key = str(block).partition("@")[0]
        if key != LEVEL:
            found += [(key, _value(element)) for element in elements.values()]
    return tuple(found)


def errors_in(view: Mapping[str, Any], errors: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Errors by block, as Slack wants them; one whose field is not in the view goes to the first input."""
    blocks = [str(block["block_id"]) for block in view.get("blocks") or () if block.get("type") == "input"]
    by_key = {block.partition("@")[0]: block for block in blocks}
    return {by_key.get(key, blocks[0]): text for key, text in errors} if blocks else {}


def home_view(form: Form, usage: Sequence[tuple[str, str]], place: Place, command: str, bot_name: str) -> View:
    """The App Home: how to begin, what is set for direct messages, the button to change it, and what was used."""
    lines = [
        f"*{field.label}*: {_short(field.effective)}  _({field.origin})_" for field in form.fields if field.effective
    ]
    hello = (
        f"*Hello, I am {bot_name}.*\nMention me in a channel, or write to me in *Messages*. I answer in the thread, and"
        f" follow-ups there need no mention. `/{command} help` lists what I can do."
    )
    blocks = [
        _words(hello),
        {"type": "divider"},
        _words("*Your settings for direct messages*\n" + "\n".join(lines or ["Nothing is set."])),
        settings_button(place.write()),
        {"type": "divider"},
        _words("*Usage*\n" + "\n".join(f"*{who}*: {what}" for who, what in usage)),
    ]
    return {"type": "home", "blocks": blocks}


def _field(field: FormField, level: Level) -> View:
    now = f"Now: {_short(field.effective)} ({field.origin})." if field.effective else "Not set anywhere."
    if field.locked:
        return _words(f"*{field.label}*\n{now} Locked by an admin.")
    element: View
    if field.kind in ("choice", "switch"):
        element = _select(field)
    else:
        element = {"type": "plain_text_input", "action_id": field.key, "max_length": _LONGEST_TEXT}
        element |= {"multiline": True} if field.kind == "long" else {}
        element |= {"initial_value": field.value[:_LONGEST_TEXT]} if field.value else {}
    return {
        "type": "input",
        # Slack keeps what was typed in a block of the same name when the view changes to another level.
        "block_id": f"{field.key}@{level.value}",
        "optional": True,
        "label": _plain(field.label[:100]),
        "hint": _plain(f"{field.help} {now}".strip()[:300]),
        "element": element,
    }


def _select(field: FormField) -> View:
    choices = field.choices or ("on", "off")
    options = [_option("Not set here", _UNSET), *(_option(choice, choice) for choice in choices[:_MOST_OPTIONS])]
    initial = next((option for option in options if option["value"] == field.value), options[0])
    return {"type": "static_select", "action_id": field.key, "options": options, "initial_option": initial}


def _value(element: Mapping[str, Any]) -> str:
    if "selected_option" in element:
        chosen = (element.get("selected_option") or {}).get("value") or ""
        return "" if chosen == _UNSET else str(chosen)
    return str(element.get("value") or "")


def _modal(title: str, blocks: list[View]) -> View:
    return {"type": "modal", "title": _plain(title), "close": _plain("Close"), "blocks": blocks}


def _option(label: str, value: str) -> View:
    return {"text": _plain(label[:75]), "value": value[:150]}


def _short(text: str) -> str:
    words = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return words if len(words) <= 120 else words[:119] + "…"


def _words(text: str) -> View:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}


def _plain(text: str) -> View:
    return {"type": "plain_text", "text": text}
