from __future__ import annotations

import json

import pytest

from bot.events import Author
from bot.ports import Level, Scope, SettingRow
from tests.bot.commands.conftest import BEN, CHANNEL, DIRECT, NOW, THREAD, Room

SCHEMA = '{"type": "object", "properties": {"title": {"type": "string"}}}'


def lock(room: Room, key: str, value: object, level: Level = Level.WORKSPACE, place: str = "slack:T1") -> None:
    room.store.rows[Scope(level, place), key] = SettingRow(Scope(level, place), key, value, "U9", NOW)


@pytest.mark.parametrize(
    ("line", "address", "direct", "level"),
    [
        ("set temperature 0.2", THREAD, False, "thread"),
        ("set temperature 0.2", CHANNEL, False, "channel"),
        ("set temperature 0.2", DIRECT, True, "person"),
        ("set temperature 0.2 --channel", THREAD, False, "channel"),
        ("set temperature 0.2 --channel", DIRECT, True, "person"),
    ],
)
async def test_a_setting_counts_where_it_is_said(
    room: Room, line: str, address: object, direct: bool, level: str
) -> None:
    said = await room.say(line, address, direct=direct)
    assert room.store.values() == {(level, "temperature"): 0.2}
    assert said.startswith("`temperature` is `0.2` for")
    assert room.preferences.dropped[0].level == level


async def test_the_workspace_is_for_admins(room: Room) -> None:
    assert "admins" in await room.fail("set temperature 0.2 --workspace")
    assert room.store.values() == {}
    await room.say("set temperature 0.2 --workspace", admin=True)
    assert room.store.values() == {("workspace", "temperature"): 0.2}


async def test_a_thread_that_is_not_seen_is_said_so_with_the_way_out(room: Room) -> None:
    assert "!set temperature" in await room.fail("set temperature 0.2 --thread", CHANNEL)


async def test_a_value_that_does_not_count_here_is_told(room: Room) -> None:
    await room.say("set temperature 0.9")
    said = await room.say("set temperature 0.2 --channel")
    assert "Here `0.9` still counts: this thread, set by you" in said


async def test_setting_nothing_explains_the_key(room: Room) -> None:
    said = await room.say("set temperature")
    assert "**Temperature**" in said
    assert "a number from 0 to 2, or `off`" in said


async def test_reset_takes_a_value_away(room: Room) -> None:
    await room.say("set temperature 0.2")
    assert "not set" in await room.say("set temperature reset")
    assert room.store.values() == {}


async def test_a_refused_value_changes_nothing(room: Room) -> None:
    assert "a number from 0 to 2" in await room.fail("set temperature hot")
    assert "`temperature`" in await room.fail("set temprature 1")
    assert room.store.writes == 0


async def test_a_lock_stops_lower_levels_and_says_so(room: Room) -> None:
    assert "locked for this channel" in await room.say("set lock.temperature on --channel", admin=True)
    assert "locked `temperature`" in await room.fail("set temperature 0.2")
    await room.say("set lock.temperature off --channel", admin=True)
    await room.say("set temperature 0.2")


async def test_a_cap_stops_larger_values(room: Room) -> None:
    await room.say("set cap.max_completion_tokens 1000 --workspace", admin=True)
    assert "1000" in await room.fail("set max_completion_tokens 2000")
    await room.say("set max_completion_tokens 500")


async def test_stop_sequences_keep_their_quotes(room: Room) -> None:
    await room.say('set stop "two words" END')
    assert room.store.values() == {("thread", "stop"): ["two words", "END"]}


async def test_a_system_prompt_is_written_shown_switched_off_and_reset(room: Room) -> None:
    await room.say('system "Answer in rhymes.\nAlways."')
    assert room.store.values() == {("thread", "system"): "Answer in rhymes.\nAlways."}
    assert "> Answer in rhymes.\n> Always." in await room.say("system")
    await room.say("system off")
    assert "no system prompt" in await room.say("system")
    await room.say("system reset")
    assert room.store.values() == {}


async def test_models_are_listed_with_the_present_one_marked(room: Room) -> None:
    said = await room.say("model")
    assert "**`openai/gpt-oss-20b`** answers here" in said
    assert "- `qwen/qwen3.8-27b` (reads 131,072 tokens, sees images, thinks first)" in said


@pytest.mark.parametrize("typed", ["openai/gpt-oss-120b", "GPT-OSS-120B", "120b", "`gpt-oss-120b`"])
async def test_a_part_of_a_models_id_is_enough(room: Room, typed: str) -> None:
    await room.say(f"model {typed}")
    assert room.store.values() == {("thread", "model"): "openai/gpt-oss-120b"}


@pytest.mark.parametrize("line", ["model gpt-oss", "model claude", "set model gpt-oss"])
async def test_a_model_that_is_not_there_or_not_clear_is_refused_with_those_there_are(room: Room, line: str) -> None:
    assert "`openai/gpt-oss-20b`" in await room.fail(line)
    assert room.store.writes == 0


