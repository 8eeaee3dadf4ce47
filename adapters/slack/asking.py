"""Questions that no message was written for: ``ask`` as a slash command, and the message shortcut.

Slack shows neither to the channel, so the bot writes the question there in the person's name, and answers in its
thread like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from adapters.slack.calls import Calls
from adapters.slack.controls import QUESTION_EVENT
from adapters.slack.dialect import render
from adapters.slack.inbound import PLATFORM, Me
from adapters.slack.views import QUESTION, Place, read_place, values_in
from bot.errors import Gone, StoreError, SurfaceError
from bot.events import Address, Author, Event, MessageReceived
from bot.replies import Notice, Receipt

_NOT_HERE = "I am not in this channel. Invite me first: `/invite @{name}`"
_NOT_NOW = "Slack did not let me write here just now. Please try again in a moment."


class AskCore(Protocol):
    async def receive(self, event: Event) -> Receipt: ...


class Asking:
    """Puts questions in one workspace. ``wall``: Unix seconds."""

    def __init__(
        self, core: AskCore, calls: Calls, me: Callable[[], Me], wall: Callable[[], float] = time.time
    ) -> None:
        self._core, self._calls, self._me, self._wall = core, calls, me, wall

    async def ask(self, place: Place, author: Author, text: str, event_id: str) -> Receipt:
        """Write the question and take it; the receipt's notice says why not. Never raises ``ParleyError``."""
        try:
            ts = await self._write(place, author, text, event_id)
        except Gone:
            return Receipt(False, notice=Notice(_NOT_HERE.format(name=self._me().name), error=True))
        except SurfaceError:
            return Receipt(False, notice=Notice(_NOT_NOW, error=True))
        thread = place.thread or ("" if place.direct and not self._me().agent else ts)
        question = MessageReceived(
            id=ts,
            address=Address(PLATFORM, self._me().team, place.channel, thread),
            author=author,
            text=text,
            sent_at=self._wall(),
            mentions_bot=True,
            direct=place.direct,
            in_thread=bool(place.thread),
        )
        try:
            receipt = await self._core.receive(question)
        except StoreError as error:
            receipt = Receipt(False, notice=Notice(error.user_text, error=True))
        if not receipt.accepted:
            await self._calls.spend("chat.delete", channel=place.channel, ts=ts)
        return receipt

    async def submit(self, view: Mapping[str, Any], author: Author, event_id: str) -> dict[str, Any]:
        """What to acknowledge the shortcut's form with."""
        place, _ = read_place(str(view.get("private_metadata") or ""))
        text = dict(values_in(view)).get(QUESTION, "").strip()
        if not text:
            return {"response_action": "errors", "errors": {QUESTION: "Please write a question."}}
        receipt = await self.ask(place, author, text, event_id)
        if receipt.notice is not None and not receipt.accepted:
            return {"response_action": "errors", "errors": {QUESTION: receipt.notice.text[:150]}}
        return {"response_action": "clear"}

    async def _write(self, place: Place, author: Author, text: str, event_id: str) -> str:
        answer = await self._calls.call(
            "chat.postMessage",
            channel=place.channel,
            thread_ts=place.thread or None,
            markdown_text=render(f"**{author.name}** asks: {text}")[:11_000],
            metadata={"event_type": QUESTION_EVENT, "event_payload": {"event": event_id}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(answer["ts"])
