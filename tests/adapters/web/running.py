"""The workspace on a real port of 127.0.0.1, with a fake core behind it and real HTTP and WebSockets before it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from adapters.web.config import WebConfig
from adapters.web.run import WebAdapter
from bot.events import MessageReceived
from bot.replies import Reply, Way, Write
from tests.adapters.web.fakes import FakeCore

PATIENCE = 30.0  # seconds for anything to happen that will


@dataclass(frozen=True)
class CoreSettings:
    data_dir: Path
    host: str = "127.0.0.1"
    command_name: str = "ai"
    bot_name: str = "Parley"


class Running:
    """One running workspace. ``http`` is a browser's connection: same origin, with the page's header."""

    def __init__(self, core: FakeCore, adapter: WebAdapter, port: int, http: httpx.AsyncClient) -> None:
        self.core, self.adapter, self.port, self.http = core, adapter, port, http

    async def person(self, name: str) -> str:
        return str((await self.call("POST", "/api/people", {"name": name}))["id"])

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, status: int = 200) -> Any:
        """The JSON of the answer, which must have ``status``."""
        answer = await self.http.request(method, path, json=body) if body is not None else await self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def says(self, person: str, text: str, channel: str = "general", **more: Any) -> dict[str, Any]:
        body = {
            "person": person,
            "channel": channel,
            "thread": None,
            "text": text,
            "files": [],
            "client_id": "",
            **more,
        }
        message: dict[str, Any] = (await self.call("POST", "/api/messages", body))["message"]
        return message

    async def read(self, query: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = (await self.call("GET", f"/api/messages?{query}"))["messages"]
        return messages

    @contextlib.asynccontextmanager
    async def tab(self, person: str, **options: Any) -> AsyncIterator[Tab]:
        async with connect(f"ws://127.0.0.1:{self.port}/ws?person={person}", proxy=None, **options) as socket_:
            tab = Tab(socket_)
            assert (await tab.next())["type"] == "hello"
            yield tab

    def question(self) -> MessageReceived:
        """The newest message the core was told of."""
        return next(event for event in reversed(self.core.events) if isinstance(event, MessageReceived))

    def surface(self, mark: str = "mark-1", **more: Any) -> Showing:
        """A surface for the answer to the newest question."""
        asked = self.question()
        return Showing(self.adapter, Reply(asked.address, mark, asked.id, asked.author, direct=asked.direct, **more))


class Showing:
    """Writes to a surface the way delivery does."""

    def __init__(self, adapter: WebAdapter, reply: Reply) -> None:
        self.reply, self.surface = reply, adapter.platform.surface(reply)

    async def show(self, text: str, *, final: bool = False, part: int = 0, **more: Any) -> str:
        write = Write(part, text, final, **more)
        return await self.surface.show(write, self.way(write))

    def way(self, write: Write) -> Way:
        return self.surface.ways(write)[0]


class Tab:
    """An open page that applies text events as JavaScript would."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self.texts: dict[str, str] = {}

    async def next(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(self.connection.recv(), PATIENCE))
        self.events.append(event)
        if event["type"] == "message":
            self.texts[event["message"]["id"]] = event["message"]["text"]
        elif event["type"] == "text":
            self.texts[event["id"]] = grown(self.texts[event["id"]], event)
        return event

    async def until(self, kind: str, **values: Any) -> dict[str, Any]:
        """Read on to the first event of this kind with these values."""
        while True:
            event = await self.next()
            if event["type"] == kind and all(event.get(key) == value for key, value in values.items()):
                return event


def post_body(person: str, text: str, **more: Any) -> dict[str, Any]:
    """What the page sends for a message."""
    body: dict[str, Any] = {
        "person": person,
        "channel": "general",
        "thread": None,
        "text": text,
        "files": [],
        "client_id": "",
    }
    return {**body, **more}


def grown(old: str, event: Mapping[str, Any]) -> str:
    """``old.slice(0, keep) + tail`` in UTF-16 units, as a page computes it."""
    units = old.encode("utf-16-le")[: 2 * event["keep"]] + event["tail"].encode("utf-16-le")
    assert len(units) == 2 * event["len"]
    return str(units, "utf-16-le")


@contextlib.asynccontextmanager
async def running(core: FakeCore, folder: Path, host: str = "127.0.0.1", **web: Any) -> AsyncIterator[Running]:
    """Start the workspace, and end it as a shutdown would."""
    adapter = WebAdapter(core, CoreSettings(folder, host), WebConfig(**{"_env_file": None, **web}))
    listener = socket.create_server(("127.0.0.1", 0))
    # A socket made without naming its protocol gets no TCP_NODELAY from asyncio: each answer would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        Starlette(routes=list(adapter.routes)),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without its main loop, which only looks every 0.1 s whether it should end.
    await server.startup(sockets=[listener])
    await adapter.start()
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(
            base_url=url, trust_env=False, verify=False, headers={"X-Parley": "1", "Origin": url}
        ) as http:
            yield Running(core, adapter, port, http)
    finally:
        await adapter.pause()
        await adapter.close()
        await server.shutdown(sockets=[listener])
