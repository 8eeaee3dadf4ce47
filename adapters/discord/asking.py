"""Questions that no message was written for: ``ask`` as a command, and the entry in a message's menu.

The answer to the command is the question, in the person's name and for all to see; it is answered like any other
message of the channel. Where the bot is not in the channel, the answer to the command becomes the reply itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from adapters.discord.answers import MESSAGE, THINKING, Answers, public
from adapters.discord.dialect import escape, within
from adapters.discord.directory import Directory, Memory
from adapters.discord.inbound import DIRECT, Me, Press, title_of
from adapters.discord.places import Places
from bot.errors import ParleyError
from bot.events import Address, Event, MessageReceived
from bot.replies import Notice, Receipt

_NOT_TAKEN = Notice("That did not work just now. Please try again.", error=True)


class AskCore(Protocol):
    async def receive(self, event: Event) -> Receipt: ...


class Asking:
    """Puts questions. ``wall``: Unix seconds."""

    def __init__(
        self,
        core: AskCore,
        answers: Answers,
        places: Places,
        directory: Directory,
        me: Callable[[], Me],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core, self._answers, self._places, self._directory = core, answers, places, directory
        self._me, self._wall = me, wall
        self._cited: Memory[str] = Memory(1_000)

    def cite(self, message: Mapping[str, Any]) -> None:
        """Remember the words of a message until the question about it comes."""
        words = str(message.get("content") or "")
        snapshots = [
            str((it.get("message") or {}).get("content") or "") for it in message.get("message_snapshots") or ()
        ]
        author = message.get("author") or {}
        name = str(author.get("global_name") or author.get("username") or "somebody")
        text = "\n".join(part for part in (words, *snapshots) if part)
        self._cited.put(str(message["id"]), f"{name} wrote:\n{text}" if text else "")

    async def ask_about(self, press: Press, message: str, question: str) -> None:
        """A question about a message that was cited a moment ago."""
        cited = self._cited.get(message)
        if cited is None:
            await self._answers.tell(press, Notice("I no longer see that message. Please choose it again.", error=True))
            return
        quoted = "\n".join(f"> {line}" for line in cited.split("\n"))
        await self.ask(press, f"{question}\n\n{quoted}" if cited else question, question)

    async def ask(self, press: Press, text: str, said: str = "") -> None:
        """``said``: what others see of the question, when not all of it."""
        if press.is_guest:
            await self._ask_as_guest(press, text)
            return
        words = within(f"**{escape(press.author.name)}** asks: {said or text}"[:1_800], 2_000)
        message = await self._answers.first(press, MESSAGE, public(words))
        if message is None:
            return
        message = message or await self._answers.original(press)
        if not message:
            await self._answers.tell_more(press, _NOT_TAKEN)
            return
        id = str(message["id"])
        address = press.address
        if address.workspace != DIRECT and not address.thread:
            address = Address(address.platform, address.workspace, address.channel, id)
            self._directory.titles.put(id, title_of(said or text, self._me().name))
        receipt = await self._put(press, address, id, text)
        if not receipt.accepted:
            await self._answers.take_back(press)
            await self._answers.tell_more(press, receipt.notice or _NOT_TAKEN)

    async def _ask_as_guest(self, press: Press, text: str) -> None:
        if await self._answers.first(press, THINKING, {}) is None:
            return
        try:
            thread = await self._places.keep_hook(press.id, press.token)
        except ParleyError as error:
            await self._answers.tell_late(press, Notice(error.user_text, error=True))
            return
        address = Address(press.address.platform, press.address.workspace, press.address.channel, thread)
        receipt = await self._put(press, address, press.id, text)
        if not receipt.accepted:
            await self._answers.tell_late(press, receipt.notice or _NOT_TAKEN)

    async def _put(self, press: Press, address: Address, id: str, text: str) -> Receipt:
        question = MessageReceived(
            id=id,
            address=address,
            author=press.author,
            text=text,
            sent_at=self._wall(),
            mentions_bot=True,
            direct=press.direct,
            in_thread=bool(press.address.thread),
        )
        try:
            return await self._core.receive(question)
        except ParleyError as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))
