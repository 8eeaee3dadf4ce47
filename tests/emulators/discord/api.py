"""The door of the REST API: tokens, the three kinds of limits, faults, then the route. Every call is recorded.

Order of checks: latency, fault, Cloudflare's ban, token, global limit, bucket, body, route. Whatever is refused
carries the headers Discord sends; a 429 without ``Via`` comes only from Cloudflare. A call that has come in whole takes
its course, though its caller may be gone before its turn comes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import BodyPartReader, web

from tests.emulators.discord import channels, commands, guilds, interactions, posting, threads, webhooks
from tests.emulators.discord.asking import Answer, Ask, Route, Upload, route
from tests.emulators.discord.buckets import Buckets, Verdict
from tests.emulators.discord.faults import Fault, Faults
from tests.emulators.discord.ledger import Call
from tests.emulators.discord.records import Json
from tests.emulators.discord.refusals import Refused
from tests.emulators.discord.sins import Watch
from tests.emulators.discord.state import State

# Importing a module of routes is what registers them.
MODULES = (channels, commands, guilds, interactions, posting, threads, webhooks)

_GRACE = 0.3
_LOOK_EVERY = 0.02
_SLOT = re.compile(r"^files\[(\d+)\]$")
Sent = tuple[str, list[Upload]]  # the JSON, not read yet, and the files that came along
_VIA = {"Via": "1.1 google", "Server": "cloudflare"}


class RestApi:
    def __init__(self, state: State, buckets: Buckets, faults: Faults) -> None:
        self.state, self.buckets, self.faults = state, buckets, faults
        self.closing = asyncio.Event()
        self.watch = Watch(state)
        self._invalid: deque[float] = deque()

    def add_to(self, routes: web.Application) -> None:
        """Put every route under ``/api/v10``."""
        for entry in route.routes:
            routes.router.add_route(entry.method, "/api/v10" + entry.path, self._door(entry))
        routes.router.add_route("*", "/api/{rest:.*}", self._nothing)

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        self.state.sin("unknown_route", f"{request.method} {request.path}")
        return _answer(404, {"message": "404: Not Found", "code": 0}, {})

    def _door(self, entry: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                sent = await (_multipart(request) if _is_multipart(request) else _single(request))
            except ConnectionError:  # whoever called has died before all was sent
                return web.Response(status=400)
            place = self._place(entry, request)
            call = Call(entry.name, f"{request.method} {_hidden(request)}", place, None, self.state.clock.now())
            self.state.ledger.calls.append(call)
            message = request.match_info.get("message", "")
            with self.watch.editing(entry.name, place + message if message == "@original" else message):
                response = await self._handle(entry, request, call, sent)
            call.ended = self.state.clock.now()
            if call.outcome not in ("hang", "reset"):
                call.status = response.status
            self.watch.answered(call)
            return response

        return handle

    def _place(self, entry: Route, request: web.Request) -> str:
        """What the call is about: a channel, a guild, or (where a token is in the path) an interaction."""
        interaction = self.state.tokens.get(request.match_info.get("token", ""))
        if interaction is not None:
            return interaction.id
        return "/".join(request.match_info[name] for name in entry.major if name != "token")

    async def _handle(self, entry: Route, request: web.Request, call: Call, sent: Sent) -> web.Response:
        fault = self.faults.next(entry.name)
        delay = self.faults.wait(entry.name) / 2
        await _sleep(delay + (fault.delay if fault else 0.0))
        response = await self._struck(entry, request, call, fault, "before") if fault else None
        if response is not None:
            return response
        response = self._banned(call) or self._unauthorized(entry, request, call)
        if response is None:
            response = self._admit(entry, request, call, sent)
        await _sleep(delay)
        if fault:
            response = await self._struck(entry, request, call, fault, "after") or response
        return response

    # --- who may come in ---------------------------------------------------------------------------

    def _banned(self, call: Call) -> web.Response | None:
        """Too many refused requests in ten minutes: Cloudflare answers, and not in JSON."""
        now, limits = self.state.clock.now(), self.state.limits
        while self._invalid and self._invalid[0] <= now - limits.invalid_window:
            self._invalid.popleft()
        if len(self._invalid) < limits.invalid_requests:
            return None
        call.outcome = "banned"
        self.state.sin("banned_by_cloudflare", call.route)
        return web.Response(status=429, text="error code: 1015", headers={"Retry-After": "3600"})

    def _unauthorized(self, entry: Route, request: web.Request, call: Call) -> web.Response | None:
        if entry.open or request.headers.get("Authorization") == f"Bot {self.state.app.token}":
            return None
        return self._refuse(call, 401, {"message": "401: Unauthorized", "code": 0}, dict(_VIA))

    def _kind(self, entry: Route, call: Call) -> str:
        """The bucket a call counts to: renaming and editing old messages have smaller ones of their own."""
        if entry.name == "edit_channel" and isinstance(call.body, dict) and {"name", "topic"} & set(call.body):
            return "rename"
        if entry.name == "edit_message":
            message = self.state.channels.get(call.place)
            found = message.messages.get(call.path.rsplit("/", 1)[-1]) if message else None
            if found is not None and self.state.clock.unix() - found.at > self.state.limits.old_message:
                return "old_edit"
        return entry.bucket

    def _admit(self, entry: Route, request: web.Request, call: Call, sent: Sent) -> web.Response:
        try:
            ask = self._read(entry, request, call, sent)
        except Refused as refusal:
            return self._refuse(call, refusal.status, refusal.body, dict(_VIA))
        now = self.state.clock.now()
        kind = self._kind(entry, call)
        major = _major(entry, call)
        if self.buckets.rests(kind, major, now, _GRACE + self.faults.wait(entry.name)):
            self.state.sin("called_while_limited", entry.name, call.place)
        wait = 0.0 if entry.open else self.buckets.take_global(now)
        if wait:
            return self._limited(call, wait, {}, scope="global")
        verdict = self.buckets.take(kind, major, now)
        headers = self._headers(entry, verdict) if kind == entry.bucket and self.buckets.on else {}
        if verdict.wait:
            return self._limited(call, verdict.wait, headers, code=30046 if kind == "old_edit" else 0)
        return self._run(entry, call, ask, headers | _VIA)

    def _headers(self, entry: Route, verdict: Verdict) -> dict[str, str]:
        name = hashlib.sha256(f"{entry.bucket}:{entry.name}".encode()).hexdigest()[:32]
        return {
            "X-RateLimit-Limit": str(verdict.limit),
            "X-RateLimit-Remaining": str(verdict.remaining),
            "X-RateLimit-Reset": f"{self.state.clock.unix() + verdict.reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{verdict.reset_after:.3f}",
            "X-RateLimit-Bucket": name,
        }

    def _read(self, entry: Route, request: web.Request, call: Call, sent: Sent) -> Ask:
        text, files = sent
        if text and not _is_multipart(request) and request.content_type != "application/json":
            self.state.sin("wrong_content_type", entry.name, request.content_type)
        call.body, call.files = _parsed(text) if text else None, tuple(file.name for file in files)
        size = sum(len(file.data) for file in files)
        return Ask(entry.name, request.match_info, request.query, call.body, files, self.state, size)

    # --- answers -----------------------------------------------------------------------------------

    def _run(self, entry: Route, call: Call, ask: Ask, headers: dict[str, str]) -> web.Response:
        try:
            answer = entry.run(self.state, ask)
        except Refused as refusal:
            if "retry_after" in refusal.body:
                headers |= {"Retry-After": str(math.ceil(refusal.body["retry_after"])), "X-RateLimit-Scope": "user"}
            return self._refuse(call, refusal.status, refusal.body, headers)
        call.outcome, call.carried_out = "ok", True
        return _answer(200, answer, headers) if answer is not None else web.Response(status=204, headers=headers)

    def _refuse(self, call: Call, status: int, body: Json, headers: dict[str, str]) -> web.Response:
        call.outcome, call.code = "refused", body.get("code", 0)
        if status in (401, 403, 429) and headers.get("X-RateLimit-Scope") != "shared":
            self._invalid.append(self.state.clock.now())
        return _answer(status, body, headers)

    def _limited(
        self, call: Call, seconds: float, headers: dict[str, str], *, scope: str = "user", code: int = 0
    ) -> web.Response:
        body: Json = {"message": "You are being rate limited.", "retry_after": round(seconds, 3)}
        body["global"] = scope == "global"
        if code:
            body["code"] = code
        more = {"Retry-After": str(math.ceil(seconds)), "X-RateLimit-Scope": scope}
        if scope == "global":
            more["X-RateLimit-Global"] = "true"
        response = self._refuse(call, 429, body, headers | ({} if code else more) | _VIA)
        call.outcome = "ratelimited"
        return response

    async def _struck(
        self, entry: Route, request: web.Request, call: Call, fault: Fault, moment: str
    ) -> web.Response | None:
        """What the fault makes of the call at this moment; ``None`` when it lets it pass."""
        if moment == fault.hang:
            call.outcome = "hang"
            while not self.closing.is_set() and request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(_LOOK_EVERY)  # until whoever waits for it gives up
            return web.Response(status=503)
        if moment == fault.reset:
            call.outcome = "reset"
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if moment == "after" or not fault.status:
            return None
        if fault.status == 429:
            return self._limited_by_fault(entry, call, fault)
        if fault.code:
            body: Json = {"message": fault.error or "Refused", "code": fault.code}
            return self._refuse(call, fault.status, body, dict(_VIA))
        call.outcome = "fault"
        return web.Response(status=fault.status, text="upstream connect error", headers=_VIA)

    def _limited_by_fault(self, entry: Route, call: Call, fault: Fault) -> web.Response:
        seconds = 1.0 if fault.retry_after is None else fault.retry_after
        if fault.scope == "cloudflare":
            call.outcome = "ratelimited"
            return web.Response(status=429, text="error code: 1015", headers={"Retry-After": str(math.ceil(seconds))})
        now = self.state.clock.now()
        if fault.scope == "global":
            self.buckets.rest("", "", seconds, now)
        else:
            major = _major(entry, call)
            self.buckets.rest(entry.bucket, major, seconds, now)
        return self._limited(call, seconds, {}, scope=fault.scope, code=fault.code)


def _major(entry: Route, call: Call) -> str:
    """Whose bucket: routes without a kind of their own, and those of webhooks, do not share one."""
    return f"{entry.name if entry.bucket in ('other', 'webhook') else ''}{call.place}"


def _hidden(request: web.Request) -> str:
    """The path without an interaction token."""
    token = request.match_info.get("token")
    return request.path.replace(token, "TOKEN") if token else request.path


def _answer(status: int, body: Answer, headers: dict[str, str]) -> web.Response:
    # A bytes body keeps aiohttp from adding a charset, which discord.py does not understand.
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers)


def _is_multipart(request: web.Request) -> bool:
    return request.content_type.startswith("multipart/")


async def _single(request: web.Request) -> Sent:
    return await request.text(), []


async def _multipart(request: web.Request) -> Sent:
    text = ""
    files = []
    reader = await request.multipart()
    async for part in reader:
        if not isinstance(part, BodyPartReader):
            continue
        slot = _SLOT.match(part.name or "")
        data = bytes(await part.read(decode=False))
        if part.name == "payload_json":
            text = data.decode()
        elif slot:
            kind = part.headers.get("Content-Type", "")
            files.append(Upload(slot[1], part.filename or "file", kind, data))
    return text, files


def _parsed(text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except ValueError:
        raise Refused(50109) from None
    return parsed


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
