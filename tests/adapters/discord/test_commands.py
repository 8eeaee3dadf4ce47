"""The registry as Discord's commands, a used command as a line, and forms as Discord's modals."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapters.discord.commands import choices_of, is_registered, line_of, registration, typed_line
from adapters.discord.forms import menu, page_count, page_modal, values_in
from adapters.discord.search import parts_in
from bot.commands.registry import command_helps
from bot.ports import Form, FormField, Level
from tests.emulators.discord.commands import check_command
from tests.emulators.discord.components import check_components, check_modal
from tests.emulators.discord.limits import Limits


def used(name: str, **options: Any) -> dict[str, Any]:
    given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
    return {"name": "ai", "type": 1, "options": [{"name": name, "type": 1, "options": given}]}


def test_discord_accepts_what_is_registered() -> None:
    for command in registration(command_helps(), "ai", "Parley", for_persons=True):
        check_command(command)


def test_every_command_of_the_registry_is_there_with_its_arguments() -> None:
    group = registration(command_helps(), "ai", "Parley", for_persons=False)[0]
    assert [it["name"] for it in group["options"]] == [command.name for command in command_helps()]
    by_name = {it["name"]: {option["name"]: option for option in it["options"]} for it in group["options"]}
    assert by_name["ask"]["text"]["required"]
    assert by_name["model"]["id"]["autocomplete"]
    assert [choice["value"] for choice in by_name["reset-settings"]["place"]["choices"]] == [
        "thread",
        "channel",
        "workspace",
    ]
    assert group["contexts"] == [0, 1]


def test_a_used_command_is_a_line_of_the_grammar() -> None:
    commands = command_helps()
    assert line_of(used("help"), commands) == "help"
    assert line_of(used("set", value="0.2", key="temperature"), commands) == "set temperature 0.2"
    assert line_of(used("set", key="top_p", value="1", where="channel"), commands) == "set --channel top_p 1"
    assert line_of(used("ask", text="  What?  "), commands) == "ask What?"
    assert line_of(used("model", model="gpt", where="me"), commands) == "model --me gpt", (
        "registered by another version"
    )


def test_while_it_is_typed_a_line_ends_where_the_typing_is() -> None:
    data = used("set", key="reasoning_effort", value="lo")
    data["options"][0]["options"][1]["focused"] = True
    assert typed_line(data, command_helps()) == ("set reasoning_effort lo", "set reasoning_effort ")


def test_choices_fit_discord_and_are_the_arguments_own_values() -> None:
    lines = [("set temperature ", "temperature", "Temperature, now 1"), ("set " + "x" * 200, "x" * 200, "")]
    assert choices_of(lines, "set ") == [{"name": "temperature – Temperature, now 1", "value": "temperature"}]
    long = choices_of([("model a", "a", "h" * 200)], "model ")
    assert len(long[0]["name"]) == 100


def test_a_registration_is_recognised_with_what_discord_adds() -> None:
    wanted = registration(command_helps(), "ai", "Parley", for_persons=True)
    added = {"id": "1", "version": "2", "nsfw": False, "dm_permission": True, "default_member_permissions": None}
    found = [added | command for command in wanted]
    found[0]["integration_types"] = [1, 0]
    options: list[dict[str, Any]] = wanted[0]["options"]
    found[0]["options"] = [{"name_localizations": None, "required": False} | it for it in options]
    assert is_registered(wanted, found)
    assert not is_registered(wanted, found[:1])
    assert not is_registered(registration(command_helps(), "bot", "Parley", for_persons=True), found)


@pytest.mark.parametrize(
    "change",
    [{"required": True}, {"autocomplete": True}, {"choices": [{"name": "a", "value": "a"}]}, {"description": "x"}],
    ids=lambda change: next(iter(change)),
)
def test_a_registration_of_another_version_is_not_taken_for_this_one(change: dict[str, Any]) -> None:
    wanted = registration(command_helps(), "ai", "Parley", for_persons=False)
    found = copy.deepcopy(wanted)
    model = next(it for it in found[0]["options"] if it["name"] == "help")["options"][0]
    for key in ("required", "autocomplete", "choices"):
        model.pop(key, None)
    plain = copy.deepcopy(found)
    model |= change
    assert is_registered(plain, plain)
    assert not is_registered(plain, found)
    assert not is_registered(wanted, [wanted[0] | {"default_member_permissions": "0"}, *wanted[1:]])


def a_form(count: int = 17) -> Form:
    kinds = ("text", "long", "number", "choice", "switch")
    fields = tuple(
        FormField(
            key=f"key{number}",
            label="A label that is longer than Discord would like it " * 2,
            help="h" * 200,
            kind=kinds[number % 5],
            value="b" if kinds[number % 5] == "choice" else "",
            effective="x" * 300,
            origin="this channel",
            choices=("a", "b") if kinds[number % 5] == "choice" else (),
            locked=number == 3,
        )
        for number in range(count)
    )
    return Form(Level.CHANNEL, (Level.CHANNEL, Level.WORKSPACE), fields)


def test_every_page_of_a_form_is_a_modal_discord_accepts() -> None:
    form = a_form()
    check_components(menu(form), Limits(), v2=False)
    keys: list[str] = []
    for page in range(page_count(form)):
        modal = page_modal(form, page)
        check_modal(modal)
        keys += [label["component"]["custom_id"] for label in modal["components"]]
    assert keys == [field.key for field in form.fields if not field.locked]


def test_what_was_filled_in_is_read_by_key() -> None:
    data = {
        "components": [
            {"type": 18, "component": {"type": 4, "custom_id": "a", "value": "1"}},
            {"type": 18, "component": {"type": 3, "custom_id": "b", "values": ["on"]}},
            {"type": 18, "component": {"type": 3, "custom_id": "c", "values": ["\u2014unset\u2014"]}},
            {"type": 18, "component": {"type": 3, "custom_id": "d", "values": []}},
        ]
    }
    assert values_in(data) == (("a", "1"), ("b", "on"), ("c", ""), ("d", ""))


def posted(id: int, author: str = "99", mark: str = "", about: str = "", kind: int = 0) -> dict[str, Any]:
    button = {"type": 2, "custom_id": f"parley:stop:{mark}:"}
    rows = [{"type": 1, "components": [button]}] if mark else []
    found: dict[str, Any] = {"id": str(id), "author": {"id": author}, "type": kind, "components": rows}
    return found | ({"message_reference": {"message_id": about}, "type": 19} if about else {})


def test_the_parts_of_a_reply_are_found_by_the_button_under_the_last_one() -> None:
    held = [posted(1, mark="old"), posted(2, "2"), posted(3), posted(4), posted(5, mark="new"), posted(6, "2")]
    assert parts_in(held, "99", "new") == ["3", "4", "5"]
    assert parts_in(held, "99", "new", after=3) == ["4", "5"]
    assert parts_in(held, "99", "old") == ["1"]
    assert parts_in(held, "99", "none") == []


def test_nothing_between_the_parts_of_a_reply_is_taken_for_one() -> None:
    notice, chatter = posted(3, about="2"), posted(4, "2")
    held = [posted(1), posted(2, "2"), notice, chatter, posted(5), posted(6, kind=20), posted(7, mark="new")]
    assert parts_in(held, "99", "new") == ["1", "5", "7"]


def test_the_parts_of_replies_to_several_questions_are_told_apart() -> None:
    first, second = posted(3, about="1"), posted(4, about="2", mark="b")
    assert parts_in([first, second, posted(5, about="1", mark="a")], "99", "a") == ["3", "5"]
    assert parts_in([first, second, posted(5, about="1", mark="a")], "99", "b") == ["4"]
