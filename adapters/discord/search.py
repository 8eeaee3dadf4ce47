"""Finds what a reply has already posted, by the mark in its buttons.

A part that is being written has the Stop button. Parts before it have none: they are the messages of ours above it,
up to the next that has buttons, and refer to the same message as it does, mostly to none. What was said to a command
refers to that command, and another reply of the same channel to another question: neither is ever written over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.discord.calls import Calls, Refused
from adapters.discord.controls import marks_in
from bot.errors import Gone

_PAGE = 100


async def own_parts(calls: Calls, channel: str, me: Callable[[], str], mark: str, question: str = "") -> Sequence[str]:
    """The message ids of the parts of ``mark``, in order, among the newest messages. Raises ``Unsent``, ``Gone``.

    ``me`` is asked for the bot's id once Discord has answered: before that it may not be known.
    """
    found = await newest(calls, channel)
    return parts_in(found, me(), mark, int(question) if question.isdigit() else 0)


async def newest(calls: Calls, channel: str, **query: str) -> list[Mapping[str, Any]]:
    """Messages of a channel, oldest first."""
    try:
        found = await calls.ask("GET", f"/channels/{channel}/messages", query={"limit": str(_PAGE)} | query)
    except Refused as refusal:
        raise Gone(f"messages: {refusal.code}") from refusal
    return sorted(found or [], key=lambda message: int(message["id"]))


def parts_in(messages: Sequence[Mapping[str, Any]], me: str, mark: str, after: int = 0) -> list[str]:
    """The parts of ``mark`` among messages in order, all newer than message ``after``. Pure."""
    own = [it for it in messages if is_mine(it, me) and int(it["id"]) > after]
    last = next((at for at in range(len(own) - 1, -1, -1) if mark in marks_in(own[at])), None)
    if last is None:
        return []
    found = [own[last]]
    for message in reversed(own[:last]):
        if _referred(message) != _referred(own[last]):
            continue
        if message.get("components"):
            break
        found.append(message)
    return [str(message["id"]) for message in reversed(found)]


def _referred(message: Mapping[str, Any]) -> str:
    """The message that this one is a reply to."""
    return str((message.get("message_reference") or {}).get("message_id") or "")


def is_mine(message: Mapping[str, Any], me: str) -> bool:
    return str((message.get("author") or {}).get("id")) == me and int(message.get("type") or 0) in (0, 19)
