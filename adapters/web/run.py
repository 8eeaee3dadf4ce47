"""Opens the web workspace as one of the bot's surfaces: ``configured``, ``open``, ``check``, and the adapter."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import pkgutil
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

import adapters
from adapters.web.api import Api
from adapters.web.config import CoreConfig, WebConfig, check_access, is_loopback, read_config
from adapters.web.core import Core
from adapters.web.dialect import BEHAVIOURS
from adapters.web.files import Uploads
from adapters.web.guard import Access, Guard
from adapters.web.inbound import PLATFORM
from adapters.web.live import Hub
from adapters.web.pages import FOLDER, PageFiles
from adapters.web.record import Record
from adapters.web.room import Room
from adapters.web.surface import Stage, WebPlatform
from adapters.web.windows import Windows
from adapters.web.workspace import Workspace
from bot.errors import ConfigurationError
from bot.ports import Check, Platform
from bot.tasks import end_tasks
from bot.version import VERSION

log = structlog.get_logger("web")

_AGAIN = 2.0  # seconds between tries to tell the bot what it could not be told
_REHEARSAL = 10.0  # seconds for one question and its answer
_FLUSH = 5.0  # seconds the last rows may take at the end


def configured(config: CoreConfig) -> bool:
    """WEB_ENABLED says so, or says nothing and no other surface is configured. Raises ``ConfigurationError``."""
    enabled = read_config().enabled
    return not _is_another_configured(config) if enabled is None else enabled


def open(bot: Core, config: CoreConfig) -> WebAdapter:
    """The adapter, not started. Raises ``ConfigurationError``."""
    web = read_config()
    check_access(web, config.host)
    return WebAdapter(bot, config, web)


async def check(config: CoreConfig) -> Sequence[Check]:
    """The doctor's lines."""
    try:
        if not configured(config):
            return [Check("web workspace", True, "off")]
        web = read_config()
        check_access(web, config.host)
    except ConfigurationError as error:
        return [Check("web workspace", False, f"{error.variable}: {error.problem}", error.fix)]
    who = "this machine only" if is_loopback(config.host) else "other machines, with the token"
    lines = [Check("web workspace", True, f"open to {who}")]
    if not (FOLDER / "index.html").is_file():
        lines.append(Check("web page", False, "its files are missing", "Install the bot again, with its data files."))
    folder = config.data_dir if config.data_dir.exists() else config.data_dir.parent
    if not os.access(folder, os.W_OK):
        fix = "Let the bot's user write there, or set DATA_DIR to another folder."
        lines.append(Check("web files", False, f"{config.data_dir} cannot be written", fix))
    return lines


async def rehearse(adapter: WebAdapter) -> Check:
    """Ask a question in the room as a person would, and read the answer there."""
    work = adapter.workspace
    answered = asyncio.Event()

    def look(_: object) -> None:
        replies = [message for message in work.room.conversation(channel, root) if message.mark] if root else []
        if replies and all(message.text and not message.streaming for message in replies):
            answered.set()

    channel, root = next(iter(work.room.channels)), ""
    work.room.watch(look)
    began = time.perf_counter()
    person = await work.join("Doctor")
    text = f"@{work.room.bot_name} are you there?"
    root = (await work.post(person, channel, thread="", text=text, files=(), client_id="")).id
    look(None)
    try:
        async with asyncio.timeout(_REHEARSAL):
            await answered.wait()
    except TimeoutError:
        return Check("round trip", False, "a question in a web workspace got no answer", "Look at the log.")
    spent = time.perf_counter() - began
    return Check("round trip", True, f"a question in a web workspace was answered in {spent:.2f} s")


class WebAdapter:
    """The running workspace (``bot.ports.Adapter``)."""

    name = PLATFORM

    def __init__(self, bot: Core, config: CoreConfig, web: WebConfig) -> None:
        self._opened = asyncio.Event()
        self._redelivery: asyncio.Task[None] | None = None
        room = Room(config.bot_name)
        self._record = Record(bot.shelf(PLATFORM))
        uploads = Uploads(
            Path(config.data_dir) / "web-files", web.file_limit, self._record, lambda: room.new_number(time.time())
        )
        self.workspace = Workspace(bot, room, self._record, uploads, time.time)
        self.workspace.behaviour = BEHAVIOURS[web.behave]
        self.hub = Hub(room)
        stage = Stage(
            room=room,
            record=self._record,
            files=uploads,
            windows=Windows(),
            opened=self._opened,
            behaviour=lambda: self.workspace.behaviour,
            wall=time.time,
            clock=time.monotonic,
        )
        self.platform: Platform = WebPlatform(stage)
        access = Access(config.host, web.hosts, web.token.get_secret_value())
        self.routes: Sequence[BaseRoute] = self._guarded(access, config.command_name)

    async def start(self) -> None:
        """Load the room; then people can do things, and the bot is told what it was not told before."""
        await self.workspace.open()
        self._opened.set()
        self._redelivery = asyncio.create_task(self._redeliver(), name="web-redelivery")

    async def pause(self) -> None:
        self.workspace.paused = True
        await self._stop_redelivery()

    async def close(self) -> None:
        await self._stop_redelivery()
        self.hub.close()
        await self._record.flush(_FLUSH)

    def healthy(self) -> str:
        return "" if self._opened.is_set() else "not started"

    def _guarded(self, access: Access, command: str) -> Sequence[BaseRoute]:
        guard = [Middleware(Guard, access=access)]
        pages = PageFiles()
        endpoints = [
            ("/", pages.index, ["GET"]),
            ("/static/{path:path}", pages.static, ["GET"]),
            *((one.path, one.endpoint, sorted(one.methods or ())) for one in self._api(command).routes()),
        ]
        guarded: list[BaseRoute] = [
            Route(path, endpoint, methods=methods, middleware=guard) for path, endpoint, methods in endpoints
        ]
        return [*guarded, WebSocketRoute("/ws", self.hub.serve, middleware=guard)]

    def _api(self, command: str) -> Api:
        return Api(self.workspace, command, VERSION, self._opened.is_set)

    async def _redeliver(self) -> None:
        while True:
            if self.workspace.deliveries.owes:
                await self.workspace.deliveries.redeliver()
            await asyncio.sleep(_AGAIN)

    async def _stop_redelivery(self) -> None:
        if self._redelivery is not None:
            await end_tasks({self._redelivery})
            self._redelivery = None


def _is_another_configured(config: CoreConfig) -> bool:
    """Whether another adapter folder has its credentials; none is known by name."""
    for found in pkgutil.iter_modules(adapters.__path__):
        if found.ispkg and found.name != PLATFORM and importlib.util.find_spec(f"adapters.{found.name}.run"):
            module = importlib.import_module(f"adapters.{found.name}.run")
            if module.configured(config):
                return True
    return False
