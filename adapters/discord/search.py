"""Finds what a reply has already posted, by the mark in its buttons.

A part that is being written has the Stop button. Parts before it have none: they are the messages of ours that stand
directly above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.discord.calls import Calls, Refused
from adapters.discord.controls import marks_in
from bot.errors import Gone

_PAGE = 100


async def own_parts(calls: Calls, channel: str, me: Callable[[], str], mark: str) -> Sequence[str]:
    """The message ids of the parts of ``mark``, in order, among the newest messages. Raises ``Unsent``, ``Gone``.

    ``me`` is asked for the bot's id once Discord has answered: before that it may not be known.
    """
    found = await newest(calls, channel)
    return parts_in(found, me(), mark)


async def newest(calls: Calls, channel: str, **query: str) -> list[Mapping[str, Any]]:
    """Messages of a channel, oldest first."""
    try:
        found = await calls.ask("GET", f"/channels/{channel}/messages", query={"limit": str(_PAGE)} | query)
    except Refused as refusal:
        raise Gone(f"messages: {refusal.code}") from refusal
    return sorted(found or [], key=lambda message: int(message["id"]))


def parts_in(messages: Sequence[Mapping[str, Any]], me: str, mark: str) -> list[str]:
    """The parts of ``mark`` among messages in order. Pure."""
    for at in range(len(messages) - 1, -1, -1):
        if _is_mine(messages[at], me) and mark in marks_in(messages[at]):
            first = at
            while first > 0 and _is_mine(messages[first - 1], me) and not messages[first - 1].get("components"):
                first -= 1
            return [str(message["id"]) for message in messages[first : at + 1]]
    return []


def _is_mine(message: Mapping[str, Any], me: str) -> bool:
    return str((message.get("author") or {}).get("id")) == me and int(message.get("type") or 0) in (0, 19)
