"""Installing in a browser: ``GET /slack/install`` and ``GET /slack/oauth_redirect``, by Bolt's own flow."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import structlog
from slack_bolt import BoltResponse
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from adapters.slack.config import SlackConfig
from adapters.slack.installations import Installations
from adapters.slack.manifest import INSTALL_PATH, REDIRECT_PATH, scopes
from adapters.slack.states import LIFETIME, States

log = structlog.get_logger("slack")

_NOT_NOW = "<!doctype html><title>Slack</title><p>Slack did not answer just now. Please start again at "


class Installing:
    """The routes. ``client`` gives a client without a token, ``None`` before there is one."""

    def __init__(
        self,
        slack: SlackConfig,
        installations: Installations,
        states: States,
        client: Callable[[], AsyncWebClient | None],
    ) -> None:
        self._client = client
        base = slack.public_url.strip().rstrip("/")
        self.address = base + INSTALL_PATH
        # Bolt logs the codes that Slack refuses; they are nobody's business.
        logger = logging.getLogger("slack.install")
        logger.setLevel(logging.CRITICAL)
        self._settings = AsyncOAuthSettings(
            client_id=slack.client_id.strip(),
            client_secret=slack.client_secret.get_secret_value().strip(),
            scopes=scopes(slack.agent),
            user_scopes=[],
            redirect_uri=base + REDIRECT_PATH,
            authorization_url=slack.api_url.removesuffix("api/") + "oauth/v2/authorize",
            installation_store=installations,
            installation_store_bot_only=True,
            state_store=states,
            state_expiration_seconds=LIFETIME,
            logger=logger,
        )
        self._logger = logger

    def routes(self) -> Sequence[Route]:
        return (
            Route(INSTALL_PATH, self._begin, methods=["GET"]),
            Route(REDIRECT_PATH, self._end, methods=["GET"]),
        )

    async def _begin(self, request: Request) -> Response:
        return await self._through(request, lambda flow, asked: flow.handle_installation(asked))

    async def _end(self, request: Request) -> Response:
        return await self._through(request, lambda flow, asked: flow.handle_callback(asked))

    async def _through(
        self, request: Request, step: Callable[[AsyncOAuthFlow, AsyncBoltRequest], Awaitable[BoltResponse]]
    ) -> Response:
        client = self._client()
        if client is None:
            return self._not_now()
        flow = AsyncOAuthFlow(client=client, logger=self._logger, settings=self._settings)
        asked = AsyncBoltRequest(body="", query=request.url.query, headers=dict(request.headers))
        try:
            answer = await step(flow, asked)
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("an installation was not finished", why=type(error).__name__)
            return self._not_now()
        return _response(answer)

    def _not_now(self) -> Response:
        return HTMLResponse(f'{_NOT_NOW}<a href="{INSTALL_PATH}">{INSTALL_PATH}</a>.</p>', 503)


def _response(answer: BoltResponse) -> Response:
    response = Response(answer.body, answer.status)
    for name, values in answer.headers.items():
        for value in values:
            if name == "set-cookie":
                response.headers.append(name, value)
            else:
                response.headers[name] = value
    response.headers["cache-control"] = "no-store"
    return response
