"""Where the app is installed: slack-sdk's installation store, on the adapter's shelf in the bot's own database.

A row is one installation, sealed; rows are ordered by when their token expires. Nothing but what the bot's own token
is needed for is kept: user tokens are not. What was read or written last is remembered, so that no event waits for
the database; this process alone writes here. A token that Slack has renewed is used even when it could not be
written, and written later: the one before it works no more.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore

from adapters.slack.access import installed_as
from adapters.slack.seal import Seal
from bot.errors import StoreError
from bot.ports import Shelf

log = structlog.get_logger("slack")

_KIND = "installation"
_REMEMBERED = 1_000
_NEVER = 2**53  # the place of a token that does not expire
_PAGE = 500
_EVERY = 1_000_000
_KEPT = (
    "app_id",
    "enterprise_id",
    "enterprise_name",
    "team_id",
    "team_name",
    "bot_token",
    "bot_id",
    "bot_user_id",
    "bot_scopes",
    "bot_refresh_token",
    "bot_token_expires_at",
    "user_id",
    "is_enterprise_install",
    "token_type",
    "installed_at",
)


class Installations(AsyncInstallationStore):
    """``wall``: Unix seconds."""

    def __init__(self, shelf: Shelf, seal: Seal, wall: Callable[[], float] = time.time) -> None:
        self._shelf, self._seal, self.wall = shelf, seal, wall
        self._known: OrderedDict[str, Installation] = OrderedDict()
        self._unwritten: dict[str, Installation] = {}
        self._turn = asyncio.Lock()

    # --- by name

    async def at(self, name: str) -> Installation | None:
        """The installation called ``name``. Raises ``StoreError``."""
        found = self._unwritten.get(name) or self._known.get(name)
        if found is not None or not name:
            return found
        async with self._turn:  # or what is removed meanwhile would be remembered
            row = await self._shelf.get(_KIND, name)
            found = self._opened(row) if row is not None else None
            if found is not None:
                self._remember(name, found)
            return found

    async def newest(self, name: str) -> Installation | None:
        """As ``at``, with what another process may have written meanwhile, if that can be read now."""
        remembered = self._known.pop(name, None)
        try:
            return await self.at(name)
        except StoreError:
            if remembered is None:
                raise
            self._remember(name, remembered)
            return remembered

    async def put(self, installation: Installation) -> None:
        """Keep it, in place of an earlier one of the same name. Raises ``StoreError``: it is used all the same."""
        name = name_of(installation)
        self._unwritten[name] = installation
        async with self._turn:
            if self._unwritten.get(name) is installation:
                await self._write(name, installation)

    async def remove(self, name: str) -> None:
        """Forget it wholly. Raises ``StoreError``."""
        async with self._turn:
            await self._shelf.remove(_KIND, name)
            self._known.pop(name, None)
            self._unwritten.pop(name, None)

    async def soonest(self) -> list[Installation]:
        """Those whose tokens end first. Raises ``StoreError``."""
        rows = await self._shelf.list(_KIND, -1, _PAGE)
        return [self._unwritten.get(name) or found for name, row in rows if (found := self._opened(row)) is not None]

    async def write_late(self) -> None:
        """Write what could not be written. Raises ``StoreError``."""
        for installation in list(self._unwritten.values()):
            await self.put(installation)

    async def seal_anew(self) -> None:
        """Seal with the newest key what an older one has sealed. Raises ``StoreError``."""
        for name, row in await self._shelf.list(_KIND, -1, _EVERY):
            found = self._opened(row)
            if found is None or self._seal.is_newest(str(row.get("sealed"))):
                continue
            async with self._turn:
                if await self._shelf.get(_KIND, name) == row:
                    await self._write(name, found)

    async def count(self) -> tuple[int, int]:
        """(installations, how many of them no key opens). Raises ``StoreError``."""
        rows = await self._shelf.list(_KIND, -1, _EVERY)
        return len(rows), sum(self._opened(row) is None for _, row in rows)

    # --- as slack-sdk asks for it

    async def async_save(self, installation: Installation) -> None:
        try:
            await self.put(installation)
        except StoreError as error:
            raise BoltError("the installation could not be saved") from error

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        found = await self.at(installed_as(enterprise_id, team_id, is_enterprise_install))
        return found if found is not None and user_id in (None, found.user_id) else None

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        found = await self.at(installed_as(enterprise_id, team_id, is_enterprise_install))
        return found.to_bot() if found is not None else None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self.remove(installed_as(enterprise_id, team_id, team_id is None))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        if user_id is None:  # a user's own tokens are not kept
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    # --- inside

    async def _write(self, name: str, installation: Installation) -> None:
        text = json.dumps({field: getattr(installation, field) for field in _KEPT})
        await self._shelf.put(_KIND, name, {"sealed": self._seal.close(text.encode())}, _position(installation))
        self._unwritten.pop(name, None)
        self._remember(name, installation)

    def _remember(self, name: str, installation: Installation) -> None:
        self._known[name] = installation
        self._known.move_to_end(name)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _opened(self, row: Mapping[str, Any]) -> Installation | None:
        text = self._seal.open(str(row.get("sealed")))
        if text is None:
            log.error("no key in SLACK_TOKEN_KEY opens an installation")
            return None
        return Installation(**json.loads(text))


def name_of(installation: Installation) -> str:
    return installed_as(installation.enterprise_id, installation.team_id, installation.is_enterprise_install)


def _position(installation: Installation) -> int:
    return _NEVER if installation.bot_token_expires_at is None else int(installation.bot_token_expires_at)
