"""Calls of Slack's Web API, with every failure translated once.

A call raises ``SlowDown`` (429), ``Unsent`` (5xx, no connection), ``Lost`` (no answer came: it may have been carried
out), ``Gone`` (the place or the access is gone) or ``Refused`` (anything else; ``word`` is Slack's error word). The
SDK's own retries are off: repeating a post whose answer was lost would post twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.dialect import bucket
from bot.errors import Gone, SlowDown, StoreError, Superseded, SurfaceError, Unsent
from bot.ports import check_fence

GONE = frozenset(
    {
        "access_denied",
        "account_inactive",
        "cannot_reply_to_message",
        "cant_delete_message",
        "cant_update_message",
        "channel_not_found",
        "ekm_access_denied",
        "file_deleted",
        "file_not_found",
        "invalid_auth",
        "is_archived",
        "message_not_found",
        "message_not_owned_by_app",
        "missing_scope",
        "no_permission",
        "not_authed",
        "not_in_channel",
        "org_login_required",
        "restricted_action",
        "team_access_not_granted",
        "thread_not_found",
        "token_expired",
        "token_revoked",
        "user_is_restricted",
    }
)
PASSING = frozenset(["fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"])
_READS = ("conversations.", "users.", "files.info", "bots.", "team.")
_MINUTE = 60.0
_INSISTING = 90.0  # seconds
_LONGEST_PAUSE = 15.0
_SPARE_CALLS = 40  # calls per minute and method that may be spent on what is not needed for an answer
_MORE_SPARE_CALLS = {"assistant.threads.setStatus": 500, "chat.postEphemeral": 90, "users.info": 90}


class Refused(SurfaceError):
    """Slack said no; ``word`` is its error word."""

    def __init__(self, method: str, word: str) -> None:
        super().__init__(f"{method}: {word}")
        self.word = word


class Lost(Unsent):
    """The call went out and no answer came: it may have been carried out."""


class FencedRequest(aiohttp.ClientRequest):
    """A request that goes out only if its reply is still ours when the token and the connection are there."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        check_fence()
        return await super().send(conn)


class Web:
    """Slack's Web API as all workspaces share it: one session, clients that belong to nobody."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        self.open_client: AsyncWebClient | None = None

    def client(self, session: aiohttp.ClientSession) -> AsyncWebClient:
        """A client of slack-sdk without a token, on the adapter's one session."""
        client = AsyncWebClient(
            base_url=self._url,
            session=session,
            timeout=int(self._timeout) or 1,
            retry_handlers=[],
            logger=quiet_logger(),
        )
        client.proxy = None  # the session reads the proxies, and unlike the SDK it honours NO_PROXY
        return client

    def open(self, session: aiohttp.ClientSession) -> None:
        self.open_client = self.client(session)

    async def clock(self) -> float | None:
        """Slack's own time, by which it numbers messages, in whole Unix seconds; ``None`` when it does not tell."""
        client = self.open_client
        if client is None or client.session is None or client.session.closed:
            return None
        try:
            headers = (await client.api_call("api.test")).headers
        except SlackApiError as error:
            headers = getattr(error.response, "headers", {})
        except (aiohttp.ClientError, OSError, TimeoutError, SlackClientError, ValueError):
            return None
        try:
            return parsedate_to_datetime(headers.get("Date", "")).timestamp()
        except ValueError:
            return None


