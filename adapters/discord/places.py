"""Where replies go: a thread, a chain of replies in a channel, a direct room, or an interaction's own answer.

A mention in a channel gets a thread made from its message, which then has the message's id. Where none can be made
(no permission, a channel without threads, or by setting) the answers are replies to the question. Making a thread is
begun with the working sign and awaited by the first text.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.discord.calls import Calls, Refused, Shut
from adapters.discord.dialect import CREATE, EDIT, HOOK, OLD_EDIT, bucket, way
from adapters.discord.directory import Directory, Memory
from adapters.discord.inbound import DIRECT, Me, seconds, title_of
from bot.errors import Gone, StoreError, SurfaceError, Unsent
from bot.events import Address
from bot.ports import Shelf, fenced
from bot.replies import Reply, Way

HOOK_PREFIX = "interaction-"
HOOK_LIFE = 870.0  # seconds; Discord grants 900
_CLOSING = 30.0  # last seconds of these, in which an answer that still grows gets its last word
_HOOKS = "interaction"
_OLD = 3_500.0  # seconds; edits of messages older than an hour are granted more sparingly
_ARCHIVE_AFTER = 1_440  # minutes
_BARRED_FOR = 60.0  # seconds
NO_MESSAGE = 10008
_NO_CHANNEL = 10003
_THREAD_EXISTS, _TITLE_BLOCKED = 160004, 200000
_ADMINISTRATOR, _VIEW, _WRITE, _MAKE_THREADS, _WRITE_IN_THREADS = 1 << 3, 1 << 10, 1 << 11, 1 << 35, 1 << 38
_TOKEN = re.compile(r"<[^<>\s]{1,60}>")


@dataclass(frozen=True, slots=True)
class Place:
    """``channel``: where messages are posted. ``reference``: the message they reply to. ``hook``: the address of an
    interaction's answers, which then are the only ones possible; ``is_closing``: not for much longer."""

    channel: str
    reference: str = ""
    hook: str = ""
    is_closing: bool = False

    @property
    def messages(self) -> str:
        return f"{self.hook or f'/channels/{self.channel}'}/messages"


