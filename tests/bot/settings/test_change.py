from __future__ import annotations

from typing import Any

import pytest

from bot.errors import SettingRefused
from bot.ports import Level, ModelProfile, Scope, SettingRow
from bot.settings.change import Change, check_change, list_misfits, read_change
from bot.settings.kinds import OFF
from bot.settings.resolve import resolve

GPT = ModelProfile(
    "openai/gpt-oss-20b", 131_072, 65_536, efforts=("low", "medium", "high"), json_schema=True, known=True
)
QWEN = ModelProfile("qwen/qwen3.8-27b", 131_072, 16_384, efforts=("none", "low"), known=True)
PLAIN = ModelProfile("allam-2-7b", 4_096, 4_096, json_object=False, known=True)
UNKNOWN = ModelProfile("some/model")
TIERED = ModelProfile("some/model", service_tiers=("auto", "default", "flex"))


def row(level: Level, key: str, value: Any) -> SettingRow:
    return SettingRow(Scope(level, "x"), key, value, "U1", 1.0)


def refusal(
    key: str, value: Any, *rows: SettingRow, level: Level = Level.CHANNEL, admin: bool = False, profile: Any = UNKNOWN
) -> str:
    try:
        check_change(Change(key, value), level, admin, resolve({}, rows), profile)
    except SettingRefused as refused:
        return refused.user_text
    return ""


@pytest.mark.parametrize(
    ("name", "text", "change"),
    [
        ("temp", "0.2", Change("temperature", 0.2)),
        ("temperature", "reset", Change("temperature", None)),
        ("lock.model", "on", Change("lock.model", True)),
        ("lock.model", "off", Change("lock.model", None)),
        ("cap.temp", "0.5", Change("cap.temperature", 0.5)),
        ("cap.temperature", "off", Change("cap.temperature", None)),
        ("CAP.max_tokens", "1000", Change("cap.max_completion_tokens", 1000)),
    ],
)
def test_a_typed_change_is_understood(name: str, text: str, change: Change) -> None:
    assert read_change(name, text) == change


@pytest.mark.parametrize(("name", "text"), [("lock.model", "perhaps"), ("cap.model", "x"), ("lock.nothing", "on")])
def test_a_rule_that_makes_no_sense_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingRefused):
        read_change(name, text)


def test_anybody_may_change_ordinary_keys_of_a_channel_but_only_admins_those_of_the_workspace() -> None:
    assert not refusal("temperature", 0.2)
    assert "admins" in refusal("temperature", 0.2, level=Level.WORKSPACE)
    assert not refusal("temperature", 0.2, level=Level.WORKSPACE, admin=True)


def test_the_deployments_own_values_are_not_changed_in_chat() -> None:
    assert refusal("temperature", 0.2, level=Level.DEPLOYMENT, admin=True)


def test_keys_that_cost_money_are_for_admins() -> None:
    assert "admins" in refusal("service_tier", "flex", profile=TIERED)
    assert not refusal("service_tier", "flex", admin=True, profile=TIERED)


def test_a_service_tier_is_only_set_where_the_server_offers_it() -> None:
    assert refusal("service_tier", "on_demand", admin=True, profile=TIERED) == (
        "The model server in use takes a service tier of `auto` or `flex`."
    )
    assert refusal("service_tier", "flex", admin=True) == (
        "The model server in use has no service tiers to choose from."
    )
    assert not refusal("service_tier", OFF, admin=True)
    assert not refusal("service_tier", None, admin=True)


def test_a_key_is_only_set_where_it_means_something() -> None:
    assert "cannot be set for you" in refusal("trigger", "always", level=Level.PERSON)
    assert not refusal("trigger", "always", level=Level.THREAD)


@pytest.mark.parametrize("key", ["lock.model", "cap.temperature"])
def test_rules_are_made_by_admins_for_a_channel_or_a_workspace(key: str) -> None:
    value = True if key.startswith("lock") else 0.5
    assert "admins" in refusal(key, value)
    assert refusal(key, value, level=Level.THREAD, admin=True)
    assert not refusal(key, value, level=Level.CHANNEL, admin=True)
    assert not refusal(key, value, level=Level.WORKSPACE, admin=True)


def test_a_locked_key_is_refused_below_the_lock_even_for_admins() -> None:
    lock = row(Level.WORKSPACE, "lock.model", True)
    assert "locked `model` for this workspace" in refusal("model", "a/b", lock)
    assert refusal("model", "a/b", lock, level=Level.THREAD, admin=True)
    assert refusal("model", None, lock)
    assert not refusal("model", "a/b", lock, level=Level.WORKSPACE, admin=True)
    assert not refusal("temperature", 0.5, lock)


def test_at_the_level_of_the_lock_only_admins_change_the_key() -> None:
    lock = row(Level.CHANNEL, "lock.model", True)
    assert refusal("model", "a/b", lock)
    assert not refusal("model", "a/b", lock, admin=True)


def test_a_value_over_a_cap_is_refused_with_the_cap() -> None:
    cap = row(Level.WORKSPACE, "cap.temperature", 0.5)
    assert "0.5" in refusal("temperature", 0.6, cap)
    assert refusal("temperature", "", cap)
    assert not refusal("temperature", 0.5, cap)
    assert not refusal("temperature", None, cap)


@pytest.mark.parametrize(
    ("key", "value", "profile", "words"),
    [
        ("reasoning_effort", "none", GPT, "`low`, `medium` or `high`"),
        ("reasoning_effort", "low", PLAIN, "no reasoning effort"),
        ("max_completion_tokens", 20_000, QWEN, "16,384"),
        ("response_format", "json_object", PLAIN, "cannot promise JSON"),
        ("response_format", "nothing", GPT, "no JSON schema of that name"),
    ],
)
def test_what_the_model_does_not_take_is_refused_in_plain_words(
    key: str, value: Any, profile: ModelProfile, words: str
) -> None:
    assert words in refusal(key, value, profile=profile)


@pytest.mark.parametrize(
    ("key", "value"),
    [("reasoning_effort", "none"), ("max_completion_tokens", 900_000), ("response_format", "json_object")],
)
def test_a_model_nobody_knows_is_let_through(key: str, value: Any) -> None:
    assert not refusal(key, value, profile=UNKNOWN)


def test_a_schema_needs_a_model_that_keeps_to_it() -> None:
    schema = row(Level.WORKSPACE, "schema.ticket", {"type": "object"})
    assert not refusal("response_format", "ticket", schema, profile=GPT)
    assert "cannot keep to a schema" in refusal("response_format", "ticket", schema, profile=QWEN)


def test_settings_that_do_not_fit_a_newly_chosen_model_are_told() -> None:
    effective = resolve({}, [row(Level.CHANNEL, "reasoning_effort", "high")])
    assert list_misfits(effective, QWEN)
    assert not list_misfits(effective, GPT)
