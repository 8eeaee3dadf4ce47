"""The settings that count for one person in one place, with the stored rows remembered between turns.

The truth is in the store; ``changed`` drops what is remembered of a scope. Everything in this process that writes
settings calls it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.events import Address, Author
from bot.ports import Scope, SettingRow, Store
from bot.settings.resolve import Effective, resolve, scopes
from bot.settings.view import TurnSettings, view_turn

_SCOPES_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Preference:
    """What counts here: with every value's origin, and typed for the turn."""

    effective: Effective
    settings: TurnSettings


class Preferences:
    """``defaults`` is asked for anew each time: the backend, and so the default model, may be exchanged."""

    def __init__(self, store: Store, defaults: Callable[[], Mapping[str, Any]]) -> None:
        self._store = store
        self._defaults = defaults
        self._rows: OrderedDict[Scope, tuple[SettingRow, ...]] = OrderedDict()
        self._changes = 0
        self._plain: tuple[Mapping[str, Any], Preference] | None = None

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The deployment's values by key."""
        return self._defaults()

    async def at(
        self, address: Address, author: Author, direct: bool, overrides: Mapping[str, Any] | None = None
    ) -> Preference:
        """What counts for ``author`` at ``address``. Raises ``StoreError``."""
        places = scopes(address, author, direct)
        missing = [scope for scope in places if scope not in self._rows]
        fresh: Sequence[SettingRow] = ()
        if missing:
            changes = self._changes
            fresh = await self._store.settings(missing)
            if changes == self._changes:  # else what was read may be older than what was written meanwhile
                self._remember(missing, fresh)
        rows = [*fresh, *(row for scope in places if scope not in missing for row in self._rows.get(scope, ()))]
        if not rows and not overrides:
            return self._with_nothing_set()
        effective = resolve(self._defaults(), rows, overrides)
        return Preference(effective, view_turn(effective))

    def _with_nothing_set(self) -> Preference:
        """The ordinary case, resolved once for as long as the deployment's values stay the same."""
        defaults = self._defaults()
        if self._plain is None or self._plain[0] != defaults:
            effective = resolve(defaults, ())
            self._plain = defaults, Preference(effective, view_turn(effective))
        return self._plain[1]

    def changed(self, scope: Scope) -> None:
        """The rows of ``scope`` were written."""
        self._changes += 1
        self._rows.pop(scope, None)

    def forget(self) -> None:
        """Any rows may have been written."""
        self._changes += 1
        self._rows.clear()

    def _remember(self, places: Sequence[Scope], rows: Sequence[SettingRow]) -> None:
        for scope in places:
            self._rows[scope] = tuple(row for row in rows if row.scope == scope)
        while len(self._rows) > _SCOPES_REMEMBERED:
            self._rows.popitem(last=False)
