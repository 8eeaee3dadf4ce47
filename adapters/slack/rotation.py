"""Tokens that expire: renewed in time, also where nothing happens, each by one call at a time.

Slack takes a refresh token once. Whoever finds a token at its end waits for its renewal; the others are renewed two
hours ahead, by ``renew_due``. Another process may have been faster: what is kept counts, not what is remembered.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

import aiohttp
import structlog
from slack_sdk.errors import SlackClientError, SlackTokenRotationError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

from adapters.slack.installations import Installations, name_of
from bot.errors import StoreError, Unsent

log = structlog.get_logger("slack")

AHEAD = 7_200.0  # seconds before its end a token is renewed behind the scenes
_AT_LAST = 60.0  # seconds before its end nobody uses a token any more
_FOR_GOOD = frozenset({"account_inactive", "invalid_refresh_token", "token_revoked"})
_TROUBLE = (SlackClientError, aiohttp.ClientError, TimeoutError)


class Rotation:
    """Renews the tokens of ``installations``."""

    def __init__(self, installations: Installations) -> None:
        self._installations = installations
        self._rotator: AsyncTokenRotator | None = None
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def open(self, rotator: AsyncTokenRotator) -> None:
        self._rotator = rotator

    async def usable(self, name: str) -> Installation | None:
        """The installation with a token that may be used now. Raises ``StoreError`` or ``Unsent``."""
        found = await self._installations.at(name)
        if found is not None and self._ends_within(_AT_LAST, found):
            return await self._renewed(name, _AT_LAST)
        return found

    def forget(self, name: str) -> None:
        self._turns.pop(name, None)

    async def renew_due(self) -> None:
        """Renew what ends soon. Raises ``StoreError``."""
        for found in await self._installations.soonest():
            if not self._ends_within(AHEAD, found):
                return  # they come in the order in which they end
            try:
                await self._renewed(name_of(found), AHEAD)
            except Unsent as error:
                log.error("a workspace's token was not renewed", workspace=name_of(found), why=str(error))

    async def _renewed(self, name: str, ahead: float) -> Installation | None:
        """The installation with a token that lives longer than ``ahead``. Raises ``Unsent``."""
        async with self._turns[name]:
            found = await self._installations.newest(name)
            if found is None or self._rotator is None or not self._ends_within(ahead, found):
                return found
            try:
                # One minute more, because the SDK counts in whole minutes.
                bot = await self._rotator.perform_bot_token_rotation(
                    bot=found.to_bot(), minutes_before_expiration=int(ahead // 60) + 1
                )
            except SlackTokenRotationError as error:
                word = _word(error)
                kept = await self._installations.newest(name)
                if kept is None or kept.bot_refresh_token != found.bot_refresh_token:
                    return kept
                if word in _FOR_GOOD and self._ends_within(0.0, found):
                    await self._installations.remove(name)
                    log.warning("a workspace has to install the app again", workspace=name, why=word)
                    return None
                raise Unsent(f"the token's renewal was refused ({word})") from None
            except _TROUBLE as error:
                raise Unsent(f"the token's renewal was not answered ({type(error).__name__})") from None
            if bot is None:
                raise Unsent("the token's renewal brought no bot token")
            found = Installation(**found.to_dict_for_copying())
            found.bot_token, found.bot_refresh_token = bot.bot_token, bot.bot_refresh_token
            found.bot_token_expires_at = bot.bot_token_expires_at
            try:
                await self._installations.put(found)
            except StoreError:
                log.error("a renewed token could not be saved yet", workspace=name)
            return found

    def _ends_within(self, seconds: float, found: Installation) -> bool:
        end = found.bot_token_expires_at
        return end is not None and end - self._installations.wall() <= seconds


def _word(error: SlackTokenRotationError) -> str:
    data = getattr(error.api_error.response, "data", None)
    return str(data.get("error", "")) if isinstance(data, dict) else "no reason given"
