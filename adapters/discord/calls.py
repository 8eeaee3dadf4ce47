"""Calls of Discord's REST API, with every failure translated once.

A call raises ``SlowDown`` (429, or a bucket known to be empty), ``Unsent`` (5xx, no connection, no answer), ``Shut``
(the place or the access is gone) or ``Refused`` (anything else; ``code`` is Discord's error code). discord.py's own
HTTP client is not used for this: it waits in silence until a bucket is full again, the answer of the call that emptied
it included, and gives up on 503 and on connections that break.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.connector import Connection

from adapters.discord.dialect import GLOBAL_KEY
from bot.errors import Gone, SlowDown, Superseded, SurfaceError, Unsent
from bot.ports import check_fence

GONE = frozenset(
    {
        10003,  # unknown channel
        10004,  # unknown guild
        10008,  # unknown message
        10015,  # unknown webhook: the interaction's token is over
        10062,  # unknown interaction
        50001,  # missing access
        50005,  # somebody else's message
        50007,  # takes no direct messages
        50013,  # missing permissions
        50027,  # the interaction's token is over
        160005,  # the thread is locked
    }
)
_GLOBAL_PER_SECOND = 45  # Discord allows 50, as they arrive there
_SPARE_BELOW = 25  # calls in the last second beyond which none is made that nobody waits for
_SPARE_PER_SECOND = 5
_AGENT = "DiscordBot (https://parley.invalid, 1) Parley"
_VERSION = "v10"
_RETRIES = (0.3, 1.0, 2.0)  # seconds between tries of a call that is not a write of a reply

Json = Mapping[str, Any]


class Refused(SurfaceError):
    """Discord said no; ``code`` is its error code, 0 when it gave none."""

    def __init__(self, what: str, status: int, code: int) -> None:
        super().__init__(f"{what}: {status} {code}")
        self.status, self.code = status, code


class Shut(Gone):
    """The place, the message or the access is gone; ``code`` says which."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: {code}")
        self.code = code


class Unauthorized(Gone):
    """Discord does not accept the token any more; nothing is called after that."""


