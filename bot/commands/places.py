"""Where a command's change counts, and reading and writing settings there.

Said in a channel it is that channel's, in a thread that thread's, in a direct conversation the person's own; a flag
chooses another place.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.context import CommandContext
from bot.ports import Level, ModelProfile, Scope, SettingRow
from bot.settings.change import Change, check_change, refuse
from bot.settings.resolve import Effective, resolve, scopes


def choose_level(context: CommandContext, asked: Level | None = None) -> Level:
    """The level a command given here changes. Raises ``SettingRefused`` when the asked one is not here."""
    usual = Level.THREAD if context.address.thread else Level.CHANNEL
    usual = Level.PERSON if context.direct else usual
    if asked is None or (asked is Level.CHANNEL and context.direct):
        return usual
    if asked is Level.THREAD and not context.address.thread:
        raise refuse(
            "I cannot see which thread you mean. Write the command as a message in that thread, "
            "with `!` instead of the slash, for example `!set temperature 0.2`."
        )
    if asked is Level.PERSON and not context.direct:
        raise refuse("Your own settings count in direct conversations with me. Give the command there.")
    return asked


def list_levels(context: CommandContext) -> tuple[Level, ...]:
    """The levels this person may change from here, most usual first."""
    usual = choose_level(context)
    possible = [scope.level for scope in _scopes(context) if scope.level is not Level.DEPLOYMENT]
    allowed = [level for level in possible if level is not Level.WORKSPACE or context.admin]
    return (usual, *(level for level in reversed(allowed) if level is not usual))


def scope_at(context: CommandContext, level: Level) -> Scope:
    """The place of ``level`` seen from here."""
    return next(scope for scope in _scopes(context) if scope.level is level)


async def read_rows(context: CommandContext) -> Sequence[SettingRow]:
    """Every stored setting that counts here. Raises ``StoreError``."""
    return await context.store.settings(_scopes(context))


async def read_effective(context: CommandContext) -> Effective:
    """What counts here. Raises ``StoreError``."""
    return resolve(context.preferences.defaults, await read_rows(context))


async def make_changes(context: CommandContext, level: Level, *changes: Change) -> Effective:
    """Check and store the changes at once, and return what counts now. Raises ``SettingRefused``, ``StoreError``."""
    before = await read_effective(context)
    for change in changes:
        check_change(change, level, context.admin, before, profile_of(context, before))
    await write(context, level, *changes)
    return await read_effective(context)


async def write(context: CommandContext, level: Level, *changes: Change) -> None:
    """Store changes that were checked. Raises ``StoreError``."""
    scope = scope_at(context, level)
    values = {change.name: change.value for change in changes}
    await context.store.set_settings(scope, values, context.author.id, context.now)
    context.preferences.changed(scope)


def profile_of(context: CommandContext, effective: Effective) -> ModelProfile:
    """What is known of the model that answers here."""
    return context.completions.profile(effective.value("model"))


def _scopes(context: CommandContext) -> tuple[Scope, ...]:
    return scopes(context.address, context.author, context.direct)
