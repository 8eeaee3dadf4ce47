from __future__ import annotations

import pytest

from bot.commands.form import apply_form, build_form
from bot.errors import SettingRefused
from bot.ports import Form, FormField, Level
from tests.bot.commands.conftest import BEN, DIRECT, THREAD, Room


def field(form: Form, key: str) -> FormField:
    return next(each for each in form.fields if each.key == key)


async def test_a_form_shows_what_is_set_here_what_counts_and_from_where(room: Room) -> None:
    await room.say("set temperature 0.2 --channel")
    form = await build_form(room.context(), None)
    assert (form.level, form.levels) == (Level.THREAD, (Level.THREAD, Level.CHANNEL))
    shown = field(form, "temperature")
    assert (shown.value, shown.effective, shown.origin, shown.kind) == ("", "0.2", "this channel", "number")
    assert field(await build_form(room.context(), Level.CHANNEL), "temperature").value == "0.2"


async def test_a_form_offers_live_models_efforts_of_the_model_tiers_of_the_server_and_saved_schemas(room: Room) -> None:
    await room.say('json ticket {"type": "object"}')
    form = await build_form(room.context(), None)
    assert field(form, "model").choices[0] == "openai/gpt-oss-20b"
    assert field(form, "reasoning_effort").choices == ("low", "medium", "high", "off")
    assert field(form, "service_tier").choices == ("auto", "on_demand", "flex", "off")
    assert "ticket" in field(form, "response_format").choices


async def test_without_the_providers_list_the_model_is_typed(room: Room) -> None:
    room.models.away = True
    form = await build_form(room.context(), None)
    assert (field(form, "model").kind, field(form, "model").choices) == ("text", ())


async def test_a_form_only_has_keys_that_can_be_set_at_its_level(room: Room) -> None:
    form = await build_form(room.context(DIRECT, direct=True), None)
    assert form.level is Level.PERSON
    assert "trigger" not in [each.key for each in form.fields]


async def test_the_workspaces_form_is_for_admins(room: Room) -> None:
    with pytest.raises(SettingRefused):
        await build_form(room.context(), Level.WORKSPACE)
    with pytest.raises(SettingRefused):
        await apply_form(room.context(), Level.WORKSPACE, {"temperature": "1"})
    assert Level.WORKSPACE in (await build_form(room.context(admin=True), None)).levels


async def test_what_an_admin_locked_or_keeps_is_shown_locked(room: Room) -> None:
    await room.say("set lock.temperature on --channel", admin=True)
    form = await build_form(room.context(), None)
    assert field(form, "temperature").locked
    assert field(form, "service_tier").locked
    assert not field(form, "top_p").locked
    assert field(await build_form(room.context(admin=True), Level.THREAD), "temperature").locked
    assert not field(await build_form(room.context(admin=True), Level.CHANNEL), "temperature").locked


async def test_a_sent_form_stores_all_changes_at_once(room: Room) -> None:
    values = {"temperature": "0.2", "stop": '"END"', "system": "", "model": "120b"}
    assert await apply_form(room.context(), Level.THREAD, values) == {}
    assert room.store.writes == 1
    assert room.store.values() == {
        ("thread", "temperature"): 0.2,
        ("thread", "stop"): ["END"],
        ("thread", "model"): "openai/gpt-oss-120b",
    }


async def test_one_wrong_value_keeps_everything_as_it_was(room: Room) -> None:
    errors = await apply_form(room.context(), Level.THREAD, {"temperature": "hot", "top_p": "0.5", "seed": "x"})
    assert set(errors) == {"temperature", "seed"}
    assert "a number from 0 to 2" in errors["temperature"]
    assert room.store.values() == {}


async def test_an_emptied_field_is_cleared_and_an_untouched_one_keeps_its_author(room: Room) -> None:
    await room.say("set temperature 0.2", THREAD, BEN)
    await room.say("set top_p 0.5", THREAD, BEN)
    assert await apply_form(room.context(), Level.THREAD, {"temperature": "0.2", "top_p": ""}) == {}
    assert [(row.key, row.set_by) for row in room.store.rows.values()] == [("temperature", "U2")]


async def test_nothing_changed_writes_nothing(room: Room) -> None:
    form = await build_form(room.context(), None)
    assert await apply_form(room.context(), form.level, {each.key: each.value for each in form.fields}) == {}
    assert room.store.writes == 0


async def test_values_are_judged_by_the_model_chosen_in_the_same_form(room: Room) -> None:
    both = {"model": "qwen/qwen3.8-27b", "reasoning_effort": "none"}
    assert await apply_form(room.context(), Level.THREAD, both) == {}
    back = {"model": "openai/gpt-oss-20b", "reasoning_effort": "low"}
    assert await apply_form(room.context(), Level.THREAD, back) == {}
    assert set(await apply_form(room.context(), Level.THREAD, {"reasoning_effort": "none"})) == {"reasoning_effort"}


async def test_a_locked_field_that_was_changed_is_refused_by_name(room: Room) -> None:
    await room.say("set lock.temperature on --channel", admin=True)
    errors = await apply_form(room.context(), Level.THREAD, {"temperature": "1", "top_p": "0.5"})
    assert "locked" in errors["temperature"]
    assert ("thread", "top_p") not in room.store.values()
