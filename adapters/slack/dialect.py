"""Slack's markup and limits, as data. Pure.

Replies are sent as standard Markdown, which Slack draws itself. Rendering changes one thing: nothing the model
writes can ping anybody. Budgets keep ``burst + 60 s of rate`` at what Slack grants in any minute, so that a well
paced bot is not refused; they are counted as Slack counts them, by workspace and method. Twenty people who ask at the
same time in one channel are answered at once: sixteen by streams, four by posts. Ending streams is not
held back: as many end as were started, and an ended answer is what people wait for.
"""

from __future__ import annotations

import re

from bot.replies import Budget, Dialect, Toll, Way

PART_LIMIT = 9_000  # bytes; a native stream holds about 10,600, the blocks of a message 13,200 characters together
HARD_LIMIT = 12_000  # characters of Markdown in one message
_NOTIFICATION = 3_500  # bytes; an edit whose text is longer than 4,000 is refused

_PING = re.compile(r"<(!(?:channel|here|everyone|subteam|group)|@(?=[UWB][A-Z0-9]{2}))", re.IGNORECASE)
_UNFINISHED_WORD = re.compile(r"\s+\S{0,80}\Z|&[a-z]{0,3}\Z")
_UNFINISHED_PING = re.compile(r"<(?:![A-Za-z]{0,8}|@[A-Za-z0-9]{0,3})?\Z")

START = Budget("chat.startStream", rate=1 / 15, burst=16, reserve=1)
APPEND = Budget("chat.appendStream", rate=1.25, burst=25, reserve=2)
STOP = Budget("chat.stopStream", rate=1 / 3, burst=20, reserve=0)
POST = Budget("chat.postMessage", rate=0.95, burst=4, reserve=1)
UPDATE = Budget("chat.update", rate=0.6, burst=14, reserve=4)


def render(text: str) -> str:
    """Break every mention that would ping with a zero-width space; where that would make the text too long, drop its
    bracket instead."""
    if "<" not in text:
        return text
    broken = _PING.sub("<\u200b\\1", text)
    return broken if len(broken) <= HARD_LIMIT else _PING.sub(r"\1", text)


def hold_back(text: str) -> str:
    """``text`` without an ending that may still become a mention: what was appended cannot be changed any more."""
    return _UNFINISHED_PING.sub("", text)


def weigh(text: str) -> int:
    """Bytes of UTF-8, which is how streams are counted, and never less than any count of characters."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def escape(text: str) -> str:
    """``text`` as it stands, for fields in Slack's own markup (mrkdwn)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notification(text: str) -> str:
    """The words of a reply for notifications and screen readers, which read no blocks: all of it where it fits."""
    words = escape(text.strip())
    if weigh(words) <= _NOTIFICATION:
        return words or "…"
    head = words.encode(errors="replace")[: _NOTIFICATION - len("…".encode())].decode(errors="ignore")
    return _UNFINISHED_WORD.sub("", head) + "…"


def way(name: str, team: str, channel: str, *budgets: Budget) -> Way:
    """One manner of writing and its tolls. Posts are counted by channel, everything else by workspace."""
    return Way(name, tuple(Toll(budget, bucket(budget.name, team, channel)) for budget in budgets))


def bucket(method: str, team: str, channel: str) -> str:
    """The key under which calls of ``method`` are counted."""
    key = f"slack:{team}:{method}"
    return f"{key}:{channel}" if method == POST.name else key


SLACK = Dialect("slack", part_limit=PART_LIMIT, weigh=weigh, render=render, spacing=1.0)
