"""The rooms of the three surfaces, as one story sees them: what is asked there, what stands there, what must not.

A room outlives the processes that answer in it. What a person does there never fails because the bot dies of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from tests.adapters.discord import conversing as discord_words
from tests.adapters.slack import conversing as slack_words
from tests.emulators import discord as discord_emulator
from tests.emulators import slack as slack_emulator
from tests.emulators.slack import faults
from tests.stories.home import PATIENCE, Person, person
from tests.stories.process import Process

SURFACES = ("web", "slack", "discord")


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the bot, as people see it. ``final``: nothing says that it still grows."""

    id: str
    text: str
    final: bool


class Room(Protocol):
    """``variables``: what a process needs to serve it. A question is named by its text, which is asked once.

    ``audit`` fails on whatever no crash may leave behind: messages beyond ``parts``, of those ever made; a stream that
    is open; a sign of work; what the platform takes for rude.
    """

    variables: dict[str, str]

    def serving(self, process: Process) -> contextlib.AbstractAsyncContextManager[None]: ...

    async def asks(self, text: str, under: str = "") -> None: ...

    async def says(self, text: str, under: str) -> None: ...

    async def is_taken(self, text: str) -> None: ...

    async def edits(self, text: str, now: str) -> None: ...

    async def deletes(self, text: str) -> None: ...

    async def presses(self, text: str, button: str) -> None: ...

    async def replies(self, text: str) -> list[Said]: ...

    async def audit(self, text: str, parts: int = 1) -> None: ...

    def calls(self) -> list[str]:
        """What was asked of the platform, for whoever looks into a failure."""
        ...


