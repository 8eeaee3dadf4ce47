"""What providers answer when they refuse, with everything in it that nobody may ever read, and how to look for it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.llm import ChatCompletions, LlmConfig, Switchable, open_completions
from bot.observe.logging import start_logging
from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import PATIENCE, Person
from tests.stories.process import turns_settled

MODEL = "openai/gpt-oss-20b"
LONG, SHORT = 60.0, 1.0  # seconds to wait for a server that will speak, and for one that never will
NEVER_SEEN = ("org_01", "gsk_", "WORDSOFTHEPROVIDER", "<html", "Traceback", "req_0")


def logged_lines() -> Iterator[io.StringIO]:
    """As a fixture: everything that is logged while the story plays, debug lines of all libraries included."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    start_logging("debug", "json", stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def client(llm: LlmEmulator, **changes: Any) -> ChatCompletions:
    """The real client, which hardly pauses between attempts and never takes a busy machine for a silent server."""
    quick: dict[str, Any] = {
        "backoff": 0.01,
        "connect_timeout": LONG,
        "headers_timeout": LONG,
        "stall_timeout": LONG,
        "patience": 3.0,
        "server": "groq",
    }
    values = {"base_url": llm.url, "api_key": llm.key, "model": MODEL}
    return open_completions(LlmConfig(**(values | quick | changes)))


def refusal(
    status: int, code: str | None = None, message: str = "", kind: str = "invalid_request_error", **headers: str
) -> Script:
    """An error response; its message names the organisation and the key, as real ones do."""
    words = f"WORDSOFTHEPROVIDER {message} in organization `org_01secret` (key gsk_emulator)"
    error: dict[str, Any] = {"message": words, "type": kind}
    if code is not None:
        error["code"] = code
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Script(status=status, body={"error": error}, headers=named)


def rate_limit(what: str, wait: str = "", **headers: str) -> Script:
    message = f"Rate limit reached on {what}: Limit 6000, Used 5900, Requested 143. {wait}"
    return refusal(429, "rate_limit_exceeded", message, "tokens", **headers)


@dataclass
class Scene:
    """A person at the page of a house whose provider misbehaves, and everything anybody could read."""

    opened: House
    ana: Person
    llm: LlmEmulator
    log: io.StringIO = field(default_factory=io.StringIO)

    def waits(self, seconds: float) -> None:
        """From the next request on, a silent server is given up after so long."""
        assert isinstance(self.opened.completions, Switchable)
        self.opened.completions.use(client(self.llm, headers_timeout=seconds, stall_timeout=seconds))

    async def asks(self, text: str = "@Parley say hello") -> tuple[dict[str, Any], dict[str, Any]]:
        """(the question, its one reply once everything about it is settled)."""
        root = await self.ana.says(text)
        await self.ana.answer(root)
        return root, await self.settled(root)

    async def settled(self, root: dict[str, Any]) -> dict[str, Any]:
        """The one visible outcome under ``root``; also looks for whatever must not be there."""
        async with asyncio.timeout(PATIENCE):
            while (await self.opened.store.counts())["unsettled"]:
                await asyncio.sleep(0.01)
        await self.ana.until(lambda: self.ana.statuses[-1:] == [None], "the working sign to go")
        (reply,) = await self.ana.thread(root)
        assert not reply["streaming"]
        assert reply["text"].strip()
        shown = self.ana.messages[reply["id"]]
        assert (shown["text"], shown["notes"]) == (reply["text"], reply["notes"]), "the page and a reload differ"
        self.nothing_leaked()
        return reply

    def nothing_leaked(self) -> None:
        readable = json.dumps([self.ana.seen, self.ana.notices], ensure_ascii=False) + self.log.getvalue()
        assert [word for word in NEVER_SEEN if word in readable] == []

    async def retried(self, root: dict[str, Any], reply: dict[str, Any], action: str = "retry") -> dict[str, Any]:
        """Press the button; the same message with its new content."""
        assert await self.ana.presses(reply, action) is None
        before = (reply["text"], reply["notes"])
        await self.ana.until(
            lambda: (m := self.ana.messages[reply["id"]]) and not m["streaming"] and (m["text"], m["notes"]) != before,
            "another answer",
        )
        again = await self.settled(root)
        assert again["id"] == reply["id"]
        return again

    async def outcomes(self) -> dict[str, int]:
        """Turns settled by outcome, as the metrics tell once nothing plays: they count what is in the store already."""
        async with asyncio.timeout(PATIENCE):
            while self.opened.bot.lanes()[0]:
                await asyncio.sleep(0.01)
        return turns_settled((await self.ana.http.get("/metrics")).text)