class Calls:
    """The Web API as one workspace sees it. ``token`` is asked before every call, and may wait or raise ``Gone``."""

    def __init__(self, web: Web, token: Callable[[], Awaitable[str]], team: str = "") -> None:
        self._web, self._find_token = web, token
        self.team = team
        self._rests: dict[str, float] = {}
        self._spent: defaultdict[str, deque[float]] = defaultdict(deque)

    async def token(self) -> str:
        """Raises ``Gone`` where the app is not installed."""
        try:
            return await self._find_token()
        except StoreError as error:
            raise Unsent("the token could not be read") from error

    async def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Slack's answer to one call; arguments of ``None`` are left out."""
        return (await self.ask(method, **arguments)).data  # type: ignore[return-value]  # bytes only for file exports

    async def ask(self, method: str, **arguments: Any) -> AsyncSlackResponse:
        """As ``call``, with the headers."""
        head = {"Authorization": f"Bearer {await self.token()}"}
        client = self._web.open_client
        if client is None or client.session is None or client.session.closed:
            raise Unsent(f"{method}: not open")
        given = {name: value for name, value in arguments.items() if value is not None}
        key = bucket(method, self.team, str(given.get("channel", "")))
        try:
            if method.startswith(_READS):  # these take no JSON
                return await client.api_call(method, http_verb="GET", params=given, headers=head)
            return await client.api_call(method, json=given, headers=head)
        except SlackApiError as error:
            raise self._translated(method, key, error) from None
        except aiohttp.ClientConnectorError as error:
            raise Unsent(f"{method}: no connection ({type(error).__name__})") from None
        except (aiohttp.ClientError, OSError, TimeoutError, SlackClientError, ValueError) as error:
            raise Lost(f"{method}: no answer ({type(error).__name__})") from None

    async def spend(self, method: str, **arguments: Any) -> bool:
        """A call nobody waits for: left out when its bucket is short, or its reply is another process's; whether it was
        carried out. Never raises ``SurfaceError``."""
        key, now = bucket(method, self.team, str(arguments.get("channel", ""))), time.monotonic()
        spent = self._spent[key]
        while spent and spent[0] < now - _MINUTE:
            spent.popleft()
        if len(spent) >= _MORE_SPARE_CALLS.get(method, _SPARE_CALLS) or self._rests.get(key, 0.0) > now:
            return False
        spent.append(now)
        try:
            await self.call(method, **arguments)
        except (SurfaceError, Superseded):
            return False
        return True

    async def insist(self, method: str, wanted: Callable[[], bool], **arguments: Any) -> bool:
        """A call that does no harm when it is repeated, and has to be carried out in the end: tried for a while, as
        long as it is ``wanted``; whether it was. Never raises ``SurfaceError``."""
        key, pause = bucket(method, self.team, str(arguments.get("channel", ""))), 0.5
        until = time.monotonic() + _INSISTING
        while wanted():
            rest = self._rests.get(key, 0.0) - time.monotonic()
            if rest <= 0:
                try:
                    await self.call(method, **arguments)
                    return True
                except SlowDown as refusal:
                    rest = refusal.retry_after
                except Unsent:
                    rest, pause = pause, min(2 * pause, _LONGEST_PAUSE)
                except (SurfaceError, Superseded):
                    return False
            if time.monotonic() + rest > until:
                return False
            await asyncio.sleep(rest)
        return False

    def _translated(self, method: str, key: str, error: SlackApiError) -> SurfaceError:
        response = error.response
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
        data = getattr(response, "data", None)
        word = str(data.get("error", "")) if isinstance(data, dict) else ""
        if status == 429 or word in ("ratelimited", "rate_limited"):
            wait = _seconds(getattr(response, "headers", {}))
            self._rests[key] = time.monotonic() + wait
            return SlowDown(key, wait)
        if status >= 500 or word in PASSING or (status == 200 and not word):
            # A gateway's error, or half an answer, says nothing about whether Slack carried the call out.
            return Lost(f"{method}: status {status} {word}")
        if word in GONE:
            return Gone(f"{method}: {word}")
        return Refused(method, word or f"status {status}")


def quiet_logger() -> logging.Logger:
    """A logger for Slack's libraries that never tells what people write, which theirs do when debugging."""
    logger = logging.getLogger("slack")
    logger.setLevel(max(logging.WARNING, logging.root.level))
    return logger


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        return max(0.5, float(headers.get("Retry-After", "") or 1.0))
    except ValueError:
        return 1.0