async def until(holds: Callable[[], Awaitable[Any]], why: str = "") -> Any:
    """Wait for what ``holds`` gives."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await holds()):
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"in vain: {why}") from None
    return found


async def begins(room: Room, text: str, characters: int = 1, parts: int = 1) -> list[Said]:
    """The reply, once ``parts`` messages of it are there and the last shows some text."""

    async def begun() -> list[Said]:
        replies = await room.replies(text)
        return replies if len(replies) >= parts and len(replies[-1].text) >= characters else []

    found: list[Said] = await until(begun, "the beginning of an answer")
    return found


async def ends(room: Room, text: str, wanted: Callable[[list[Said]], bool]) -> list[Said]:
    """The reply, once it is final and as ``wanted``."""
    seen: list[Said] = []

    async def ended() -> bool:
        seen[:] = await room.replies(text)
        return all(said.final for said in seen) and wanted(seen)

    try:
        await until(ended)
    except AssertionError:
        raise AssertionError(f"there stands {seen}, calls {room.calls()[-25:]}") from None
    return seen


# --- the three


class WebRoom:
    """The page, in whichever process serves it."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self._ana: Person | None = None
        self._threads: list[str] = []

    @contextlib.asynccontextmanager
    async def serving(self, process: Process) -> AsyncIterator[None]:
        async with person(process) as self._ana:
            yield
        self._ana = None

    @property
    def ana(self) -> Person:
        assert self._ana is not None, "no process serves the page"
        return self._ana

    async def asks(self, text: str, under: str = "") -> None:
        thread = (await self._question(under))["id"] if under else None
        if thread is not None and thread not in self._threads:
            self._threads.append(thread)
        body: dict[str, Any] = {
            "channel": "general",
            "thread": thread,
            "text": f"@Parley {text}",
            "files": [],
            "client_id": text,
        }
        await _tries(self.ana.post("/api/messages", body))

    async def says(self, text: str, under: str) -> None:
        await self.asks(text, under)

    async def is_taken(self, text: str) -> None:
        await until(lambda: self._found(text), "the question")

    async def edits(self, text: str, now: str) -> None:
        question = await self._question(text)
        body = {"person": self.ana.id, "text": f"@Parley {now}"}
        await _tries(self.ana.http.patch(f"/api/messages/{question['id']}", json=body))

    async def deletes(self, text: str) -> None:
        question = await self._question(text)
        path = f"/api/messages/{question['id']}"
        await _tries(self.ana.http.request("DELETE", path, json={"person": self.ana.id}))

    async def presses(self, text: str, button: str) -> None:
        message = (await self._thread(text))[-1]
        await _tries(self.ana.post("/api/controls", {"message": message["id"], "action": button, "value": ""}))

    async def replies(self, text: str) -> list[Said]:
        return [Said(it["id"], it["text"], not it["streaming"]) for it in await self._thread(text)]

    async def audit(self, text: str, parts: int = 1) -> None:
        assert len(await self._thread(text)) == parts
        await self.ana.until(lambda: self.ana.statuses[-1:] in ([], [None]), "the working sign to go")

    def calls(self) -> list[str]:
        return []

    async def _thread(self, text: str) -> list[dict[str, Any]]:
        question = await self._found(text)
        if question is None:
            return []
        params = {"person": self.ana.id, "channel": "general", "thread": question["id"], "limit": 200}
        answer = await self.ana.http.get("/api/messages", params=params)
        found = answer.json()["messages"] if answer.status_code == 200 else []
        return [it for it in found if it["author"]["bot"]]

    async def _found(self, text: str) -> dict[str, Any] | None:
        """The message that reads so: at the first level, else in a thread."""
        for thread in (None, *self._threads):
            params = {"person": self.ana.id, "channel": "general"} | ({"thread": thread} if thread else {})
            answer = await self.ana.http.get("/api/messages", params=params)
            for message in answer.json()["messages"] if answer.status_code == 200 else ():
                if message["text"].removeprefix("@Parley ") == text:
                    return dict(message)
        return None

    async def _question(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = await until(lambda: self._found(text), f"the question {text!r}")
        return found


async def _tries(doing: Coroutine[Any, Any, httpx.Response]) -> None:
    """The connection may break while one waits."""
    with contextlib.suppress(httpx.TransportError):
        assert (await doing).status_code < 500


@dataclass
class SlackRoom:
    """#general of a strict Slack."""

    slack: slack_emulator.Slack
    variables: dict[str, str]
    _asked: dict[str, slack_emulator.Message] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def serving(self, process: Process) -> AsyncIterator[None]:
        await self.slack.connected()
        yield
        if process.handle.returncode is not None:
            await self.slack.sockets.disconnected()

    async def asks(self, text: str, under: str = "") -> None:
        thread = self._asked[under].ts if under else None
        named = f"<@{self.slack.bot.id}> {text}"
        self._asked[text] = await self.slack.says("ada", self.slack.general, named, thread)

    async def says(self, text: str, under: str) -> None:
        await self.slack.says("ada", self.slack.general, text, self._asked[under].ts)

    async def is_taken(self, text: str) -> None:
        ts = self._asked[text].ts
        about = [it for it in self.slack.deliveries.all if it.event.get("ts") == ts]
        await self.slack.until(lambda: all(it.acked for it in about), PATIENCE)

    async def edits(self, text: str, now: str) -> None:
        self._asked[now] = self._asked[text]
        await self.slack.edits("ada", self._asked[text], f"<@{self.slack.bot.id}> {now}")

    async def deletes(self, text: str) -> None:
        await self.slack.deletes("ada", self._asked[text])

    async def deletes_untold(self, text: str) -> None:
        """Slack gives up telling anybody."""
        self.slack.deliveries.losing = True
        await self.deletes(text)
        self.slack.deliveries.losing = False

    async def presses(self, text: str, button: str) -> None:
        await self.slack.presses("ada", self._replies(text)[-1], f"parley_{button}")

    async def replies(self, text: str) -> list[Said]:
        return [Said(it.ts, slack_words.markdown(it), slack_words.is_final(it)) for it in self._replies(text)]

    def _replies(self, text: str) -> list[slack_emulator.Message]:
        root = self._asked[text]
        return self.slack.replies(root.channel, root.thread_ts or root.ts)

    async def audit(self, text: str, parts: int = 1) -> None:
        root = self._asked[text]
        ever = [it for it in self.slack.general.messages.values() if it.app_id == self.slack.app.id]
        assert len([it for it in ever if it.thread_ts == root.ts]) == parts, "a message too many was made"
        assert self.slack.open_streams() == []
        await self.slack.until(lambda: self.slack.status(root.channel, root.ts) == "", PATIENCE)
        await self.slack.settled()
        assert [sin for sin in self.slack.sins if sin.name != "not_acknowledged"] == []

    def calls(self) -> list[str]:
        return [f"{call.method} {call.outcome}" for call in self.slack.calls]

    def loses_the_answer(self, call: str, *, late: bool) -> Callable[[], Awaitable[bool]]:
        """The next ``call`` is carried out, ``late`` or at once, and never answered; tells whether it came."""
        fault = self.slack.fault(call, delay=1.0 if late else 0.0, hang="after")
        return _struck(fault)

    async def was_carried_out(self, call: str) -> bool:
        """Whether any ``call`` was, its answer lost or not."""
        return any(it.carried_out for it in self.slack.calls_of(call))

    def forgets(self) -> None:
        """For a moment nobody can read what stands in a thread."""
        self.slack.fault("conversations.replies", 2, status=503)
        self.slack.fault("conversations.replies", 1, retry_after=1.0, status=429)


@dataclass
class DiscordRoom:
    """#general of a strict Discord."""

    discord: discord_emulator.Discord
    variables: dict[str, str]
    _asked: dict[str, discord_emulator.Message] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def serving(self, process: Process) -> AsyncIterator[None]:
        await self.discord.connected()
        assert self.discord.gateway.asked_for == {"zstd-stream"}  # zlib is what bots in the tests' own process read
        yield
        if process.handle.returncode is not None:
            await self.discord.disconnected()
            self.discord.advance(5.5)  # Discord grants a new session every five seconds

    async def asks(self, text: str, under: str = "") -> None:
        where = self._asked[under].thread if under else self.discord.general
        assert where is not None
        message = await self.discord.says("ada", where, f"<@{self.discord.bot.id}> {text}")
        if under:
            message.thread = where
        self._asked[text] = message

    async def says(self, text: str, under: str) -> None:
        where = self._asked[under].thread
        assert where is not None
        await self.discord.says("ada", where, text)

    async def is_taken(self, text: str) -> None:
        """Discord is told nothing."""

    async def edits(self, text: str, now: str) -> None:
        self._asked[now] = self._asked[text]
        await self.discord.edits("ada", self._asked[text], f"<@{self.discord.bot.id}> {now}")

    async def deletes(self, text: str) -> None:
        await self.discord.deletes("ada", self._asked[text])

    async def deletes_untold(self, text: str) -> None:
        """Discord tells only who is connected, and nobody must be."""
        await self.deletes(text)

    async def presses(self, text: str, button: str) -> None:
        await self.discord.presses("ada", self._replies(text)[-1], button.title())

    async def replies(self, text: str) -> list[Said]:
        return [Said(it.id, discord_words.words(it), discord_words.is_final(it)) for it in self._replies(text)]

    def _replies(self, text: str) -> list[discord_emulator.Message]:
        thread = self._asked[text].thread
        found = self.discord.replies(thread) if thread is not None else []
        return [it for it in found if it.kind != discord_words.STARTER]

    async def audit(self, text: str, parts: int = 1) -> None:
        thread = self._asked[text].thread
        assert thread is not None
        ever = [it for it in thread.messages.values() if it.author is self.discord.bot]
        assert len([it for it in ever if it.kind != discord_words.STARTER]) == parts, "a message too many was made"
        assert not self.discord.is_typing(thread), self.calls()
        assert self.discord.sins == []

    def calls(self) -> list[str]:
        return [f"{call.route} {call.status}" for call in self.discord.calls]

    def loses_the_answer(self, call: str, *, late: bool) -> Callable[[], Awaitable[bool]]:
        """The next ``call`` is carried out, ``late`` or at once, and never answered; tells whether it came."""
        return _struck(self.discord.fault(call, delay=1.0 if late else 0.0, hang="after"))

    async def was_carried_out(self, call: str) -> bool:
        """Whether any ``call`` was, its answer lost or not."""
        return any(it.carried_out for it in self.discord.calls_of(call))

    def forgets(self) -> None:
        """For a while nobody can read what stands in a channel, and what was posted lately is remembered no more."""
        self.discord.fault("list_messages", 6, status=503)
        self.discord.advance(400)


def _struck(fault: faults.Fault) -> Callable[[], Awaitable[bool]]:
    async def struck() -> bool:
        return fault.hits > 0

    return struck


@contextlib.asynccontextmanager
async def room_of(surface: str) -> AsyncIterator[Room]:
    """A new room, on the surface of this name."""
    if surface == "web":
        yield WebRoom()
    elif surface == "discord":
        async with discord_emulator.Discord() as it:
            yield DiscordRoom(it, it.environment())
    else:
        # What was not acknowledged waits for the next connection, which comes with the next process.
        async with slack_emulator.Slack(limits=slack_emulator.Limits(ack_timeout=PATIENCE)) as that:
            streams = str(surface == "slack").lower()
            yield SlackRoom(that, {**that.environment(), "SLACK_NATIVE_STREAM": streams})
