"""What people write, passed to the core in the order in which it was written, conversation by conversation.

Discord delivers an event once, several times, or (while nobody listens) never. Twins are recognised by their id; what
could not be taken is tried again for a while, because Discord does not send it again; and what was missed
(``adapters.discord.missed``) comes before what is said in the same channel after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from adapters.discord.calls import Calls
from adapters.discord.controls import NOBODY, SUPPRESS_PREVIEWS, nonce, notice_texts, settings_row
from adapters.discord.dialect import CREATE, bucket
from adapters.discord.directory import Directory, Memory
from adapters.discord.inbound import (
    Around,
    Me,
    deleted_fact,
    edited_fact,
    is_own,
    message_fact,
    title_of,
)
from adapters.discord.missed import Ear, Missed
from adapters.discord.places import Places
from bot.errors import Gone, ParleyError, StoreError, SurfaceError
from bot.events import Event, MessageReceived
from bot.ports import Shelf
from bot.replies import Notice, Receipt

log = structlog.get_logger("discord")

Json = Mapping[str, Any]

_LOOK = "LOOK"  # no dispatch: somebody waits until what was missed in the channel is read
_STORE_PAUSES = (0.3, 1.0, 3.0, 10.0, 20.0)


@dataclass(frozen=True, slots=True)
class _Item:
    """A dispatch in its channel's line, and the session it came in. ``over`` is set once its turn is."""

    ear: Ear
    session: int
    name: str
    data: Json
    over: asyncio.Event = field(default_factory=asyncio.Event)


class MessageCore(Protocol):
    async def receive(self, event: Event) -> Receipt: ...


