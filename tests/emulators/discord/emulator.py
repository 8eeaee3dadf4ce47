"""The strict Discord emulator: one object that is a server on 127.0.0.1, the people in it, and the record of it all.

``async with Discord() as discord:`` starts it; ``discord.api_url`` and ``discord.gateway_url`` are the addresses for
the library, ``discord.token`` its credential. It refuses what Discord refuses and notes what a polite bot never does
in ``discord.sins``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from tests.emulators.discord.api import RestApi
from tests.emulators.discord.buckets import Buckets
from tests.emulators.discord.faults import Fault, Faults, Moment
from tests.emulators.discord.files import give_download
from tests.emulators.discord.guilds import gateway_url
from tests.emulators.discord.hands import Hands
from tests.emulators.discord.ledger import Call
from tests.emulators.discord.limits import Limits, Rates
from tests.emulators.discord.records import App
from tests.emulators.slack.ledger import Sin

_LOOK_EVERY = 0.005


class Discord(Hands):
    """``rate_limits=False`` switches them off."""

    def __init__(
        self,
        *,
        app: App | None = None,
        limits: Limits | None = None,
        rates: Rates | None = None,
        rate_limits: bool = True,
        port: int = 0,
    ) -> None:
        super().__init__(app, limits or Limits())
        self.faults = Faults()
        self.buckets = Buckets(rates or Rates())
        self.buckets.on = rate_limits
        self._api = RestApi(self.state, self.buckets, self.faults)
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
        self._api.add_to(routes)
        routes.router.add_get("/gw", self.gateway.handle)
        routes.router.add_get("/gw/", self.gateway.handle)
        routes.router.add_get("/attachments/{channel}/{file}/{name}", self._download)
        self._runner = web.AppRunner(routes, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = int(self._runner.addresses[0][1])
        self.state.base_url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        self._api.closing.set()
        await self.gateway.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return give_download(self.state, request)

    @property
    def url(self) -> str:
        return self.state.base_url

    @property
    def api_url(self) -> str:
        """For ``discord.http.Route.BASE``."""
        return f"{self.state.base_url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """For ``discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY``."""
        return gateway_url(self.state)

    @property
    def token(self) -> str:
        return self.app.token

    def environment(self) -> dict[str, str]:
        """The variables a bot needs to use this emulator."""
        return {
            "DISCORD_TOKEN": self.token,
            "DISCORD_API_URL": self.api_url,
            "DISCORD_GATEWAY_URL": self.gateway_url,
        }

    # --- the gateway -------------------------------------------------------------------------------

    async def connected(self, count: int = 1) -> None:
        """Wait for ``count`` connections that have identified or resumed."""
        await self.gateway.connected(count)

    async def disconnected(self) -> None:
        """Wait until no connection is open."""
        await self.gateway.disconnected()

    def hold(self) -> None:
        """Keep dispatches back until ``release``."""
        self.gateway.holding = True

    def release(self, order: Literal["same", "reversed", "shuffled"] = "same") -> None:
        self.gateway.release(order)

    def duplicate(self, *names: str) -> None:
        """From now on dispatch these events (``MESSAGE_CREATE``, …) twice; none: stop it."""
        self.gateway.twice = set(names)

    def ask_reconnect(self) -> None:
        """Op 7 to every connection."""
        self.gateway.tell(7)

    def invalidate(self, *, resumable: bool) -> None:
        """Op 9 to every connection; unless resumable, the sessions are gone and so is what they miss."""
        if not resumable:
            self.gateway.forget_sessions()
        self.gateway.tell(9, resumable)

    def drop(self) -> int:
        """Cut the TCP connections of the gateway; returns how many."""
        return self.gateway.drop()

    def silence(self) -> None:
        """Make the present gateway connections zombies."""
        self.gateway.silence()

    async def until(self, condition: Callable[[], object], within: float = 60.0) -> None:
        """Wait until ``condition`` holds, which may look at anything; ``TimeoutError`` after ``within`` seconds."""
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(_LOOK_EVERY)

    # --- faults, time and the record ---------------------------------------------------------------

    def fault(
        self,
        route: str,
        n: int = 1,
        *,
        status: int = 0,
        code: int = 0,
        message: str = "",
        retry_after: float | None = None,
        scope: Literal["user", "global", "shared", "cloudflare"] = "user",
        hang: Moment | None = None,
        reset: Moment | None = None,
        delay: float = 0.0,
        skip: int = 0,
    ) -> Fault:
        """Do this to the next ``n`` calls of ``route`` (``"*"``: any), after letting ``skip`` of them pass."""
        fault = Fault(n, status, message, retry_after, hang, reset, delay, skip, code=code, scope=scope)
        self.faults.add(route, fault)
        return fault

    def latency(self, seconds: float, route: str = "") -> None:
        """Every call (or every call of one route) takes this long, half of it before it is carried out."""
        if route:
            self.faults.latency_of[route] = seconds
        else:
            self.faults.latency = seconds

    def advance(self, seconds: float) -> None:
        """Let time pass at once: rate windows, interaction tokens, nonces, URLs and messages grow old."""
        self.clock.skip(seconds)

    @property
    def calls(self) -> list[Call]:
        return self.ledger.calls

    def calls_of(self, *routes: str) -> list[Call]:
        return self.ledger.of(*routes)

    @property
    def sins(self) -> list[Sin]:
        return self.ledger.sins

    @property
    def sin_names(self) -> list[str]:
        return self.ledger.sin_names()