class Places:
    """The places of one bot. ``wall``: Unix seconds."""

    def __init__(
        self,
        calls: Calls,
        directory: Directory,
        me: Callable[[], Me],
        shelf: Shelf,
        *,
        makes_threads: bool,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._calls, self._directory, self._me, self._shelf = calls, directory, me, shelf
        self._makes_threads, self._wall = makes_threads, wall
        self._known: Memory[bool] = Memory(20_000)  # by a conversation's thread: it is a thread (else a chain)
        self._barred: Memory[float] = Memory(5_000)  # channels where no thread can be made; until when that holds
        self._settling: dict[str, asyncio.Task[bool]] = {}

    async def of(self, reply: Reply) -> Place:
        """Raises ``Gone``, ``Unsent`` or ``SlowDown``."""
        address = reply.address
        if address.thread.startswith(HOOK_PREFIX):
            hook, left = await self._hook(address.thread)
            return Place(address.channel, hook=hook, is_closing=left < _CLOSING)
        if address.workspace == DIRECT or not address.thread:
            return Place(address.channel)
        if await self._is_thread(address, reply.question, fresh=not reply.parts):
            return Place(address.thread)
        return Place(address.channel, reference=reply.question)

    async def reading(self, address: Address) -> str:
        """The channel in which the messages of a conversation stand."""
        if address.workspace == DIRECT or not address.thread or address.thread.startswith(HOOK_PREFIX):
            return address.channel
        return address.thread if await self._is_thread(address, "", fresh=False) else address.channel

    def is_open(self, address: Address, permissions: int | None) -> bool:
        """A question put here could be answered by a message, as far as the bot's ``permissions`` tell, and what the
        server lists."""
        if permissions is None or address.workspace == DIRECT:
            return True
        permissions |= self._directory.guilds.permissions(address.channel) or 0
        if permissions & _ADMINISTRATOR:
            return True
        if address.thread:
            needed = _WRITE_IN_THREADS
        elif permissions & _MAKE_THREADS and permissions & _WRITE_IN_THREADS and self._can_make_thread(address.channel):
            needed = _MAKE_THREADS
        else:
            needed = _WRITE
        return bool(permissions & _VIEW and permissions & needed)

    def note(self, thread: str, is_thread: bool) -> None:
        """A message told what the conversation ``thread`` is."""
        self._known.put(thread, is_thread)

    async def keep_hook(self, interaction: str, token: str) -> str:
        """Let replies be shown as answers to this interaction; returns the conversation's thread."""
        until = self._wall() + HOOK_LIFE
        await self._shelf.put(_HOOKS, interaction, {"token": token, "until": until}, int(until))
        return HOOK_PREFIX + interaction

    async def sweep_hooks(self) -> None:
        """Forget the interactions whose time is over."""
        for id, value in await self._shelf.list(_HOOKS):
            if value["until"] < self._wall():
                await self._shelf.remove(_HOOKS, id)

    # --- ways

    def ways(self, address: Address, id: str | None) -> tuple[Way, ...]:
        """How the part with this message id (``None``: a new one) can be written."""
        if address.thread.startswith(HOOK_PREFIX):
            return (way("answer", HOOK, address.thread, counts=False),)
        where = self._counted(address)
        if id is None:
            return (way("create", CREATE, where),)
        is_old = self._wall() - seconds(id) > _OLD
        return (way("edit", OLD_EDIT if is_old else EDIT, where),)

    def key(self, address: Address, id: str | None) -> str:
        return self.ways(address, id)[0].tolls[0].key

    # --- inside

    def _counted(self, address: Address) -> str:
        """The channel whose allowances a reply shares: chains of replies share those of the channel they stand in."""
        if address.workspace == DIRECT or not address.thread:
            return address.channel
        known = self._known.get(address.thread)
        if known is None:
            known = self._directory.guilds.spot(address.thread) is not None or self._can_make_thread(address.channel)
        return address.thread if known else address.channel

    def _can_make_thread(self, channel: str) -> bool:
        if not self._makes_threads or (self._barred.get(channel) or 0.0) >= self._wall():
            return False
        permissions = self._directory.guilds.permissions(channel)
        if permissions is None or permissions & (_ADMINISTRATOR | _WRITE_IN_THREADS):
            return True
        # Discord makes threads also for those who may not write in them, and they would stay empty. Who may do neither
        # is told so: what a server lists is believed only as far as it has to be.
        return not permissions & _MAKE_THREADS

    async def _hook(self, thread: str) -> tuple[str, float]:
        """(its address, for how many seconds it is open)."""
        try:
            kept = await self._shelf.get(_HOOKS, thread.removeprefix(HOOK_PREFIX))
        except StoreError as error:
            raise Unsent("the interaction cannot be looked up") from error
        left = 0.0 if kept is None else kept["until"] - self._wall()
        if kept is None or left < 0:
            raise Gone("the interaction's time is over")
        return f"/webhooks/{self._me().app}/{kept['token']}", left

    async def _is_thread(self, address: Address, question: str, *, fresh: bool) -> bool:
        thread = address.thread
        known = self._known.get(thread)
        if known is not None:
            return known
        spot = self._directory.guilds.spot(thread)
        if spot is not None:
            return spot.is_thread
        task = self._settling.get(thread)
        if task is None:
            with fenced(None):  # it is the conversation's, and others wait for it too
                task = asyncio.create_task(self._settle(address, question, fresh), name="discord-place")
            self._settling[thread] = task
            task.add_done_callback(lambda done: self._settled(thread, done))
        found = await asyncio.shield(task)
        if found or question:  # who only reads does not decide that there will be no thread
            self._known.put(thread, found)
        return found

    def _settled(self, thread: str, task: asyncio.Task[bool]) -> None:
        self._settling.pop(thread, None)
        if not task.cancelled():
            task.exception()  # whoever still waits for it hears of it

    async def _settle(self, address: Address, question: str, fresh: bool) -> bool:
        if question == address.thread and self._can_make_thread(address.channel):
            is_made = await self._make_thread(address)
            if not is_made:
                self._barred.put(address.channel, self._wall() + _BARRED_FOR)
            return is_made
        if question == address.thread and fresh:
            return False
        try:
            await self._calls.ask("GET", f"/channels/{address.thread}")
        except Shut as shut:
            if shut.code in (_NO_CHANNEL, 0):
                return False
            raise
        except Refused as refusal:
            raise Gone(f"channel: {refusal.code}") from refusal
        return True

    async def _make_thread(self, address: Address) -> bool:
        path = f"/channels/{address.channel}/messages/{address.thread}/threads"
        key = bucket(CREATE, f"threads of {address.channel}")
        name = self._directory.titles.get(address.thread) or await self._title(address)
        for title in (name, self._me().name or "Conversation"):
            try:
                await self._calls.ask("POST", path, {"name": title, "auto_archive_duration": _ARCHIVE_AFTER}, key=key)
                return True
            except Refused as refusal:
                if refusal.code == _THREAD_EXISTS:
                    return True
                if refusal.code != _TITLE_BLOCKED:
                    return False  # too many threads, or a channel that has none
            except Shut as shut:
                if shut.code in (NO_MESSAGE, _NO_CHANNEL):
                    raise
                return False  # not permitted
        return False

    async def _title(self, address: Address) -> str:
        usual = self._me().name or "Conversation"
        try:
            found: Any = await self._calls.call("GET", f"/channels/{address.channel}/messages/{address.thread}")
        except SurfaceError:
            return usual
        return title_of(_TOKEN.sub("", str(found.get("content") or "")), usual)