class FencedRequest(aiohttp.ClientRequest):
    """A request that goes out only if its reply is still ours when the connection is there, also when aiohttp itself
    tries once more."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        check_fence()
        return await super().send(conn)


class Calls:
    """The REST API as one bot token sees it. ``open`` gives it its session; calls made before wait for that.

    ``date``: what Discord called the time in its last answer, and what the clock here did.
    """

    def __init__(self, token: str, url: str, timeout: float) -> None:
        self._token, self.url = token, url
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._opened = asyncio.Event()
        self._rests: dict[str, float] = {}
        self._shared: dict[str, str] = {}  # by key: the bucket that Discord counts it in
        self._sent: deque[float] = deque()
        self._spent: deque[float] = deque(maxlen=_SPARE_PER_SECOND)
        self.date = "", 0.0
        self.unauthorized = False

    def open(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._opened.set()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        query: Mapping[str, str] | None = None,
        is_open: bool = False,
    ) -> Any:
        """Discord's answer to one call. ``key``: the bucket it is counted in. ``is_open``: an interaction's own
        address, which needs no token and counts to no global limit."""
        while (session := self._session) is None:
            await self._opened.wait()
        what = f"{method} {path.partition('/messages')[0] if is_open else path}"
        if not is_open:
            await self._admit(key)
        head = {"User-Agent": _AGENT} | ({} if is_open else {"Authorization": f"Bot {self._token}"})
        data = None
        if body is not None:
            data, head["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            async with session.request(
                method, self.url + path, data=data, headers=head, params=query, timeout=self._timeout
            ) as answer:
                raw = await answer.read()
                return self._read(what if not is_open else method, key, answer, raw)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unsent(f"{method}: no answer ({type(error).__name__})") from None

    async def who(self) -> Json:
        """The bot's own user. An address without a version is tried with it first, as Discord's own has one."""
        given = self.url
        if not re.search(r"/v\d+$", given):
            self.url = f"{given.removesuffix('/api')}/api/{_VERSION}"
        try:
            found = await self.ask("GET", "/users/@me")
        except Shut as shut:
            if shut.code or self.url == given:
                raise
            self.url = given
            found = await self.ask("GET", "/users/@me")
        except SurfaceError:
            self.url = given
            raise
        if not isinstance(found, dict) or "id" not in found:
            raise Shut("no Discord there", 0)
        return found

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """As ``call``, tried again a few times: for calls that may be carried out twice."""
        for pause in _RETRIES:
            try:
                return await self.call(method, path, body, **more)
            except SlowDown as refusal:
                if refusal.retry_after > 5.0:
                    raise
                await asyncio.sleep(refusal.retry_after)
            except Unsent:
                await asyncio.sleep(pause)
        return await self.call(method, path, body, **more)

    async def spend(self, method: str, path: str, *, key: str = "") -> bool:
        """A call nobody waits for: left out when the allowance is short, or its reply is another process's; whether it
        was carried out. Never raises ``SurfaceError``."""
        now = time.monotonic()
        self._forget(now)
        is_much = len(self._spent) == _SPARE_PER_SECOND and self._spent[0] > now - 1.0
        if is_much or len(self._sent) >= _SPARE_BELOW or self._resting(now, key) > 0 or self.unauthorized:
            return False
        self._spent.append(now)
        try:
            await self.call(method, path, key=key)
        except (SurfaceError, Superseded):
            return False
        return True

    def now(self, wall: float) -> float:
        """The time at Discord, whatever the clock here says; ``wall`` is that clock."""
        told, at = self.date
        try:
            return wall + parsedate_to_datetime(told).timestamp() - at
        except ValueError:
            return wall

    # --- allowances

    async def _admit(self, key: str) -> None:
        """Wait for the global allowance; a bucket known to rest is said at once."""
        while True:
            if self.unauthorized:
                raise Unauthorized("Discord refused the token")
            now = time.monotonic()
            for name in (GLOBAL_KEY, key):
                left = self._rests.get(name, 0.0) - now
                if left > 0:
                    raise SlowDown(name, left)
            self._forget(now)
            if len(self._sent) < _GLOBAL_PER_SECOND:
                self._sent.append(now)
                return
            await asyncio.sleep(self._sent[0] + 1.0 - now)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] <= now - 1.0:
            self._sent.popleft()

    def _resting(self, now: float, key: str) -> float:
        return max(self._rests.get(GLOBAL_KEY, 0.0), self._rests.get(key, 0.0)) - now

    def _learn(self, key: str, shared: str) -> None:
        """Discord counts the calls of this key in the bucket ``shared``, of the same place."""
        place = f"{shared}:{key.rpartition(':')[2]}"
        if self._shared.get(key) == place:
            return
        if len(self._shared) > 5_000:
            self._shared.clear()
        self._shared[key] = place

    def _rest(self, key: str, seconds: float) -> None:
        now = time.monotonic()
        if len(self._rests) > 1_000:
            self._rests = {name: until for name, until in self._rests.items() if until > now}
        place = self._shared.get(key)
        same = [it for it, its in self._shared.items() if its == place] if place else []
        for name in {key, *same}:
            self._rests[name] = max(self._rests.get(name, 0.0), now + seconds)

    # --- answers

    def _read(self, what: str, key: str, answer: aiohttp.ClientResponse, raw: bytes) -> Any:
        status, headers = answer.status, answer.headers
        if key and (shared := headers.get("X-RateLimit-Bucket")):
            self._learn(key, shared)
        self.date = headers.get("Date", ""), time.time()
        if key and headers.get("X-RateLimit-Remaining") == "0" and status != 429:
            self._rest(key, _number(headers.get("X-RateLimit-Reset-After"), 0.0))
        body = _parsed(raw)
        if 200 <= status < 300:
            return body
        code = int(body.get("code") or 0) if isinstance(body, dict) else 0
        if status == 429:
            raise self._slow(key, headers, body)
        if status >= 500:
            raise Unsent(f"{what}: status {status}")
        if status == 401 and code != 50027:
            self.unauthorized = True
            raise Unauthorized("Discord refused the token")
        if code in GONE or (status == 404 and not code):
            raise Shut(what, code)
        raise Refused(what, status, code)

    def _slow(self, key: str, headers: Mapping[str, str], body: Any) -> SlowDown:
        told = body if isinstance(body, dict) else {}
        # Without JSON it is Cloudflare that refuses, and it refuses everything.
        is_global = bool(told.get("global")) or not told
        name = GLOBAL_KEY if is_global or not key else key
        wait = max(0.05, _number(told.get("retry_after", headers.get("Retry-After")), 1.0))
        if is_global or key:
            self._rest(name, wait)
        return SlowDown(name, wait)


def _parsed(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _number(value: object, usual: float) -> float:
    try:
        return float(str(value))
    except ValueError:
        return usual
