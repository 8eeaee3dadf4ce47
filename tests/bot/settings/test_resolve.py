from __future__ import annotations

import itertools
from typing import Any

import pytest

from bot.events import Address, Author
from bot.ports import Level, Scope, SettingRow
from bot.settings.catalogue import KEYS
from bot.settings.kinds import OFF
from bot.settings.resolve import Effective, resolve, scopes
from bot.settings.view import view_turn

ADDRESS = Address("slack", "T1", "C1", "17.1")
ANNA = Author("U1", "Anna")
STORED = (Level.WORKSPACE, Level.CHANNEL, Level.THREAD)
LADDER = (Level.DEPLOYMENT, *STORED, Level.TURN)


def row(level: Level, key: str, value: Any, by: str = "U1", at: float = 5.0) -> SettingRow:
    return SettingRow(Scope(level, "x"), key, value, by, at)


def settle(values: dict[Level, Any], *rules: SettingRow, key: str = "temperature") -> Effective:
    return resolve(
        {key: values[Level.DEPLOYMENT]} if Level.DEPLOYMENT in values else {},
        [*(row(level, key, values[level]) for level in reversed(STORED) if level in values), *rules],
        {key: values[Level.TURN]} if Level.TURN in values else None,
    )


def test_the_scopes_of_a_thread_are_lowest_first() -> None:
    assert scopes(ADDRESS, ANNA, direct=False) == (
        Scope(Level.DEPLOYMENT, ""),
        Scope(Level.WORKSPACE, "slack:T1"),
        Scope(Level.CHANNEL, "slack:T1:C1"),
        Scope(Level.THREAD, "slack:T1:C1:17.1"),
    )


def test_in_a_direct_conversation_the_person_takes_the_channels_place() -> None:
    levels = [scope.level for scope in scopes(Address("slack", "T1", "D1"), ANNA, direct=True)]
    assert levels == [Level.DEPLOYMENT, Level.WORKSPACE, Level.PERSON]
    assert scopes(Address("slack", "T1", "D1"), ANNA, direct=True)[2].id == "slack:T1:U1"


def test_a_channel_and_a_person_never_share_a_scope() -> None:
    same = Author("C1", "odd")
    assert scopes(ADDRESS, same, direct=True)[2] != scopes(ADDRESS, same, direct=False)[2]


@pytest.mark.parametrize("present", [p for n in range(6) for p in itertools.combinations(LADDER, n)], ids=str)
def test_the_most_specific_level_with_a_value_wins(present: tuple[Level, ...]) -> None:
    values = {level: index / 10 for index, level in enumerate(LADDER) if level in present}
    chosen = settle(values).chosen["temperature"]
    highest = max(present, key=LADDER.index, default=None)
    assert chosen.value == (values[highest] if highest else None)
    assert chosen.level == (highest or Level.DEPLOYMENT)


@pytest.mark.parametrize("lock", [Level.DEPLOYMENT, Level.WORKSPACE, Level.CHANNEL])
@pytest.mark.parametrize("present", [p for n in range(6) for p in itertools.combinations(LADDER, n)], ids=str)
def test_a_lock_silences_every_more_specific_level(lock: Level, present: tuple[Level, ...]) -> None:
    values = {level: index / 10 for index, level in enumerate(LADDER) if level in present}
    chosen = settle(values, row(lock, "lock.temperature", True)).chosen["temperature"]
    counted = [level for level in present if LADDER.index(level) <= LADDER.index(lock)]
    highest = max(counted, key=LADDER.index, default=None)
    assert chosen.value == (values[highest] if highest else None)
    assert chosen.locked is lock


def test_the_lowest_of_two_locks_counts() -> None:
    rules = (row(Level.CHANNEL, "lock.temperature", True), row(Level.WORKSPACE, "lock.temperature", True))
    chosen = settle({Level.CHANNEL: 0.5}, *rules).chosen["temperature"]
    assert (chosen.value, chosen.locked) == (None, Level.WORKSPACE)


@pytest.mark.parametrize("level", [Level.THREAD, Level.PERSON, Level.TURN])
def test_a_lock_or_cap_below_a_channel_means_nothing(level: Level) -> None:
    rules = (row(level, "lock.temperature", True), row(level, "cap.temperature", 0.1))
    chosen = settle({Level.THREAD: 0.5, Level.TURN: 0.9}, *rules).chosen["temperature"]
    assert (chosen.value, chosen.locked, chosen.caps) == (0.9, None, ())


