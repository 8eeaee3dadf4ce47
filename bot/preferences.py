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
from bot.ports import Level, Scope, SettingRow, Store
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
        self,
        address: Address,
        author: Author,
        direct: bool,
        overrides: Mapping[str, Any] | None = None,
        *,
        opens: bool = False,
    ) -> Preference:
        """What counts for ``author`` at ``address``. Raises ``StoreError``.

        ``opens``: the thread begins with the message in question, so nobody can have set anything in it yet.
        """
        places = [it for it in scopes(address, author, direct) if not (opens and it.level is Level.THREAD)]
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

    @property
    def changes(self) -> int:
        """How often any rows were written, as far as this process knows."""
        return self._changes

    def opened(self, address: Address, since: int) -> None:
        """A thread was opened by a message that is new to everybody, ``since`` that many changes: nothing is set in it
        yet."""
        if since == self._changes and address.thread:
            self._remember([Scope(Level.THREAD, address.key)], ())

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
