"""The model's Markdown as a Slack-like room shows it: standard Markdown, but nobody can be pinged. Pure.

Lengths in code points.
"""

from __future__ import annotations

import re

PART_LIMIT = 11_800
HARD_LIMIT = 12_000

_PING = re.compile(r"<(!(?:channel|here|everyone|subteam)\b|@)")


def render(text: str) -> str:
    """Break every ``<!channel>``-like mention with a zero-width space; where that would make the text too long, drop
    its bracket instead."""
    broken = _PING.sub("<\u200b\\1", text)
    return broken if len(broken) <= HARD_LIMIT else _PING.sub(r"\1", text)