@pytest.mark.parametrize("level", LADDER)
@pytest.mark.parametrize("cap", [Level.WORKSPACE, Level.CHANNEL])
def test_a_cap_bounds_the_value_wherever_it_comes_from(level: Level, cap: Level) -> None:
    chosen = settle({level: 1.5}, row(cap, "cap.temperature", 0.4)).chosen["temperature"]
    assert (chosen.value, chosen.capped, chosen.level) == (0.4, True, level)


def test_a_value_below_the_cap_stays() -> None:
    chosen = settle({Level.THREAD: 0.3}, row(Level.WORKSPACE, "cap.temperature", 0.4)).chosen["temperature"]
    assert (chosen.value, chosen.capped) == (0.3, False)


def test_the_smallest_of_several_caps_counts() -> None:
    caps = (row(Level.CHANNEL, "cap.temperature", 0.9), row(Level.WORKSPACE, "cap.temperature", 0.4))
    assert settle({Level.THREAD: 1.5}, *caps).value("temperature") == 0.4
    assert settle({}, *caps).chosen["temperature"].caps == ((Level.WORKSPACE, 0.4), (Level.CHANNEL, 0.9))


@pytest.mark.parametrize("values", [{}, {Level.THREAD: OFF}])
def test_an_unset_value_becomes_the_cap(values: dict[Level, Any]) -> None:
    assert settle(values, row(Level.CHANNEL, "cap.temperature", 0.4)).value("temperature") == 0.4


def test_switched_off_wins_over_a_value_at_a_lower_level() -> None:
    effective = settle({Level.WORKSPACE: 0.4, Level.THREAD: OFF})
    assert effective.value("temperature") is None
    assert effective.chosen["temperature"].level is Level.THREAD


def test_an_unsound_row_counts_as_not_set() -> None:
    effective = settle({Level.WORKSPACE: 0.4, Level.CHANNEL: "hot", Level.THREAD: None})
    assert effective.value("temperature") == 0.4
    assert settle({}, row(Level.WORKSPACE, "cap.temperature", "x")).value("temperature") is None


def test_the_origin_names_level_person_and_time() -> None:
    effective = resolve({}, [row(Level.CHANNEL, "model", "a/b", by="U9", at=123.0)])
    chosen = effective.chosen["model"]
    assert (chosen.value, chosen.level, chosen.set_by, chosen.set_at) == ("a/b", Level.CHANNEL, "U9", 123.0)


def test_what_is_unknown_among_rows_and_overrides_is_ignored() -> None:
    effective = resolve({}, [row(Level.CHANNEL, "nonsense", 1)], {"edited": True})
    assert set(effective.chosen) == set(KEYS)


def test_the_view_of_untouched_settings_is_usable() -> None:
    settings = view_turn(resolve({"model": "some/model"}, []))
    assert settings.model == "some/model"
    assert settings.system == KEYS["system"].default
    assert (settings.trigger, settings.busy, settings.stream, settings.tools) == (
        "follow",
        "queue",
        "progressive",
        True,
    )
    assert (settings.temperature, settings.stop, settings.json, settings.fallbacks) == (None, (), None, ())


def test_the_view_keeps_zero_and_drops_what_is_off() -> None:
    rows = [row(Level.CHANNEL, key, value) for key, value in {"temperature": 0.0, "seed": 0, "system": OFF}.items()]
    settings = view_turn(resolve({"prefill": "x"}, [*rows, row(Level.THREAD, "prefill", OFF)]))
    assert (settings.temperature, settings.seed, settings.system, settings.prefill) == (0.0, 0, "", "")


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def test_a_named_schema_is_asked_for_and_a_removed_one_becomes_any_json() -> None:
    named = row(Level.THREAD, "response_format", "ticket")
    settings = view_turn(resolve({}, [named, row(Level.WORKSPACE, "schema.ticket", SCHEMA)]))
    assert settings.json is not None
    assert not isinstance(settings.json, bool)
    assert (settings.json.name, settings.json.schema, settings.json.strict) == ("ticket", SCHEMA, True)
    assert view_turn(resolve({}, [named])).json is True
    assert view_turn(resolve({}, [row(Level.THREAD, "response_format", "json_object")])).json is True
