"""Settings as Discord shows them: a menu that only one person sees, and forms of at most five fields. Pure.

Level and page travel in the custom ids, so that a menu works after any restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.discord.controls import PREFIX
from bot.ports import Form, FormField, Level

LEVEL_MENU = f"{PREFIX}:level"
PAGE_MENU = f"{PREFIX}:page"
SETTINGS_FORM = f"{PREFIX}:form"
ASK_FORM = f"{PREFIX}:ask"
QUESTION = "question"

_PER_PAGE = 5
_UNSET = "\u2014unset\u2014"  # Discord takes no empty values
_MOST_OPTIONS = 24
_LONGEST = 4_000
_LEVELS = {
    Level.WORKSPACE: "the whole server",
    Level.CHANNEL: "this channel",
    Level.PERSON: "me, in direct messages",
    Level.THREAD: "this thread",
}

Component = dict[str, Any]


def menu(form: Form) -> list[Component]:
    """Choose a level, then a page of its form."""
    rows: list[Component] = []
    if len(form.levels) > 1:
        levels = [
            _option(f"For {_LEVELS.get(level, level.value)}", level.value, level is form.level) for level in form.levels
        ]
        rows.append(_select(LEVEL_MENU, levels, "For whom?"))
    # A menu tells only when the choice changes, so no page stands chosen.
    pages = [_option(_page_label(form, page), str(page)) for page in range(page_count(form))]
    rows.append(_select(f"{PAGE_MENU}:{form.level.value}", pages[:25], "Change…"))
    return [{"type": 1, "components": [row]} for row in rows]


def page_count(form: Form) -> int:
    return max(1, -(-len(open_fields(form)) // _PER_PAGE))


def open_fields(form: Form) -> Sequence[FormField]:
    """The fields that may be changed here."""
    return [field for field in form.fields if not field.locked]


def page_modal(form: Form, page: int) -> dict[str, Any]:
    """One page of the form."""
    shown = open_fields(form)[page * _PER_PAGE : (page + 1) * _PER_PAGE]
    return {
        "title": f"Settings for {_LEVELS.get(form.level, form.level.value)}"[:45],
        "custom_id": f"{SETTINGS_FORM}:{form.level.value}",
        "components": [_label(field) for field in shown],
    }


def question_modal(channel: str, message: str) -> dict[str, Any]:
    """Asks what to ask about a message."""
    field = {"type": 4, "custom_id": QUESTION, "style": 2, "required": True, "max_length": 1_500}
    return {
        "title": "Ask about this message",
        "custom_id": f"{ASK_FORM}:{channel}:{message}",
        "components": [{"type": 18, "label": "Your question", "component": field}],
    }


def values_in(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """key → text as typed, "" where nothing is set."""
    found: list[tuple[str, str]] = []
    for component in data.get("components") or ():
        children = [component["component"]] if component.get("component") else component.get("components") or ()
        found += [(str(child["custom_id"]), _value(child)) for child in children if child.get("custom_id")]
    return tuple(found)


def errors_text(errors: Sequence[tuple[str, str]]) -> str:
    lines = "\n".join(f"- **{key}**: {text}" for key, text in errors)
    return f"Nothing was saved, because something does not fit:\n{lines}"


def _label(field: FormField) -> Component:
    now = f"Now {_short(field.effective, 40)} ({field.origin}). " if field.effective else ""
    return {
        "type": 18,
        "label": field.label[:45],
        "description": _short(f"{now}{field.help}", 100),
        "component": _input(field),
    }


def _input(field: FormField) -> Component:
    choices = field.choices or (("on", "off") if field.kind == "switch" else ())
    offered = choices[:_MOST_OPTIONS]
    if field.kind in ("choice", "switch") and (not field.value or field.value in offered):
        options = [_option("Not set here", _UNSET, not field.value)]
        options += [_option(choice, choice, choice == field.value) for choice in offered]
        return {"type": 3, "custom_id": field.key, "options": options, "required": False, "min_values": 0}
    box: Component = {"type": 4, "custom_id": field.key, "style": 2 if field.kind == "long" else 1, "required": False}
    box["max_length"] = _LONGEST
    return box | ({"value": field.value[:_LONGEST]} if field.value else {})


def _page_label(form: Form, page: int) -> str:
    fields = open_fields(form)[page * _PER_PAGE : (page + 1) * _PER_PAGE]
    return ", ".join(field.label for field in fields) or "Nothing can be changed here"


def _value(child: Mapping[str, Any]) -> str:
    if "values" in child:
        chosen = str(next(iter(child["values"] or ()), ""))
        return "" if chosen == _UNSET else chosen
    return str(child.get("value") or "")


def _select(custom_id: str, options: list[Component], placeholder: str) -> Component:
    return {"type": 3, "custom_id": custom_id, "options": options, "placeholder": placeholder}


def _option(label: str, value: str, chosen: bool = False) -> Component:
    option: Component = {"label": _short(label, 100), "value": value[:100]}
    return option | {"default": True} if chosen else option


def _short(text: str, limit: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"
