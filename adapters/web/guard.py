"""Stands before every route of the workspace: who may talk to it at all.

A page of another site can make a visitor's browser send requests to a loopback address, or point its own name at
it. So the Host must be one of ours, every request that changes something must come from our own page and say so in
a header that no form can set, and the WebSocket is held to the same. Where other machines can connect, a token is
asked for as well.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.web.config import is_loopback
from adapters.web.refusals import Refusal, Unauthorised

COOKIE = "parley"
_SAFE = frozenset({"GET", "HEAD"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOCKED_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Parley</title>
<h1>This workspace needs its token</h1>
<p>Open it once with the token at the end of the address, like <code>/?token=…</code>.
The token is the value of WEB_TOKEN; whoever runs this bot knows it.</p>
<p>Came here just now by such an address? <a href="/">Go on.</a></p></html>"""


class Access:
    """The rules, made once from the configuration. ``token`` "" asks for none."""

    def __init__(self, host: str, hosts: Collection[str], token: str) -> None:
        self._names = {name.lower() for name in hosts} | ({host.lower()} if is_loopback(host) else set())
        self._token = token

    def check(self, connection: HTTPConnection, headers: Headers) -> None:
        """Raises ``Refusal``."""
        if not self._is_our_name(headers.get("host", "")):
            raise Refusal(403, "The workspace does not answer under this host name. WEB_HOSTS can add it.")
        is_page = connection.scope["type"] == "http" and not connection.scope["path"].startswith("/api/")
        is_change = connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE
        if (is_change or not is_page) and not _is_same_origin(headers):
            raise Refusal(403, "This request came from another site.")
        if is_change and connection.scope["type"] == "http" and headers.get("x-parley") != "1":
            raise Refusal(403, "This request did not come from the workspace's own page. A program sends X-Parley: 1.")
        if not self.lets_in(connection.cookies.get(COOKIE, "")):
            raise Unauthorised()

    def accepts(self, token: str) -> bool:
        """``token`` is the secret itself."""
        return bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())

    def cookie(self) -> str:
        """What a browser that knew the token is given; the token cannot be read from it."""
        return hmac.new(self._token.encode(), b"parley web workspace", hashlib.sha256).hexdigest()

    def lets_in(self, cookie: str) -> bool:
        return not self._token or hmac.compare_digest(cookie.encode(), self.cookie().encode())

    def _is_our_name(self, host: str) -> bool:
        name = _name_of(host)
        if name in self._names or (not self._token and is_loopback(name)):
            return True
        # A foreign name cannot bring our cookie along, so with a token any name will do unless some were listed.
        return bool(self._token) and bool(name) and (not self._names or is_loopback(name))


class Guard:
    """ASGI middleware for one route: refuses what ``Access`` refuses, and adds the security headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        connection = HTTPConnection(scope)
        try:
            self._access.check(connection, connection.headers)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.sentence})
                return
            await self._refused(connection, refusal)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _refused(self, connection: HTTPConnection, refusal: Refusal) -> Response:
        if not isinstance(refusal, Unauthorised) or connection.scope["path"] != "/":
            return JSONResponse({"error": refusal.sentence}, refusal.status)
        if self._access.accepts(connection.query_params.get("token", "")):
            return self._welcome(connection)
        return HTMLResponse(_LOCKED_PAGE, refusal.status)

    def _welcome(self, connection: HTTPConnection) -> Response:
        """Give the cookie and go on to the page; the token leaves the address bar."""
        response = Response(status_code=303, headers={"Location": "/", "Cache-Control": "no-store"})
        is_secure = connection.url.scheme == "https"
        response.set_cookie(
            COOKIE, self._access.cookie(), httponly=True, samesite="strict", secure=is_secure, max_age=30 * 24 * 3600
        )
        return response


def _is_same_origin(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower()


def _name_of(host: str) -> str:
    """The name in a Host header, without its port; "" when it is not a host at all."""
    if any(char in host for char in "/\\@?# "):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
