"""The composition root: every part is chosen here and nowhere else.

``house(config)`` opens the parts in the order in which they need each other and closes them in reverse;
``run(config)`` lives in it until SIGTERM. Adapters are found by folder: each ``adapters/NAME/run.py`` offers
``configured``, ``open`` and ``check`` (see ``bot.ports.Adapter``), so a new platform changes nothing here.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import importlib.util
import os
import pkgutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from bot.backends import KeyRing, choose, documents
from bot.config import Config
from bot.desk import Bot
from bot.errors import ConfigurationError, StoreError
from bot.intake.access import Access
from bot.intake.quota import Quota
from bot.lease import Lease
from bot.llm import Guide, Switchable
from bot.material import MaterialReader
from bot.observe.health import Health
from bot.observe.metrics import Metrics
from bot.observe.routes import routes as observe_routes
from bot.ports import Adapter, Check, Completions, Platform, Store
from bot.preferences import Preferences
from bot.reply.pacing import Pacing
from bot.slices import Slices
from bot.storage import SqlShelf, open_store
from bot.storage.retention import tend
from bot.tasks import end_tasks, end_within
from bot.turn import Turns

T = TypeVar("T")

log = structlog.get_logger("house")

_LONGEST_END = 25.0  # seconds beyond SHUTDOWN_GRACE; docs/operating.md says five more
_PAUSING = 5.0  # seconds for the surfaces to stop listening
_CLOSING = 8.0  # seconds for them to end
_TICK = 5.0  # seconds between looks at the database and at the gauges


@dataclass(slots=True)
class House:
    """The running parts."""

    config: Config
    bot: Bot
    store: Store
    completions: Completions
    adapters: list[Adapter]
    health: Health
    metrics: Metrics
    app: ASGIApp
    url: str = ""


def adapter_modules() -> Iterator[tuple[str, ModuleType]]:
    """(name, run module) of every adapter folder; a folder without one is not an adapter."""
    package = importlib.import_module("adapters")
    for found in pkgutil.iter_modules(package.__path__):
        if found.ispkg and importlib.util.find_spec(f"adapters.{found.name}.run"):
            yield found.name, importlib.import_module(f"adapters.{found.name}.run")


@contextlib.asynccontextmanager
async def house(
    config: Config, completions: Completions | None = None, modules: Sequence[ModuleType] | None = None
) -> AsyncIterator[House]:
    """Everything opened, nothing connected: no event comes in yet.

    ``completions`` replaces the configured backend, ``modules`` the configured adapters' run modules.
    """
    async with contextlib.AsyncExitStack() as stack:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        store, db = await open_store(config.database_url, config.data_dir, config.replica_lease)
        stack.push_async_callback(store.close)
        if config.retention_days:
            stack.push_async_callback(
                end_tasks, {asyncio.create_task(tend(db, config.retention_days), name="retention")}
            )
        switch = Switchable(completions or await choose(config))
        stack.push_async_callback(switch.close)
        metrics, health = Metrics(), Health()
        platforms: dict[str, Platform] = {}
        preferences = Preferences(store, lambda: _defaults(config, switch))
        lease = Lease(config.replica_lease) if store.shared else Lease()
        pacing = _pacing(store, lease, stack)
        turns = Turns(
            store=store,
            completions=switch,
            platforms=platforms,
            material=MaterialReader(store, switch, preferences),
            pacing=pacing,
            metrics=metrics,
            lease=lease,
        )
        bot = Bot(
            store=store,
            completions=switch,
            turns=turns,
            platforms=platforms,
            preferences=preferences,
            access=Access(
                frozenset(config.allowed_channels), frozenset(config.blocked_users), frozenset(config.admin_users)
            ),
            quota=Quota(config.user_turns_per_minute),
            metrics=metrics,
            shelves=lambda platform: SqlShelf(db, platform),
            keys=KeyRing(config, switch),
            command_name=config.command_name,
            lease=lease,
        )
        if modules is None:
            modules = [module for _, module in adapter_modules() if module.configured(config)]
        adapters = [module.open(bot, config) for module in modules]
        if not adapters:
            raise ConfigurationError(
                "WEB_ENABLED",
                "it is off and no platform is configured",
                "Set WEB_ENABLED=true, or a platform's tokens.",
            )
        for adapter in adapters:
            bot.attach(adapter.platform)
        metrics.watch(pacing=pacing, limits=switch.limits, lanes=bot.lanes)
        routes = [*observe_routes(health, metrics), *(route for adapter in adapters for route in adapter.routes)]
        yield House(config, bot, store, switch, adapters, health, metrics, Starlette(routes=routes))


def _pacing(store: Store, lease: Lease, stack: contextlib.AsyncExitStack) -> Pacing:
    """The writes of this process, traded with the others where there may be some."""
    if not store.shared:
        return Pacing()
    needed = asyncio.Event()
    pacing = Pacing(needed.set)
    slices = Slices(store, pacing, lease, needed)
    slices.start()
    stack.push_async_callback(slices.close)
    return pacing


def _defaults(config: Config, completions: Completions) -> dict[str, Any]:
    """The deployment's level of the settings: the configuration, and the model of the backend that answers now."""
    values: dict[str, Any] = {"model": completions.backend().model or config.llm_model}
    if config.system_prompt:
        values["system"] = config.system_prompt
    if config.llm_fallback_models:
        values["fallback_models"] = list(config.llm_fallback_models)
    return values


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the house has one way to end. ``up`` is set when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(opened: House) -> AsyncIterator[None]:
    """Serve the house's routes on HOST:PORT; ``opened.url`` says where. Raises ``ConfigurationError``."""
    host, port = opened.config.host, opened.config.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        # asyncio sets this only where the protocol number is given; without it every answer waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise ConfigurationError(
            "PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "HOST",
            f"cannot listen on {host}:{port} ({_reason(error)})",
            "Stop what uses it, or choose another.",
        ) from error
    opened.url = f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"
    server = _Server(
        uvicorn.Config(
            opened.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=256 * 1024,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.up.wait()
        yield
    finally:
        server.should_exit = True
        await serving


def _reason(error: OSError) -> str:
    """The system's own words: Python adds the address to some of them. Names that do not resolve have no number."""
    is_name = isinstance(error, socket.gaierror) or error.errno is None
    return str(error.strerror) if is_name else os.strerror(error.errno or 0)


@contextlib.asynccontextmanager
async def living(opened: House, end: asyncio.Event | None = None) -> AsyncIterator[None]:
    """Connect every surface, take up unfinished turns, and end gracefully. Once ``end`` is set, whatever surfaces are
    not connected yet are not waited for."""
    end = end or asyncio.Event()
    config, bot, health = opened.config, opened.bot, opened.health
    started: list[Adapter] = []
    tick: asyncio.Task[None] | None = None
    try:
        resumed = await bot.resume()
        for adapter in opened.adapters:
            await _unless(end, adapter.start())  # a platform that does not answer takes its time
            started.append(adapter)
            if end.is_set():
                break
        else:
            tick = asyncio.create_task(_tick(opened))
            health.started()
            log.info("ready", surfaces=[adapter.name for adapter in started], resumed=resumed)
        yield
    finally:
        health.draining()
        await _for_a_while(_PAUSING, [adapter.pause() for adapter in started])
        drained = await bot.drain(config.shutdown_grace)
        log.info("drained", whole=drained)
        if tick is not None:
            await end_tasks({tick})
        await _for_a_while(_CLOSING, [adapter.close() for adapter in started])


async def probe(config: Config) -> Sequence[Check]:
    """A question to the answer and back, through every surface that can rehearse alone, beside the real data."""
    modules = [module for _, module in adapter_modules() if hasattr(module, "rehearse")]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        beside = config.model_copy(
            update={"data_dir": data, "database_url": f"sqlite+aiosqlite:///{data / 'probe.db'}"}
        )
        guide = Guide(documents(), pace=10_000)
        async with house(beside, guide, modules) as opened, living(opened):
            return [await module.rehearse(adapter) for module, adapter in zip(modules, opened.adapters, strict=True)]


async def _tick(opened: House) -> None:
    """What /readyz and the gauges say is looked at afresh every few seconds."""
    while True:
        try:
            await opened.store.check()
            opened.metrics.counted(await opened.store.counts())
            opened.health.database("")
        except StoreError as error:
            opened.health.database(error.operator_text)
        for adapter in opened.adapters:
            opened.health.surface(adapter.name, adapter.healthy())
        await asyncio.sleep(_TICK)


def _say(line: str) -> None:
    """Whoever started us through a pipe waits for the line: it must not stay in a buffer."""
    print(line, flush=True)


async def run(config: Config, announce: Callable[[str], None] = _say) -> int:
    """Live until SIGTERM or SIGINT; returns the exit code."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin_end() -> None:
        end.set()
        end_within(config.shutdown_grace + _LONGEST_END)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin_end)
    async with house(config) as opened, listening(opened), living(opened, end):
        surfaces = ",".join(adapter.name for adapter in opened.adapters)
        backend = opened.completions.backend()
        if not end.is_set():
            announce(f"ready surfaces={surfaces} model={backend.model} url={opened.url}")
        ways = [asyncio.create_task(end.wait()), asyncio.create_task(_all_lost(opened))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        if not end.is_set():
            end_within(config.shutdown_grace + _LONGEST_END)
    if not end.is_set():
        raise next(iter(opened.bot.lost.values()))
    return 0


async def _for_a_while(seconds: float, works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of it together, and no longer than so many seconds; what needs more goes on behind, what breaks is logged."""
    if works:
        done, late = await asyncio.wait([asyncio.create_task(work) for work in works], timeout=seconds)
        for broken in filter(None, (task.exception() for task in done if not task.cancelled())):
            log.error("a surface did not end well", exc_info=broken)
        if late:
            log.warning("surfaces need long to end", count=len(late))


async def _unless(end: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What ``work`` gives; it is called off, and ``None``, once ``end`` is set."""
    task, ending = asyncio.create_task(work), asyncio.create_task(end.wait())
    try:
        await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
        is_over = task.done()
    finally:
        ending.cancel()
        if not task.done():
            await end_tasks({task})
    return task.result() if is_over else None


async def _all_lost(opened: House) -> None:
    """Until no platform is left; the workspace alone is not what the bot was started for."""
    platforms = {adapter.name for adapter in opened.adapters} - {"web"}
    while not opened.bot.lost or platforms - opened.bot.lost.keys():
        opened.bot.has_lost.clear()
        await opened.bot.has_lost.wait()
