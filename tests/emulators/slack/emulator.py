"""The strict Slack emulator: one object that is a server on 127.0.0.1, the people in it, and the record of it all.

``async with Slack() as slack:`` starts it; ``slack.api_url`` is the base URL for the SDK, ``slack.bot_token`` and
``slack.app_token`` its credentials. It refuses what Slack refuses and notes what a polite bot never does in
``slack.sins``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from tests.emulators.slack.api import WebApi
from tests.emulators.slack.budgets import Budgets
from tests.emulators.slack.faults import Fault, Faults, Moment
from tests.emulators.slack.files import give_download, take_upload
from tests.emulators.slack.hands import Hands
from tests.emulators.slack.ledger import Call, Sin
from tests.emulators.slack.limits import BOT_SCOPES, Limits, Rates
from tests.emulators.slack.records import App, Json, Person, ResponseUrl
from tests.emulators.slack.responses import show_response, take_response
from tests.emulators.slack.webhooks import Webhooks

_LOOK_EVERY = 0.005


class Slack(Hands):
    """``rate_limits=False`` switches them off. ``retry_factor`` scales the delays before events are sent again."""

    def __init__(
        self,
        *,
        app: App | None = None,
        limits: Limits | None = None,
        rates: Rates | None = None,
        rate_limits: bool = True,
        scopes: frozenset[str] = BOT_SCOPES,
        retry_factor: float = 0.001,
        port: int = 0,
    ) -> None:
        super().__init__(app, limits or Limits(), scopes)
        self.faults = Faults()
        self.budgets = Budgets(rates or Rates())
        self.budgets.on = rate_limits
        self.deliveries.retry_factor = retry_factor
        self._api = WebApi(self.state, self.budgets, self.faults)
        self._runner: web.AppRunner | None = None
        self._port = port

    # --- running -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on 127.0.0.1, on a free port unless one was given."""
        routes = web.Application(client_max_size=64 * 2**20)
        routes.add_routes(
            [
                web.route("*", "/api/{method}", self._api.handle),
                web.get("/link", self.sockets.handle),
                web.post("/upload/{file}", self._upload),
                web.get("/files-pri/{file}/{name:.*}", self._download),
                web.post("/response/{name}", self._response),
                web.get("/oauth/v2/authorize", self._authorize),
            ]
        )
        self._runner = web.AppRunner(routes, access_log=None, shutdown_timeout=0.1, max_line_size=2**20)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        self.state.base_url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        self._api.closing.set()
        await self.deliveries.close()
        await self.sockets.close()
        if self.webhooks is not None:
            await self.webhooks.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return self.state.base_url

    @property
    def api_url(self) -> str:
        """The base URL for ``AsyncWebClient``."""
        return f"{self.state.base_url}/api/"

    @property
    def app_token(self) -> str:
        return self.app.app_token

    @property
    def signing_secret(self) -> str:
        return self.app.signing_secret

    def environment(self) -> dict[str, str]:
        """The variables a bot needs to use this emulator."""
        return {
            "SLACK_API_URL": self.api_url,
            "SLACK_BOT_TOKEN": self.bot_token,
            "SLACK_APP_TOKEN": self.app_token,
            "SLACK_SIGNING_SECRET": self.signing_secret,
        }

    # --- transports --------------------------------------------------------------------------------

    def use_http(self, url: str) -> Webhooks:
        """Deliver everything to this request URL from now on, signed."""
        self.webhooks = Webhooks(self.state, url)
        return self.webhooks

    async def connected(self, count: int = 1) -> None:
        """Wait for ``count`` Socket Mode connections."""
        await self.sockets.connected(count)

    async def settled(self) -> None:
        """Wait until every delivery was acknowledged or given up."""
        await self.deliveries.settled()

    async def until(self, condition: Callable[[], object], within: float = 60.0) -> None:
        """Wait until ``condition`` holds, which may look at anything; ``TimeoutError`` after ``within`` seconds."""
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(_LOOK_EVERY)

    def hold(self) -> None:
        """Keep deliveries back until ``release``."""
        self.deliveries.holding = True

    def release(self, order: Literal["same", "reversed", "shuffled"] = "same") -> None:
        self.deliveries.release(order)

    # --- faults, time and the record ---------------------------------------------------------------

    def fault(
        self,
        method: str,
        n: int = 1,
        *,
        status: int = 0,
        error: str = "",
        retry_after: float | None = None,
        hang: Moment | None = None,
        reset: Moment | None = None,
        delay: float = 0.0,
        skip: int = 0,
    ) -> Fault:
        """Do this to the next ``n`` calls of ``method`` (``"*"``: any), after letting ``skip`` of them pass."""
        return self.faults.add(method, Fault(n, status, error, retry_after, hang, reset, delay, skip))

    def latency(self, seconds: float, method: str = "") -> None:
        """Every call (or every call of one method) takes this long, half of it before it is carried out."""
        if method:
            self.faults.latency_of[method] = seconds
        else:
            self.faults.latency = seconds

    def advance(self, seconds: float) -> None:
        """Let time pass at once: rate windows, streams, triggers, signs, response URLs and tokens grow old."""
        self.clock.skip(seconds)

    def throttle_history(self, on: bool = True) -> None:
        """One history or replies call a minute and at most 15 messages, as for unlisted commercial apps."""
        self.state.history_throttled = on

    @property
    def calls(self) -> list[Call]:
        return self.ledger.calls

    def calls_of(self, *methods: str) -> list[Call]:
        return self.ledger.of(*methods)

    @property
    def sins(self) -> list[Sin]:
        return self.ledger.sins

    @property
    def sin_names(self) -> list[str]:
        return self.ledger.sin_names()

    # --- doors of the server -----------------------------------------------------------------------

    def respond(self, url: ResponseUrl, answer: Json) -> None:
        show_response(self.state, url, answer)

    def oauth_code(self, team: str, user: Person) -> str:
        """A code as the consent page would hand out: good once for ``oauth.v2.access``."""
        code = self.state.new_id("code-")
        self.state.oauth_codes[code] = (team, user.id, False)
        return code

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        return await take_upload(self.state, request)

    async def _response(self, request: web.Request) -> web.StreamResponse:
        return await take_response(self.state, request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return give_download(self.state, request)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """The consent page, already consented to: ada installs the app in the workspace ``team`` (or the first)."""
        team = request.query.get("team", self.home.id)
        target = request.query.get("redirect_uri", "")
        if request.query.get("client_id") != self.app.client_id or not target:
            return web.Response(status=400, text="invalid_client_id or redirect_uri")
        code = self.oauth_code(team, self.ada)
        join = "&" if "?" in target else "?"
        raise web.HTTPFound(f"{target}{join}code={code}&state={request.query.get('state', '')}")
