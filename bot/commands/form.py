"""The settings form of one level: what it offers, and taking what was sent, all of it or nothing.

A form sends every field back, also those nobody touched; a field that reads as before is not a change, so whoever
set it stays its author. An empty text clears the key at this level.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from bot.commands.context import CommandContext
from bot.commands.model_choice import find_model
from bot.commands.places import (
    choose_level,
    list_levels,
    profile_of,
    read_rows,
    scope_at,
    write,
)
from bot.commands.wording import word_place
from bot.errors import CompletionFailed, SettingRefused
from bot.ports import Form, FormField, Level, SettingRow
from bot.settings.catalogue import KEYS, Key
from bot.settings.change import FORMATS, Change, check_change, list_choices, read_change, refuse
from bot.settings.resolve import RANK, Chosen, Effective, resolve

_MODELS = 100


async def build_form(context: CommandContext, level: Level | None) -> Form:
    """The form of ``level``, by default the one a command given here changes.

    Raises ``SettingRefused`` when the person may not change that level, and ``StoreError``.
    """
    level = _allow(context, choose_level(context, level))
    rows = await read_rows(context)
    effective = resolve(context.preferences.defaults, rows)
    made = _made_at(context, level, rows)
    choices = await _choices(context, effective)
    fields = tuple(
        FormField(
            key=key.name,
            label=key.label,
            help=key.help,
            kind=key.kind.form if key.kind.form != "choice" or choices[key.name] else "text",
            value=made.get(key.name, ""),
            effective=key.show(effective.chosen[key.name].value),
            origin=word_place(effective.chosen[key.name].level),
            choices=_with(choices[key.name], made.get(key.name, "")),
            locked=_is_locked(key, effective.chosen[key.name], level, context),
        )
        for key in KEYS.values()
        if level in key.levels
    )
    return Form(level, list_levels(context), fields)


async def apply_form(context: CommandContext, level: Level, values: Mapping[str, str]) -> dict[str, str]:
    """Store what was sent; key → what is wrong with it, and then nothing was stored. Raises ``SettingRefused`` when
    the person may not change ``level`` at all, and ``StoreError``."""
    level = _allow(context, choose_level(context, level))
    rows = await read_rows(context)
    made = _made_at(context, level, rows)
    changes: list[Change] = []
    errors: dict[str, str] = {}
    for name, text in values.items():
        if name in KEYS and text.strip() != made.get(name, ""):
            try:
                changes.append(await _read(name, text, context))
            except SettingRefused as refused:
                errors[name] = refused.user_text
    errors |= _check(context, level, rows, changes)
    if changes and not errors:
        await write(context, level, *changes)
    return errors


def _check(
    context: CommandContext, level: Level, rows: Sequence[SettingRow], changes: Sequence[Change]
) -> dict[str, str]:
    """What is wrong with each change, judged against the model that would answer after all of them."""
    before = resolve(context.preferences.defaults, rows)
    scope = scope_at(context, level)
    fresh = [SettingRow(scope, change.name, change.value, context.author.id, context.now) for change in changes]
    names = {change.name for change in changes}
    kept = [row for row in rows if row.scope != scope or row.key not in names]
    profile = profile_of(context, resolve(context.preferences.defaults, [*kept, *fresh]))
    errors = {}
    for change in changes:
        try:
            check_change(change, level, context.admin, before, profile)
        except SettingRefused as refused:
            errors[change.name] = refused.user_text
    return errors


async def _read(name: str, text: str, context: CommandContext) -> Change:
    if not text.strip():
        return Change(name, None)
    change = read_change(name, text)
    if name == "model" and change.value is not None:
        return Change(name, (await find_model(change.value, context))[0])
    return change


def _made_at(context: CommandContext, level: Level, rows: Sequence[SettingRow]) -> dict[str, str]:
    scope = scope_at(context, level)
    return {
        row.key: KEYS[row.key].show(row.value)
        for row in rows
        if row.scope == scope and row.key in KEYS and KEYS[row.key].is_sound(row.value)
    }


def _with(offered: tuple[str, ...], value: str) -> tuple[str, ...]:
    """The value made here stays to be seen, even when it would not be offered any more."""
    return (*offered, value) if value and offered and value not in offered else offered


def _is_locked(key: Key, chosen: Chosen, level: Level, context: CommandContext) -> bool:
    if key.admin and not context.admin:
        return True
    if chosen.locked is None or RANK[level] < RANK[chosen.locked]:
        return False
    return RANK[level] > RANK[chosen.locked] or not context.admin


async def _choices(context: CommandContext, effective: Effective) -> dict[str, tuple[str, ...]]:
    """The values to choose from, by key; () where anything may be typed."""
    profile = profile_of(context, effective)
    found = {key.name: list_choices(key, profile) for key in KEYS.values()}
    with contextlib.suppress(CompletionFailed):
        found["model"] = tuple(profile.id for profile in await context.completions.models())[:_MODELS]
    found["response_format"] = (*FORMATS, *effective.schemas)
    return {name: (*offered, "off") if offered and KEYS[name].optional else offered for name, offered in found.items()}


def _allow(context: CommandContext, level: Level) -> Level:
    if level not in list_levels(context):
        raise refuse("Only admins can change settings for the whole workspace.")
    return level
