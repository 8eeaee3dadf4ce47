"""Which value counts here, and why: the one place that knows the order of levels.

Lowest first: deployment, workspace, channel (or the person, in a direct conversation), thread, one turn. The most
specific level that has a value wins, with two exceptions an admin can make: ``lock.KEY`` at a level silences every
more specific one, and ``cap.KEY`` bounds the value wherever it comes from (of several caps the smallest counts; a
value nobody set becomes the cap, because the provider's default may lie above it). A stored value the catalogue no
longer accepts counts as not set, so that an old row never stops a conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.events import Address, Author
from bot.ports import Level, Scope, SettingRow
from bot.settings.catalogue import KEYS, Key
from bot.settings.kinds import OFF

LOCK, CAP, SCHEMA = "lock.", "cap.", "schema."

RANK = {
    Level.DEPLOYMENT: 0,
    Level.WORKSPACE: 1,
    Level.CHANNEL: 2,
    Level.PERSON: 2,
    Level.THREAD: 3,
    Level.TURN: 4,
}
RULING = (Level.DEPLOYMENT, Level.WORKSPACE, Level.CHANNEL)
"""The levels at which locks and caps count."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The value of one key that counts, and its origin.

    ``level``, ``set_by`` (platform user id, "" for the deployment or a single turn) and ``set_at`` (Unix seconds,
    0 when unknown) say where it comes from. ``locked``: the level whose lock silences more specific ones. ``caps``:
    (level, highest value), lowest level first. ``capped``: the value was brought down to a cap.
    """

    key: str
    value: Any
    level: Level
    set_by: str = ""
    set_at: float = 0.0
    locked: Level | None = None
    caps: tuple[tuple[Level, float], ...] = ()
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Effective:
    """What counts in one place: every key of the catalogue, and the JSON schemas known there."""

    chosen: Mapping[str, Chosen]
    schemas: Mapping[str, Mapping[str, Any]]

    def value(self, key: str) -> Any:
        """The value of ``key``; ``None`` when it is not set or switched off."""
        value = self.chosen[key].value
        return None if value == OFF and KEYS[key].optional else value


def scopes(address: Address, author: Author, direct: bool) -> tuple[Scope, ...]:
    """The stored levels that count for ``author`` at ``address``, lowest first."""
    workspace = f"{address.platform}:{address.workspace}"
    found = [Scope(Level.DEPLOYMENT, ""), Scope(Level.WORKSPACE, workspace)]
    if direct:
        found.append(Scope(Level.PERSON, f"{workspace}:{author.id}"))
    else:
        found.append(Scope(Level.CHANNEL, f"{workspace}:{address.channel}"))
    if address.thread:
        found.append(Scope(Level.THREAD, address.key))
    return tuple(found)


def resolve(
    defaults: Mapping[str, Any], rows: Sequence[SettingRow], overrides: Mapping[str, Any] | None = None
) -> Effective:
    """What counts, from the deployment's ``defaults``, the stored ``rows`` of ``scopes`` and one turn's ``overrides``.

    ``defaults`` may hold ``lock.KEY`` and ``cap.KEY`` as well. ``rows`` may come in any order.
    """
    layers = [SettingRow(Scope(Level.DEPLOYMENT, ""), name, value, "", 0.0) for name, value in defaults.items()]
    layers += sorted(rows, key=lambda row: RANK[row.scope.level])
    layers += [SettingRow(Scope(Level.TURN, ""), name, value, "", 0.0) for name, value in (overrides or {}).items()]
    by_name: dict[str, list[SettingRow]] = {}
    for row in layers:
        by_name.setdefault(row.key, []).append(row)
    return Effective(
        {name: _choose(key, by_name) for name, key in KEYS.items()},
        {
            name.removeprefix(SCHEMA): found[-1].value
            for name, found in by_name.items()
            if name.startswith(SCHEMA) and isinstance(found[-1].value, Mapping)
        },
    )


def _choose(key: Key, by_name: Mapping[str, Sequence[SettingRow]]) -> Chosen:
    locked = _find_lock(by_name.get(LOCK + key.name, ()))
    caps = _find_caps(key, by_name.get(CAP + key.name, ()))
    best = SettingRow(Scope(Level.DEPLOYMENT, ""), key.name, key.default, "", 0.0)
    for row in by_name.get(key.name, ()):
        if locked is not None and RANK[row.scope.level] > RANK[locked]:
            break
        if row.value is not None and key.is_sound(row.value):
            best = row
    value, capped = best.value, False
    if caps:
        highest = min(bound for _, bound in caps)
        capped = value is None or value == OFF or value > highest
        value = highest if capped else value
    return Chosen(key.name, value, best.scope.level, best.set_by, best.set_at, locked, caps, capped)


def _find_lock(rows: Sequence[SettingRow]) -> Level | None:
    return next((row.scope.level for row in rows if row.value is True and row.scope.level in RULING), None)


def _find_caps(key: Key, rows: Sequence[SettingRow]) -> tuple[tuple[Level, float], ...]:
    if not key.cappable:
        return ()
    return tuple(
        (row.scope.level, row.value)
        for row in rows
        if row.scope.level in RULING and row.value != OFF and key.is_sound(row.value)
    )
