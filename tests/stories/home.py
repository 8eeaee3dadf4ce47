"""A whole bot for one story: the real house on a real port, the strict provider beside it, people who use the page.

People act over HTTP and see through the WebSocket, as the page does, so a story goes from socket to last edit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from bot.config import Config
from bot.ports import Completions
from bot.wiring import House, house, listening, living
from tests.emulators.llm import LlmEmulator

PATIENCE = 60.0  # seconds for anything to happen that will, on a machine that is slow and shared
BOTH = ("sqlite", "postgresql")  # a story module's ``ENGINES``


def config(folder: Path, llm: LlmEmulator | None, **changes: Any) -> Config:
    """A configuration of its own: nothing of the environment's is in it."""
    values: dict[str, Any] = {"data_dir": folder, "port": 0, "shutdown_grace": 5.0}
    if llm is not None:
        values |= {"groq_api_key": llm.key, "llm_base_url": llm.url}
    return Config(_env_file=None, **(values | changes))


@contextlib.asynccontextmanager
async def home(
    folder: Path, llm: LlmEmulator | None, completions: Completions | None = None, **changes: Any
) -> AsyncIterator[House]:
    """The bot, ready."""
    async with house(config(folder, llm, **changes), completions) as opened, listening(opened), living(opened):
        yield opened


@dataclass
class Person:
    """Somebody at the page: acts over HTTP, sees what the socket brings."""

    url: str
    id: str
    name: str
    http: httpx.AsyncClient
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[str | None] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _socket: ClientConnection | None = None

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.http.post(path, json={"person": self.id, **body})

    async def says(self, text: str, thread: str | None = None, channel: str = "", **more: Any) -> dict[str, Any]:
        """Send a message; the answer is the message as kept."""
        where = channel or await self.general()
        body: dict[str, Any] = {
            "channel": where,
            "thread": thread,
            "text": text,
            "files": [],
            "client_id": f"c{id(text)}{len(self.seen)}",
        }
        answer = await self.post("/api/messages", body | more)
        assert answer.status_code == 200, answer.text
        message: dict[str, Any] = answer.json()["message"]
        return message

    async def general(self) -> str:
        channels = (await self.http.get("/api/hello", params={"person": self.id})).json()["channels"]
        return str(next(c["id"] for c in channels if c["name"] == "general"))

    async def edits(self, message: dict[str, Any], text: str) -> None:
        answer = await self.http.patch(f"/api/messages/{message['id']}", json={"person": self.id, "text": text})
        assert answer.status_code == 200, answer.text

    async def deletes(self, message: dict[str, Any]) -> None:
        answer = await self.http.request("DELETE", f"/api/messages/{message['id']}", json={"person": self.id})
        assert answer.status_code == 200, answer.text

    async def presses(self, message: dict[str, Any], action: str, value: str = "") -> dict[str, Any] | None:
        """Press a control; the notice that comes of it, if any."""
        answer = await self.post("/api/controls", {"message": message["id"], "action": action, "value": value})
        assert answer.status_code == 200, answer.text
        notice: dict[str, Any] | None = answer.json()["notice"]
        return notice

    async def commands(self, line: str, thread: str | None = None, channel: str = "") -> dict[str, Any]:
        where = channel or await self.general()
        answer = await self.post("/api/commands", {"channel": where, "thread": thread, "line": line})
        assert answer.status_code == 200, answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    async def thread(self, root: dict[str, Any]) -> list[dict[str, Any]]:
        """The thread as a reload shows it, the root left out."""
        params = {"person": self.id, "channel": root["channel"], "thread": root["id"], "limit": 200}
        found = (await self.http.get("/api/messages", params=params)).json()["messages"]
        return [message for message in found if message["id"] != root["id"]]

    async def until(self, holds: Callable[[], Any], why: str = "") -> Any:
        """Wait for what the socket brings until ``holds`` gives something."""
        async with asyncio.timeout(PATIENCE):
            while not (found := holds()):
                self._changed.clear()
                await self._changed.wait()
        return found

    def replies(self, root: dict[str, Any]) -> list[dict[str, Any]]:
        """The bot's messages in the thread, as this tab shows them, oldest first."""
        thread = root["thread"] or root["id"]
        found = [m for m in self.messages.values() if m["author"]["bot"] and m["thread"] == thread]
        return sorted(found, key=lambda message: int(message["id"]))

    async def answer(self, root: dict[str, Any], number: int = 1) -> dict[str, Any]:
        """The ``number``-th reply of the thread, once it is finished."""

        def finished() -> dict[str, Any] | None:
            replies = self.replies(root)
            return replies[number - 1] if len(replies) >= number and not replies[number - 1]["streaming"] else None

        found: dict[str, Any] = await self.until(finished, "answer")
        return found

    async def begins(self, root: dict[str, Any], characters: int = 1, number: int = 1) -> dict[str, Any]:
        """The reply, once some of it is shown."""

        def begun() -> dict[str, Any] | None:
            replies = self.replies(root)
            return (
                replies[number - 1]
                if len(replies) >= number and len(replies[number - 1]["text"]) >= characters
                else None
            )

        found: dict[str, Any] = await self.until(begun, "beginning")
        return found

    async def watch(self) -> None:
        """Keep the tab up to date; runs until cancelled."""
        address = self.url.replace("http://", "ws://") + f"/ws?person={self.id}"
        async with connect(address, origin=Origin(self.url), proxy=None) as socket:
            self._socket = socket
            async for frame in socket:
                event = json.loads(frame)
                self._take(event)
                if event["type"] == "text" and not self._agrees(event):
                    await self._look_again(event["id"])
                self._changed.set()

    def _agrees(self, event: dict[str, Any]) -> bool:
        """What is shown is as long as the event says; a tab that came in the middle knows too little at first."""
        message = self.messages.get(event["id"])
        return message is not None and len(message["text"].encode("utf-16-le")) == event["len"] * 2

    async def _look_again(self, id: str) -> None:
        found = await self.http.get(f"/api/messages/{id}", params={"person": self.id})
        if found.status_code == 200:
            self.messages[id] = found.json()["message"]

    def _take(self, event: dict[str, Any]) -> None:
        self.seen.append(event)
        match event["type"]:
            case "message":
                self.messages[event["message"]["id"]] = event["message"]
            case "text" if (message := self.messages.get(event["id"])) is not None:
                units = message["text"].encode("utf-16-le")[: event["keep"] * 2]
                message["text"] = units.decode("utf-16-le") + event["tail"]
                message |= {key: event[key] for key in ("notes", "controls", "streaming") if key in event}
            case "deleted":
                self.messages.pop(event["id"], None)
            case "notice":
                self.notices.append(event)
            case "status":
                self.statuses.append(event["text"])


class Place(Protocol):
    """Where people go: a house in this process, or a bot in a process of its own."""

    @property
    def url(self) -> str: ...


@contextlib.asynccontextmanager
async def person(opened: Place, name: str = "Ana") -> AsyncIterator[Person]:
    """Somebody new at the page, with one tab open."""
    async with httpx.AsyncClient(base_url=opened.url, headers={"X-Parley": "1"}, trust_env=False, timeout=30) as http:
        made = (await http.post("/api/people", json={"name": name})).json()
        someone = Person(opened.url, made["id"], name, http)
        watching = asyncio.create_task(someone.watch())
        await someone.until(lambda: someone.seen)
        try:
            yield someone
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):  # closed: the bot died before the tab
                await watching
