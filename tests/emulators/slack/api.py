"""The Web API's door: arguments in every form, tokens, scopes, rate limits, faults, then the method.

Order of checks: latency, fault, method known, token, token kind, rate limit, scope, arguments. Every call is
recorded with its outcome, also those that were refused or cut. A call that has come in whole takes its course, though
its caller may be gone before its turn comes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from email.utils import formatdate
from typing import Any

from aiohttp import web

from tests.emulators.slack import chat, conversations, directory, files, oauth, sessions, streams, views
from tests.emulators.slack.asking import METHODS, Ask, Entry, Refused
from tests.emulators.slack.budgets import Budgets
from tests.emulators.slack.faults import Fault, Faults
from tests.emulators.slack.ledger import Call
from tests.emulators.slack.records import Json, Token
from tests.emulators.slack.state import State

# Importing a module of methods is what registers them.
MODULES = (chat, conversations, directory, files, oauth, sessions, streams, views)

_GRACE = 0.3


class WebApi:
    def __init__(self, state: State, budgets: Budgets, faults: Faults) -> None:
        self.state, self.budgets, self.faults = state, budgets, faults
        self.closing = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer ``/api/{method}``."""
        name = request.match_info["method"]
        try:
            await (request.post() if request.content_type.startswith("multipart/") else request.read())
        except ConnectionError:  # whoever called has died before all was sent
            return web.Response(status=400)
        fault = self.faults.next(name)
        delay = self.faults.wait(name) / 2
        await self._sleep(delay + (fault.delay if fault else 0.0))
        now = self.state.clock.now()
        call = Call(name, "", {}, now)
        self.state.ledger.calls.append(call)
        try:
            args, value = await self._read(request)
            call.args = {key: item for key, item in args.items() if key not in ("token", "client_secret")}
            token = self.state.tokens.get(value)
            call.team = token.team if token else ""
            response = await self._struck(request, call, fault, "before") if fault else None
            if response is None:
                response = self._run(call, args, value)
                await self._sleep(delay)
                if fault:
                    response = await self._struck(request, call, fault, "after") or response
        except Refused as refusal:
            response = self._refuse(call, refusal)
        response.headers["Date"] = formatdate(self.state.clock.unix(), usegmt=True)
        call.ended, call.status = self.state.clock.now(), 0 if call.outcome in ("hang", "reset") else response.status
        return response

    async def _read(self, request: web.Request) -> tuple[Json, str]:
        """The arguments and the token, from header, body or (a sin) query."""
        args: Json = dict(request.query)
        if "token" in args:
            self.state.sin("token_in_query", request.match_info["method"])
        if request.content_type == "application/json":
            try:
                body = json.loads(await request.text() or "{}")
            except ValueError:
                raise Refused("invalid_json") from None
            if not isinstance(body, dict):
                raise Refused("json_not_object")
            args |= body
        else:
            form = await request.post()
            args |= {key: item for key, item in form.items() if isinstance(item, str)}
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            args |= _basic(value)
            value = ""
        method = request.match_info["method"]
        in_body = "" if method == "apps.connections.open" else str(args.get("token", ""))
        return args, value or in_body

    def _run(self, call: Call, args: Json, value: str) -> web.Response:
        state, now = self.state, self.state.clock.now()
        entry = METHODS.get(call.method)
        if entry is None:
            raise Refused("unknown_method", req_method=call.method)
        token = self._token(entry, value)
        channel = str(args.get("channel", ""))
        if self.budgets.rests(call.method, call.team, channel, now, _GRACE + self.faults.wait(call.method)):
            state.sin("called_while_limited", call.method)
        self.budgets.history_throttled = state.history_throttled
        wait = self.budgets.take(call.method, entry.tier, call.team, channel, now)
        if wait:
            return self._limited(call, wait)
        ask = Ask(call.method, args, token, state)
        if entry.scopes:
            ask.require(*entry.scopes)
        answer = entry.run(state, ask)
        call.outcome, call.carried_out, call.answer = "ok", True, answer
        headers = {"x-oauth-scopes": ",".join(sorted(token.scopes))} if token else {}
        if entry.scopes:
            headers["x-accepted-oauth-scopes"] = ",".join(entry.scopes)
        return web.json_response({"ok": True, **answer}, headers=headers)

    def _token(self, entry: Entry, value: str) -> Token | None:
        if not entry.kinds:
            return None
        if not value:
            raise Refused("not_authed")
        token = self.state.tokens.get(value)
        if token is None:
            raise Refused("invalid_auth")
        if token.refused:
            raise Refused(token.refused)
        if token.expires_at is not None and self.state.clock.unix() >= token.expires_at:
            raise Refused("token_expired")
        if token.kind not in entry.kinds:
            raise Refused("not_allowed_token_type")
        return token

    def _limited(self, call: Call, seconds: float) -> web.Response:
        call.outcome = "ratelimited"
        body = {"ok": False, "error": "ratelimited"}
        return web.json_response(body, status=429, headers={"Retry-After": str(max(0, round(seconds)))})

    def _refuse(self, call: Call, refusal: Refused) -> web.Response:
        call.outcome = refusal.error
        call.answer = {"ok": False, "error": refusal.error, **refusal.more}
        return web.json_response(call.answer)

    async def _struck(self, request: web.Request, call: Call, fault: Fault, moment: str) -> web.Response | None:
        """What the fault makes of the call at this moment; ``None`` when it lets it pass."""
        if moment == fault.hang:
            call.outcome = "hang"
            await self.closing.wait()
            return web.Response(status=503)
        if moment == fault.reset:
            call.outcome = "reset"
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if moment == "after":
            return None
        if fault.status == 429:
            seconds = 1.0 if fault.retry_after is None else fault.retry_after
            self.budgets.block(call.method, call.team, seconds, self.state.clock.now())
            return self._limited(call, seconds)
        if fault.error:
            raise Refused(fault.error)
        if fault.status:
            call.outcome = str(fault.status)
            return web.Response(
                status=fault.status, text="<html><body>Server error</body></html>", content_type="text/html"
            )
        return None

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)


def _basic(value: str) -> dict[str, Any]:
    try:
        user, _, secret = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": user, "client_secret": secret}