async def test_without_the_providers_list_a_model_is_taken_on_trust(room: Room) -> None:
    room.models.away = True
    assert "took your word" in await room.say("model new/model")
    assert "could not get the list" in await room.say("model")
    room.models.away, room.models.listed = False, ()
    assert "took your word" in await room.say("model other/model")
    assert "has no list of its models" in await room.say("model")


async def test_the_model_of_the_deployment_can_be_chosen_whether_or_not_the_provider_lists_it(room: Room) -> None:
    room.models.own = "acme/hidden"
    await room.say("model 120b")
    assert "took your word" not in await room.say("model acme/hidden")
    assert room.store.values() == {("thread", "model"): "acme/hidden"}


async def test_choosing_a_model_tells_which_settings_do_not_fit_it(room: Room) -> None:
    await room.say("set reasoning_effort high")
    assert "does not fit this model" in await room.say("model qwen3.8-27b")


async def test_model_reset_goes_back(room: Room) -> None:
    await room.say("model 120b")
    assert "`openai/gpt-oss-20b`" in await room.say("model reset")


async def test_reset_settings_clears_one_level_and_keeps_rules_and_schemas(room: Room) -> None:
    await room.say("set temperature 0.2")
    await room.say("set top_p 0.5 --channel")
    await room.say("set lock.seed on --channel", admin=True)
    assert "`temperature`" in await room.say("reset-settings")
    assert room.store.values() == {("channel", "top_p"): 0.5, ("channel", "lock.seed"): True}
    await room.say("reset-settings channel")
    assert room.store.values() == {("channel", "lock.seed"): True}
    assert "could take away" in await room.say("reset-settings channel")
    assert "admins" in await room.fail("reset-settings workspace")
    assert "thread" in await room.fail("reset-settings everything")


async def test_reset_settings_leaves_what_only_admins_set(room: Room) -> None:
    await room.say("set service_tier flex", admin=True)
    await room.say("set temperature 1")
    await room.say("reset-settings")
    assert room.store.values() == {("thread", "service_tier"): "flex"}


@pytest.mark.parametrize(
    ("line", "value"),
    [("json", "json_object"), ("json on", "json_object"), ("json off", "text"), ("json OBJECT", "json_object")],
)
async def test_json_is_switched(room: Room, line: str, value: str) -> None:
    await room.say(line)
    assert room.store.values() == {("thread", "response_format"): value}


async def test_a_schema_is_saved_for_the_workspace_and_used_here(room: Room) -> None:
    said = await room.say(f"json ticket ```{SCHEMA}```")
    assert room.store.values() == {
        ("workspace", "schema.ticket"): json.loads(SCHEMA),
        ("thread", "response_format"): "ticket",
    }
    assert "additionalProperties" in said
    assert "`ticket`" in await room.say("json list")


async def test_a_schema_is_changed_or_removed_by_its_author_or_an_admin(room: Room) -> None:
    await room.say(f"json ticket {SCHEMA}")
    assert "Somebody else" in await room.fail(f"json ticket {SCHEMA}", THREAD, BEN)
    assert "Somebody else" in await room.fail("json ticket remove", THREAD, BEN)
    await room.say("json ticket remove", THREAD, BEN, admin=True)
    assert ("workspace", "schema.ticket") not in room.store.values()


async def test_people_from_outside_save_no_schemas(room: Room) -> None:
    assert "this workspace" in await room.fail(f"json ticket {SCHEMA}", THREAD, Author("U7", "Eve", external=True))


async def test_a_schema_the_model_cannot_keep_to_is_saved_but_not_used(room: Room) -> None:
    await room.say("model qwen3.8-27b")
    assert "did not start using it" in await room.say(f"json ticket {SCHEMA}")
    assert ("thread", "response_format") not in room.store.values()


async def test_an_unknown_schema_is_refused(room: Room) -> None:
    assert "no JSON schema of that name" in await room.fail("json nothing")
    assert "not valid JSON" in await room.fail("json ticket {")


async def test_settings_shows_a_table_and_opens_the_form(room: Room) -> None:
    await room.say("set temperature 0.2 --channel")
    outcome = await room.give("settings")
    assert outcome.form
    assert outcome.notice is not None
    assert "| temperature | `0.2` | this channel |" in outcome.notice.text


async def test_why_tells_level_person_and_time_of_each_value(room: Room) -> None:
    await room.say("set temperature 0.2 --channel", THREAD, BEN)
    room.now += 7_300
    lock(room, "lock.seed", True)
    said = await room.say("why")
    assert "- **temperature** `0.2`: this channel, set by U2 2 hours ago" in said
    assert "- **seed** not set: the usual value, locked for this workspace" in said
    assert "model `openai/gpt-oss-20b`" in said
