"""Answers to interactions: the first within three seconds, what takes longer behind it. All of them best effort.

An interaction is answered at addresses of its own, which need no token and count to no allowance of the bot.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from adapters.discord.calls import Calls, Refused, Shut
from adapters.discord.controls import EPHEMERAL, NOBODY, SUPPRESS_PREVIEWS, Component, notice_texts
from adapters.discord.inbound import Me, Press
from bot.errors import SlowDown, SurfaceError, Unsent
from bot.replies import Notice

MESSAGE, THINKING, DEFER, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
_UNSEEN = (CHOICES, MODAL)  # whether these arrived cannot be looked up
_RESPONDED = 40060
_PAUSES = (0.2, 0.6)  # seconds between tries
_LONGEST_PAUSE = 1.0


class Answers:
    """Answers the interactions of one bot."""

    def __init__(self, calls: Calls, me: Callable[[], Me]) -> None:
        self._calls, self._me = calls, me

    async def first(self, press: Press, kind: int, data: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The one initial response; the message it made, if any. ``None``: it did not arrive."""
        for pause in (*_PAUSES, None):
            try:
                return await self._respond(press, kind, data)
            except Refused as refusal:
                return {} if refusal.code == _RESPONDED else None
            except SlowDown as refusal:
                if pause is None or refusal.retry_after > _LONGEST_PAUSE:
                    return None
                await asyncio.sleep(refusal.retry_after)
            except Unsent:
                # It may have arrived, and there may be no second one.
                if kind in _UNSEEN:
                    return None
                if found := await self.original(press):
                    return found
                if pause is None:
                    return None
                await asyncio.sleep(pause)
            except SurfaceError:
                return None
        return None

    async def _respond(self, press: Press, kind: int, data: dict[str, Any] | None) -> dict[str, Any]:
        body: dict[str, Any] = {"type": kind} | ({"data": data} if data is not None else {})
        path = f"/interactions/{press.id}/{press.token}/callback"
        answer = await self._calls.call("POST", path, body, query={"with_response": "true"}, is_open=True)
        return ((answer or {}).get("resource") or {}).get("message") or {}

    async def original(self, press: Press) -> dict[str, Any]:
        """The message that the first response made; empty when it cannot be told."""
        try:
            found = await self._calls.call("GET", f"{self._hook(press)}/messages/@original", is_open=True)
        except SurfaceError:
            return {}
        return found or {}

    async def look_up(self, press: Press) -> dict[str, Any]:
        """The message that the first response made; empty when there is none. Raises ``SurfaceError``."""
        try:
            found = await self._calls.ask("GET", f"{self._hook(press)}/messages/@original", is_open=True)
        except Shut:
            return {}
        return found or {}

    async def tell(self, press: Press, notice: Notice, rows: Sequence[Component] = ()) -> None:
        """As the first response, for this person only."""
        texts = notice_texts(notice)
        await self.first(press, MESSAGE, private(texts[0], rows if len(texts) == 1 else ()))
        await self._more(press, texts[1:], rows)

    async def tell_late(self, press: Press, notice: Notice, rows: Sequence[Component] = ()) -> None:
        """After ``THINKING``: in place of the sign."""
        texts = notice_texts(notice)
        body = shown(texts[0], rows if len(texts) == 1 else ()) | {"flags": SUPPRESS_PREVIEWS}
        with contextlib.suppress(SurfaceError):
            await self._calls.call("PATCH", f"{self._hook(press)}/messages/@original", body, is_open=True)
        await self._more(press, texts[1:], rows)

    async def tell_more(self, press: Press, notice: Notice) -> None:
        """After any first response: one more message for this person only."""
        await self._more(press, notice_texts(notice), ())

    async def take_back(self, press: Press) -> None:
        """Remove the first response."""
        with contextlib.suppress(SurfaceError):
            await self._calls.call("DELETE", f"{self._hook(press)}/messages/@original", is_open=True)

    async def _more(self, press: Press, texts: Sequence[str], rows: Sequence[Component]) -> None:
        for number, text in enumerate(texts):
            with contextlib.suppress(SurfaceError):
                body = private(text, rows if number == len(texts) - 1 else ())
                await self._calls.call("POST", self._hook(press), body, is_open=True)

    def _hook(self, press: Press) -> str:
        return f"/webhooks/{self._me().app}/{press.token}"


def shown(text: str, rows: Sequence[Component] = ()) -> dict[str, Any]:
    return {"content": text, "components": list(rows), "allowed_mentions": {"parse": []}}


def private(text: str, rows: Sequence[Component] = ()) -> dict[str, Any]:
    return shown(text, rows) | {"flags": EPHEMERAL | SUPPRESS_PREVIEWS}


def public(text: str) -> dict[str, Any]:
    return {"content": text, "allowed_mentions": dict(NOBODY), "flags": SUPPRESS_PREVIEWS}