class Listeners:
    """Takes the messages of one bot. ``wall``: Unix seconds."""

    def __init__(
        self,
        core: MessageCore,
        *,
        me: Callable[[], Me],
        calls: Calls,
        directory: Directory,
        places: Places,
        shelf: Shelf,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._me, self._calls, self._directory = core, me, calls, directory
        self._places = places
        self._missed = Missed(calls, directory, shelf, look=self._look, behind=self._behind, wall=wall)
        self._seen: Memory[bool] = Memory(20_000)
        self._queues: dict[str, asyncio.Queue[_Item]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._later: set[asyncio.Task[Any]] = set()
        self.is_open = True

    def session_began(self, shard: int) -> None:
        """A new session was welcomed: what was said before it has not been heard. To be called before what comes behind
        the welcome is taken; never waits."""
        if self.is_open:
            self._missed.begin(shard)

    def take(self, name: str, data: Json) -> None:
        """One dispatch; never waits."""
        if not self.is_open:
            return
        channel, ear = str(data["channel_id"]), self._missed.ear_of(data)
        if name == "MESSAGE_CREATE":
            id = str(data["id"])
            self._directory.heard(channel, id)
            ear.newest = max(ear.newest, int(id))
            if is_own(data, self._me()) or id in self._seen:
                return
            self._seen.put(id, True)
            ear.under_way.add(int(id))
        self._enqueue(channel, _Item(ear, ear.session, name, data))

    async def close(self) -> None:
        """Take no more; what was taken is finished within a moment."""
        self.is_open = self._missed.is_open = False
        tasks = [*self._workers.values(), *self._later]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=2)
            for task in late:
                task.cancel()
        await self._missed.close()

    # --- in order

    def _enqueue(self, channel: str, item: _Item) -> None:
        queue = self._queues.setdefault(channel, asyncio.Queue())
        queue.put_nowait(item)
        if channel not in self._workers:
            self._workers[channel] = asyncio.create_task(self._work(channel, queue), name="discord-messages")

    async def _look(self, ear: Ear, channel: str) -> None:
        """Have what was missed in a channel read in its turn."""
        item = _Item(ear, ear.session, _LOOK, {})
        self._enqueue(channel, item)
        await item.over.wait()

    async def _work(self, channel: str, queue: asyncio.Queue[_Item]) -> None:
        try:
            while not queue.empty():
                item = queue.get_nowait()
                if item.session == item.ear.session:  # what still waits from the session before is older
                    await item.ear.knows.wait()
                    async for message in self._missed.read(item.ear, channel):
                        id = str(message["id"])
                        if id not in self._seen and not is_own(message, self._me()):
                            self._seen.put(id, True)
                            item.ear.under_way.add(int(id))
                            await self._safely(item.ear, "MESSAGE_CREATE", message, missed=True)
                if item.name != _LOOK:
                    await self._safely(item.ear, item.name, item.data)
                item.over.set()
        finally:
            del self._workers[channel], self._queues[channel]

    async def _safely(self, ear: Ear, name: str, data: Json, *, missed: bool = False) -> None:
        try:
            await self._one(name, data, missed=missed)
        except Gone:
            log.info("a message of a channel that is closed to us was left")
        except Exception as error:  # one message that cannot be taken must not hold up the next
            log.error("a message could not be taken", dispatch=name, kind=type(error).__name__)
        # What could not be taken before the end is not in there: the next start reads it.
        if name == "MESSAGE_CREATE" and str(data["id"]) in self._seen:
            self._missed.done(ear, int(data["id"]))

    async def _one(self, name: str, data: Json, *, missed: bool) -> None:
        if name == "MESSAGE_CREATE":
            await self._created(data, missed=missed)
        elif name == "MESSAGE_UPDATE":
            if data.get("edited_timestamp") and not is_own(data, self._me()):
                await self._told(edited_fact(data, await self._around(data)))
        else:
            ids = data.get("ids") or [data.get("id")]
            for id in map(str, ids):
                spot = await self._directory.spot_of(data)
                root = self._directory.root_of(id)
                await self._told(deleted_fact(id, Around(self._me(), self._directory.guilds, spot, root)))

    async def _created(self, data: Json, *, missed: bool) -> None:
        data = await self._directory.with_cited(data)
        around = await self._around(data)
        fact = message_fact(data, around)
        self._note(data, fact, around)
        if fact is None:
            return
        receipt = await self._told(replace(fact, late=missed))
        if receipt is None:
            self._seen.drop(fact.id)
            return
        self._missed.hear(around.spot.id, around.spot.guild, int(fact.id), takes_part=receipt.accepted)
        if not missed:
            self._behind(self._answer(data, receipt))

    def _note(self, data: Json, fact: MessageReceived | None, around: Around) -> None:
        id, spot = str(data["id"]), around.spot
        if fact is not None and spot.guild:
            thread = fact.address.thread
            if spot.is_thread or thread != id:
                self._places.note(thread, spot.is_thread)
            else:
                self._directory.titles.put(id, title_of(fact.text, self._me().name))

    async def _around(self, data: Json) -> Around:
        me = self._me()
        spot = await self._directory.spot_of(data)
        root = "" if spot.is_thread or not spot.guild else await self._directory.root(data, me)
        return Around(me, self._directory.guilds, spot, root, self._directory.before(str(data["id"])))

    async def _told(self, fact: Event | None) -> Receipt | None:
        """The core's receipt, ``None`` when it could not take the event for a long while."""
        if fact is None:
            return Receipt(False)
        for pause in _STORE_PAUSES:
            try:
                return await self._core.receive(fact)
            except StoreError:
                if not self.is_open:
                    return None
                await asyncio.sleep(pause)
            except ParleyError as error:
                return Receipt(False, notice=Notice(error.user_text, error=True))
        try:
            return await self._core.receive(fact)
        except StoreError as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))

    # --- notices

    async def _answer(self, data: Json, receipt: Receipt) -> None:
        """What the core has to say to a message that is no question: a reply that pings nobody."""
        if receipt.notice is None and not receipt.form:
            return
        notice = receipt.notice or Notice("The settings of this conversation:")
        channel, id = str(data["channel_id"]), str(data["id"])
        texts = notice_texts(notice)
        for number, text in enumerate(texts):
            body: dict[str, Any] = {"content": text, "allowed_mentions": dict(NOBODY), "flags": SUPPRESS_PREVIEWS}
            body |= {"nonce": nonce(f"notice {id}", number, channel), "enforce_nonce": True}
            body["message_reference"] = {"message_id": id, "fail_if_not_exists": False}
            if receipt.form and number == len(texts) - 1:
                body["components"] = settings_row()
            try:
                await self._calls.ask("POST", f"/channels/{channel}/messages", body, key=bucket(CREATE, channel))
            except SurfaceError:
                return

    def _behind(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work, name="discord-behind")
        self._later.add(task)
        task.add_done_callback(self._later.discard)
