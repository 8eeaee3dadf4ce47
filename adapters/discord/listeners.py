"""What people write, passed to the core in the order in which it was written, conversation by conversation.

Discord delivers an event once, several times, or (while nobody listens) never. Twins are recognised by their id; what
could not be taken is tried again for a while, because Discord does not send it again; and what was missed is read from
the history when a new session begins. How far everything was heard is noted behind what was taken, never before it: a
message that was under way when the process died is read again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
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
    id_at,
    is_own,
    message_fact,
    title_of,
)
from adapters.discord.places import Places
from adapters.discord.search import newest
from bot.errors import Gone, ParleyError, StoreError, SurfaceError
from bot.events import Event, MessageReceived
from bot.ports import Shelf
from bot.replies import Notice, Receipt

log = structlog.get_logger("discord")

Json = Mapping[str, Any]

MISSED = 900.0  # seconds; older questions are not answered after a restart
_HEARD = "heard"
_HEARD_EVERY = 20.0  # seconds between two notes of how far a channel was heard
_KNOWN_CHANNELS = 50
_EVERYWHERE = "0"  # the message up to which all were taken, wherever they were written
_STORE_PAUSES = (0.3, 1.0, 3.0, 10.0, 20.0)


class MessageCore(Protocol):
    async def receive(self, event: Event) -> Receipt: ...


class Listeners:
    """Takes the messages of one bot. ``shards``: those of this process, if not all. ``wall``: Unix seconds."""

    def __init__(
        self,
        core: MessageCore,
        *,
        me: Callable[[], Me],
        calls: Calls,
        directory: Directory,
        places: Places,
        shelf: Shelf,
        shards: str = "",
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._me, self._calls, self._directory = core, me, calls, directory
        self._places, self._shelf, self._wall = places, shelf, wall
        self._everywhere = f"{_EVERYWHERE} {shards}".strip()
        self._seen: Memory[bool] = Memory(20_000)
        self._queues: dict[str, asyncio.Queue[tuple[str, Json]]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._later: set[asyncio.Task[Any]] = set()
        self._heard: dict[str, tuple[str, float]] = {}
        self._under_way: set[int] = set()
        self._newest = 0
        self._is_caught_up = False
        self._is_ready = asyncio.Event()  # set when the first session knows where it has to begin to read
        self.is_open = True

    def take(self, name: str, data: Json) -> None:
        """One dispatch; never waits."""
        if not self.is_open:
            return
        channel = str(data["channel_id"])
        if name == "MESSAGE_CREATE":
            id = str(data["id"])
            self._directory.heard(channel, id)
            self._newest = max(self._newest, int(id))
            if is_own(data, self._me()) or id in self._seen:
                return
            self._seen.put(id, True)
            self._under_way.add(int(id))
        self._enqueue(channel, name, data)

    async def close(self) -> None:
        """Take no more; what was taken is finished within a moment."""
        self.is_open = False
        tasks = [*self._workers.values(), *self._later]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=2)
            for task in late:
                task.cancel()
        if self._is_caught_up:
            self._heard[self._everywhere] = self._taken_to(), 0.0
        for channel, (id, _) in list(self._heard.items()):
            await self._keep_heard(channel, id)

    # --- in order

    def _enqueue(self, channel: str, name: str, data: Json) -> None:
        queue = self._queues.setdefault(channel, asyncio.Queue())
        queue.put_nowait((name, data))
        if channel not in self._workers:
            self._workers[channel] = asyncio.create_task(self._work(channel, queue), name="discord-messages")

    async def _work(self, channel: str, queue: asyncio.Queue[tuple[str, Json]]) -> None:
        try:
            await self._is_ready.wait()
            while not queue.empty():
                name, data = queue.get_nowait()
                try:
                    await self._one(name, data)
                except Gone:
                    log.info("a message of a channel that is closed to us was left")
                except Exception as error:  # one message that cannot be taken must not hold up the next
                    log.error("a message could not be taken", name=name, kind=type(error).__name__)
                if name == "MESSAGE_CREATE":
                    self._done_with(str(data["id"]))
        finally:
            del self._workers[channel], self._queues[channel]

    async def _one(self, name: str, data: Json) -> None:
        if name == "MESSAGE_CREATE":
            await self._created(data)
        elif name == "MESSAGE_UPDATE":
            if data.get("edited_timestamp") and not is_own(data, self._me()):
                await self._told(edited_fact(data, await self._around(data)))
        else:
            ids = data.get("ids") or [data.get("id")]
            for id in map(str, ids):
                spot = await self._directory.spot_of(data)
                root = self._directory.root_of(id)
                await self._told(deleted_fact(id, Around(self._me(), self._directory.guilds, spot, root)))

    async def _created(self, data: Json, *, missed: bool = False) -> None:
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
        if receipt.accepted or around.spot.id in self._heard:
            self._hear(around.spot.id, fact.id)
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

    # --- what was missed

    def _done_with(self, id: str) -> None:
        if id not in self._seen:  # it could not be taken before the end: the next start reads it
            return
        self._under_way.discard(int(id))
        if self._is_caught_up:
            self._hear(self._everywhere, self._taken_to())

    def _taken_to(self) -> str:
        """The message up to which nothing is left to be taken."""
        return str(min(self._under_way) - 1 if self._under_way else self._newest)

    def _hear(self, channel: str, id: str) -> None:
        _, noted = self._heard.get(channel, ("", 0.0))
        now = time.monotonic()
        is_due = now - noted > _HEARD_EVERY
        self._heard[channel] = (id, now if is_due else noted)
        if is_due:
            self._behind(self._keep_heard(channel, id))
        if len(self._heard) > 5_000:
            self._heard.pop(next(iter(self._heard)))

    async def _keep_heard(self, channel: str, id: str) -> None:
        try:
            await self._shelf.put(_HEARD, channel, {"last": id}, int(self._wall()))
        except StoreError:
            log.warning("how far a channel was heard is not kept: the database is away")

    async def catch_up(self) -> int:
        """Read what was written to us while nobody listened, once each; returns how many messages were looked at."""
        self._is_caught_up = False
        begins = await self._missed_since()
        self._is_ready.set()
        count = 0
        for channel, after in begins.items():
            try:
                count += await self._read_missed(channel, after)
            except (ParleyError, KeyError):
                log.info("what was missed in a channel cannot be read")
        self._is_caught_up = True
        await self._keep_heard(self._everywhere, self._taken_to())
        return count

    async def _missed_since(self) -> dict[str, int]:
        """channel → the message up to which it was heard, or the oldest that may be answered late."""
        guilds, oldest = self._directory.guilds, int(id_at(self._calls.now(self._wall()) - MISSED))
        self._newest = max(self._newest, 1, *(int(guilds.newest(it) or 0) for it in guilds.newer(0, 1)))
        while True:
            try:
                rows = await self._shelf.list(_HEARD, after=int(self._wall() - 86_400), limit=1_000)
                kept = await self._shelf.get(_HEARD, self._everywhere)
                if kept is None:  # the very first start: whatever comes now is not older than this
                    await self._shelf.put(_HEARD, self._everywhere, {"last": self._taken_to()}, int(self._wall()))
                break
            except StoreError:
                if not self.is_open:
                    return {}
                await asyncio.sleep(_STORE_PAUSES[0])
        heard = {id: int(value["last"]) for id, value in rows if id.partition(" ")[0] != _EVERYWHERE}
        begins = {
            channel: max(int(self._heard[channel][0]) if channel in self._heard else last, oldest)
            for channel, last in list(heard.items())[-_KNOWN_CHANNELS:]
        }
        if kept is not None:
            alive = max(int(kept["last"]), oldest)
            for channel in guilds.newer(alive, _KNOWN_CHANNELS):
                begins.setdefault(channel, alive)
        return begins

    async def _read_missed(self, channel: str, after: int) -> int:
        known = self._directory.guilds.newest(channel)
        if known and int(known) <= after:
            return 0
        spot = await self._directory.spot(channel)
        held = await newest(self._calls, channel, after=str(after))
        for message in held:
            data = dict(message) | ({"guild_id": spot.guild} if spot.guild else {})
            id = str(data["id"])
            if id not in self._seen and not is_own(data, self._me()):
                self._seen.put(id, True)
                await self._created(data, missed=True)
        return len(held)
