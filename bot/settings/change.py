"""Changing a setting: what was typed becomes a change, and a change is allowed or refused with a sentence.

Refused are: keys and levels that do not go together, what only admins may do, what an admin has locked or capped,
and values the model in use is known not to take. A model no data names is let through. ``lock.KEY on`` and
``cap.KEY VALUE`` are changes too; admins make them for a workspace or a channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import SettingRefused
from bot.ports import Level, ModelProfile
from bot.settings.catalogue import KEYS, RESET, Key, find_key
from bot.settings.kinds import OFF, switch
from bot.settings.resolve import CAP, LOCK, RANK, RULING, SCHEMA, Effective

PLACES: Mapping[Level, str] = {
    Level.DEPLOYMENT: "everywhere",
    Level.WORKSPACE: "this workspace",
    Level.CHANNEL: "this channel",
    Level.PERSON: "you, in direct conversations",
    Level.THREAD: "this thread",
    Level.TURN: "this one answer",
}
FORMATS = ("text", "json_object")


@dataclass(frozen=True, slots=True)
class Change:
    """``name`` is a key, ``lock.KEY``, ``cap.KEY`` or ``schema.NAME``; a ``value`` of ``None`` clears it."""

    name: str
    value: Any


def read_change(name: str, text: str) -> Change:
    """What ``set NAME TEXT`` means. Raises ``SettingRefused``."""
    word = name.strip().strip("`").lower()
    clears = text.strip().lower() == RESET
    if word.startswith(LOCK):
        key = find_key(word.removeprefix(LOCK))
        return Change(LOCK + key.name, None if clears or not _read_switch(text) else True)
    if word.startswith(CAP):
        key = find_key(word.removeprefix(CAP))
        if not key.cappable:
            raise refuse(
                f"`{key.name}` cannot be capped, only {list_words(k.name for k in KEYS.values() if k.cappable)}."
            )
        value = None if clears else key.parse(text)
        return Change(CAP + key.name, None if value == OFF else value)
    key = find_key(word)
    return Change(key.name, None if clears else key.parse(text))


def check_change(change: Change, level: Level, admin: bool, effective: Effective, profile: ModelProfile) -> None:
    """Raise ``SettingRefused`` where this person may not make ``change``, or ``profile`` does not take it."""
    if level is Level.DEPLOYMENT:
        raise refuse("The deployment's defaults are set by whoever runs this bot, not in chat.")
    if level is Level.WORKSPACE and not change.name.startswith(SCHEMA) and not admin:
        raise refuse("Only admins can change settings for the whole workspace.")
    if change.name.startswith((LOCK, CAP)):
        if not admin:
            raise refuse("Only admins can lock or cap settings.")
        if level not in RULING:
            raise refuse("A lock or a cap is set for a channel or for the workspace.")
        return
    if change.name in KEYS:
        key = KEYS[change.name]
        _check_place(key, level, admin)
        _check_rules(key, change.value, level, admin, effective)
        if change.value is not None:
            check_value(key, change.value, effective, profile)


def check_value(key: Key, value: Any, effective: Effective, profile: ModelProfile) -> None:
    """Raise ``SettingRefused`` when ``profile`` is known not to take ``value``."""
    if value == OFF:
        return
    if key.name == "response_format":
        _check_format(value, effective, profile)
    if key.name == "service_tier" and value not in profile.service_tiers:
        if not profile.service_tiers:
            raise refuse("The model server in use has no service tiers to choose from.")
        raise refuse(f"The model server in use takes a service tier of {list_words(list_choices(key, profile))}.")
    if not profile.known:
        return
    if key.name == "reasoning_effort" and value not in profile.efforts:
        if not profile.efforts:
            raise refuse(f"`{profile.id}` has no reasoning effort to set.")
        raise refuse(f"`{profile.id}` takes a reasoning effort of {list_words(profile.efforts)}.")
    if key.name == "max_completion_tokens" and value > profile.max_completion:
        raise refuse(f"`{profile.id}` writes at most {profile.max_completion:,} tokens in one answer.")


def list_choices(key: Key, profile: ModelProfile) -> tuple[str, ...]:
    """What ``key`` may be set to with ``profile``; () where anything may be typed."""
    taken = {"reasoning_effort": profile.efforts, "service_tier": profile.service_tiers}.get(key.name, ())
    return tuple(choice for choice in key.kind.choices if choice in taken) or key.kind.choices


def list_misfits(effective: Effective, profile: ModelProfile) -> tuple[str, ...]:
    """Why present settings do not fit a newly chosen model, as sentences; for telling, not for refusing."""
    found = []
    for name in ("reasoning_effort", "response_format", "max_completion_tokens"):
        value = effective.value(name)
        if value is None:
            continue
        try:
            check_value(KEYS[name], value, effective, profile)
        except SettingRefused as refused:
            found.append(refused.user_text)
    return tuple(found)


def refuse(sentence: str) -> SettingRefused:
    """A refusal whose log text says nothing of what was typed."""
    return SettingRefused("setting refused", user_text=sentence)


def list_words(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    marked = [f"`{word}`" for word in words]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} or {marked[-1]}"


def _check_place(key: Key, level: Level, admin: bool) -> None:
    if level not in key.levels:
        raise refuse(f"`{key.name}` cannot be set for {PLACES[level]}.")
    if key.admin and not admin:
        raise refuse(f"Only admins can change `{key.name}`.")


def _check_rules(key: Key, value: Any, level: Level, admin: bool, effective: Effective) -> None:
    chosen = effective.chosen[key.name]
    if chosen.locked is not None:
        below = RANK[level] > RANK[chosen.locked]
        if below or (RANK[level] == RANK[chosen.locked] and not admin):
            raise refuse(f"An admin has locked `{key.name}` for {PLACES[chosen.locked]}.")
    if value is None:
        return
    for where, highest in chosen.caps:
        if RANK[where] <= RANK[level] and (value == OFF or value > highest):
            raise refuse(f"An admin has capped `{key.name}` at {key.show(highest)} for {PLACES[where]}.")


def _check_format(value: str, effective: Effective, profile: ModelProfile) -> None:
    if value not in FORMATS and value not in effective.schemas:
        known = list_words((*FORMATS, *effective.schemas))
        raise refuse(f"There is no JSON schema of that name here. The answer format can be {known}.")
    if value == "json_object" and profile.known and not profile.json_object:
        raise refuse(f"`{profile.id}` cannot promise JSON.")
    if value not in FORMATS and profile.known and not profile.json_schema:
        raise refuse(f"`{profile.id}` cannot keep to a schema. `json_object` works, or choose another model.")


def _read_switch(text: str) -> bool:
    try:
        return bool(switch().parse(text))
    except ValueError:
        raise refuse("A lock takes `on` or `off`.") from None
