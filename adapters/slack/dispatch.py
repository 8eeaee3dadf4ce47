"""Payloads on their way to the Bolt app, from a WebSocket or from signed HTTP.

Bolt answers after its listener has returned (``process_before_response``): what it answers is the acknowledgement.
Over HTTP the signature is verified and the body read here, because Bolt takes a slash command whose text holds the
word "payload" for a broken interaction.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from adapters.slack.calls import quiet_logger

IsEcho = Callable[[Mapping[str, Any]], bool]
"""Whether a payload tells of nothing but what the bot itself wrote. Each of its writes comes back as an event; going
through Bolt it would cost more than the write."""

_LARGEST = 2_000_000  # bytes of a request
_BOLTS_VARIABLES = ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET")


def bolt_app(
    client: AsyncWebClient,
    enter: Callable[[AsyncBoltContext], Awaitable[AuthorizeResult | None]],
    not_installed: str,
) -> AsyncApp:
    """The Bolt app without listeners. ``enter`` gives the token of a payload's workspace, ``None`` where the app is not
    installed: whoever presses or types something there is told ``not_installed``."""

    async def authorize(context: AsyncBoltContext) -> AuthorizeResult | None:  # Bolt calls no bound methods here
        return await enter(context)

    with _hidden(_BOLTS_VARIABLES):  # it would set up an OAuth flow of its own, with a store in files
        return AsyncApp(
            client=client,
            authorize=authorize,  # type: ignore[arg-type]  # Bolt's own functions give None too
            user_facing_authorize_error_message=not_installed,
            process_before_response=True,
            request_verification_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_conversation_kwargs_enabled=False,
            logger=quiet_logger(),
        )


async def dispatch(app: AsyncApp, body: Mapping[str, Any], headers: Mapping[str, str]) -> BoltResponse:
    """Run the listener of a payload that is known to be Slack's."""
    return await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=dict(body), headers=dict(headers)))


async def take_envelope(app: AsyncApp, envelope: Mapping[str, Any], is_echo: IsEcho) -> Mapping[str, Any] | None:
    """The payload to acknowledge a Socket Mode envelope with; ``None`` when it must come again."""
    if is_echo(envelope.get("payload") or {}):
        return {}
    headers = {}
    if envelope.get("retry_attempt") is not None:
        headers["x-slack-retry-num"] = str(envelope["retry_attempt"])
    response = await dispatch(app, envelope.get("payload") or {}, headers)
    return answer_in(response) if response.status == 200 else None


def answer_in(response: BoltResponse) -> Mapping[str, Any]:
    """What Bolt answered, as JSON."""
    if not response.body:
        return {}
    try:
        found = json.loads(response.body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"text": response.body}


class Endpoint:
    """``POST /slack/events``. ``app`` gives the Bolt app, or ``None`` while nothing is taken."""

    def __init__(self, secret: str, app: Callable[[], AsyncApp | None], is_echo: IsEcho) -> None:
        self._verifier, self._app, self._is_echo = SignatureVerifier(secret), app, is_echo

    async def __call__(self, request: Request) -> Response:
        try:
            raw = await _read(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if raw is None:
            return PlainTextResponse("too large", 413)
        if raw.startswith(b"ssl_check=1") or request.query_params.get("ssl_check") == "1":
            return Response(status_code=200)  # Slack looks at the certificate, and signs nothing
        if not self._verifier.is_valid_request(raw, dict(request.headers)):
            return PlainTextResponse("not signed by Slack", 401)
        body = parse(raw, request.headers.get("content-type", ""))
        if body is None:
            return PlainTextResponse("not understood", 400)
        if body.get("type") == "url_verification":
            return JSONResponse({"challenge": body.get("challenge", "")})
        app = self._app()
        if app is None:
            return PlainTextResponse("restarting", 503)
        if self._is_echo(body):
            return Response(status_code=200)
        retry = request.headers.get("x-slack-retry-num")
        response = await dispatch(app, body, {"x-slack-retry-num": retry} if retry else {})
        kind = response.headers.get("content-type", ["text/plain"])[0]
        return Response(response.body, response.status, media_type=kind)


async def _read(request: Request) -> bytes | None:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _LARGEST:
            return None
    return bytes(raw)


def parse(raw: bytes, content_type: str) -> Mapping[str, Any] | None:
    """An event (JSON), an interaction (a form with ``payload``) or a command (a form); ``None`` for anything else."""
    try:
        text = raw.decode()
        if content_type.startswith("application/json"):
            found = json.loads(text)
        else:
            form = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
            found = json.loads(form["payload"]) if "payload" in form and "command" not in form else form
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


@contextlib.contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
