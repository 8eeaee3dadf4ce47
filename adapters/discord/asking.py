"""Questions that no message was written for: ``ask`` as a command, and the entry in a message's menu.

The answer to the command is the question, in the person's name and for all to see; it is answered like any other
message of the channel. Where the bot is not in the channel, or may not write there, the answer to the command becomes
the reply itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from adapters.discord.answers import MESSAGE, THINKING, Answers, public
from adapters.discord.controls import EPHEMERAL
from adapters.discord.dialect import HARD_LIMIT, escape, within
from adapters.discord.directory import Directory, Memory
from adapters.discord.inbound import DIRECT, Around, Me, Press, Spot, files_in, quoted, title_of
from adapters.discord.places import HOOK_LIFE, Places
from bot.errors import ParleyError, StoreError, SurfaceError
from bot.events import Address, Author, AuthorKind, Event, File, MessageReceived
from bot.ports import Shelf
from bot.replies import Notice, Receipt

_ASKED = "asked"
_DEADLINE = 3.0  # seconds; a later first response to an interaction is refused by Discord
_MOST_SHOWN = 1_800  # characters of a question; what shows it may be longer than what was written
_PATIENCE = 1.5  # seconds of these for the store
_NOT_TAKEN = Notice("That did not work just now. Please try again.", error=True)


class AskCore(Protocol):
    async def receive(self, event: Event) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class _Question:
    """``said``: what others see of it. ``at``: Unix seconds."""

    text: str
    said: str
    at: float
    files: tuple[File, ...] = ()


class Asking:
    """Puts questions. ``wall``: Unix seconds."""

    def __init__(
        self,
        core: AskCore,
        answers: Answers,
        places: Places,
        directory: Directory,
        shelf: Shelf,
        me: Callable[[], Me],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._answers, self._places, self._directory = core, answers, places, directory
        self._shelf, self._me, self._wall = shelf, me, wall
        self._cited: Memory[tuple[str, tuple[File, ...]]] = Memory(1_000)

    def cite(self, press: Press, message: Mapping[str, Any]) -> None:
        """Remember a message until the question about it comes."""
        place = press.address
        spot = Spot(place.channel, "" if place.workspace == DIRECT else place.workspace, 0)
        text = quoted(message, Around(self._me(), self._directory.guilds, spot), "> {} wrote:\n")
        self._cited.put(str(message["id"]), (text, files_in(message)))

    async def ask_about(self, press: Press, message: str, question: str) -> None:
        """A question about a message that was cited a moment ago."""
        cited = self._cited.get(message)
        if cited is None:
            await self._answers.tell(press, Notice("I no longer see that message. Please choose it again.", error=True))
            return
        text, files = cited
        text = f"{question}\n\n{text}" if text else question
        await self._ask(press, _Question(text, question, self._wall(), files))

    async def ask(self, press: Press, text: str) -> None:
        await self._ask(press, _Question(text, text, self._wall()))

    async def _ask(self, press: Press, question: _Question) -> None:
        if press.is_guest or not self._places.is_open(press.address, press.permissions):
            await self._answer_within(press, question)
            return
        # Kept before it is shown: a process that dies in between leaves a question which the next one can find.
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._shelf.put(_ASKED, press.id, _kept(press, question), int(question.at))
        except (StoreError, TimeoutError):
            await self._answers.tell(press, _NOT_TAKEN)
            return
        words = f"**{escape(press.author.name)}** asks: {question.said}"
        words = words if len(words) <= _MOST_SHOWN else words[: _MOST_SHOWN - 1] + "…"
        message = await self._answers.first(press, MESSAGE, public(within(words, HARD_LIMIT)))
        if message is not None:
            await self._take(press, question, message or await self._answers.original(press))
        with contextlib.suppress(StoreError):
            await self._shelf.remove(_ASKED, press.id)

    async def take_up(self) -> None:
        """Put the questions that stand for all to see, but were not taken by the process that showed them. Raises
        ``StoreError``."""
        for id, kept in await self._shelf.list(_ASKED):
            press, question = _found(id, kept)
            age = self._wall() - question.at
            if age < HOOK_LIFE:
                await asyncio.sleep(min(_DEADLINE, max(0.0, _DEADLINE - age)))
                try:
                    message = await self._answers.look_up(press)
                except SurfaceError:
                    continue  # the next start looks again
                if message and not int(message.get("flags") or 0) & EPHEMERAL:
                    await self._take(press, question, message)
            await self._shelf.remove(_ASKED, id)

    async def _take(self, press: Press, question: _Question, message: Mapping[str, Any]) -> None:
        """The question stands as this message."""
        receipt = Receipt(False)
        if message:
            id, address = str(message["id"]), press.address
            if address.workspace != DIRECT and not address.thread:
                address = Address(address.platform, address.workspace, address.channel, id)
                self._directory.titles.put(id, title_of(question.said, self._me().name))
            receipt = await self._put(press, address, id, question)
        if not (receipt.accepted or receipt.duplicate):
            await self._answers.take_back(press)
            await self._answers.tell_more(press, receipt.notice or _NOT_TAKEN)

    async def _answer_within(self, press: Press, question: _Question) -> None:
        if await self._answers.first(press, THINKING, {}) is None:
            return
        try:
            thread = await self._places.keep_hook(press.id, press.token)
        except ParleyError as error:
            await self._answers.tell_late(press, Notice(error.user_text, error=True))
            return
        address = Address(press.address.platform, press.address.workspace, press.address.channel, thread)
        receipt = await self._put(press, address, press.id, question)
        if not receipt.accepted:
            await self._answers.tell_late(press, receipt.notice or _NOT_TAKEN)

    async def _put(self, press: Press, address: Address, id: str, question: _Question) -> Receipt:
        event = MessageReceived(
            id=id,
            address=address,
            author=press.author,
            text=question.text,
            files=question.files,
            sent_at=question.at,
            mentions_bot=True,
            direct=press.direct,
            in_thread=bool(press.address.thread),
        )
        try:
            return await self._core.receive(event)
        except ParleyError as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))


def _kept(press: Press, question: _Question) -> dict[str, Any]:
    kept = {"token": press.token, "address": asdict(press.address), "author": asdict(press.author)}
    return kept | {"direct": press.direct, "question": asdict(question)}


def _found(id: str, kept: Mapping[str, Any]) -> tuple[Press, _Question]:
    author = Author(**kept["author"] | {"kind": AuthorKind(kept["author"]["kind"])})
    address = Address(**kept["address"])
    press = Press(id, kept["token"], 0, author, address, kept["direct"], {})
    question = _Question(**kept["question"])
    return press, replace(question, files=tuple(File(**it) for it in kept["question"]["files"]))
