"""How the workspace behaves, as data: its own generous limits, or an imitation of Slack's or of Discord's.

A ``Behaviour`` joins what the core is told (``Dialect``, write budgets) with what the workspace enforces. Budgets
stay below the enforced windows, so only a core that paces badly is ever refused. The imitation of Slack edits
messages in place; its native streams are not imitated. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.web import discord_text, slack_text
from adapters.web.windows import Window
from bot.events import Address
from bot.replies import Budget, Dialect, Toll, Way


@dataclass(frozen=True, slots=True)
class Allowance:
    """One kind of write. ``counted``: by what the platform counts it (a Discord thread is a channel of its own)."""

    way: str
    budget: Budget
    counted: Literal["workspace", "channel", "thread"] = "workspace"
    window: Window | None = None

    def key(self, behaviour: str, address: Address) -> str:
        """The bucket this write is counted in, for the core's pacing and for refusals alike."""
        key = f"web:{behaviour}:{self.budget.name}"
        if self.counted == "channel":
            return f"{key}:{address.channel}"
        return f"{key}:{address.channel}:{address.thread}" if self.counted == "thread" else key

    def way_in(self, behaviour: str, address: Address) -> Way:
        """This write as the core's pacing sees it."""
        return Way(self.way, (Toll(self.budget, self.key(behaviour, address)),))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One set of manners. ``text_chars``: the longest message of a person; ``hard_limit``: the longest rendered
    text of the bot, in the dialect's unit."""

    name: str
    dialect: Dialect
    create: Allowance
    update: Allowance
    text_chars: int
    hard_limit: int


def _own(name: str, rate: float, burst: int, reserve: int) -> Budget:
    """A budget of rooms that nobody but this process writes to."""
    return Budget(name, rate, burst, reserve, private=True)


WEB = Behaviour(
    name="web",
    dialect=Dialect("web", part_limit=12_000, weigh=len, render=str, spacing=0.25),
    create=Allowance("post", _own("post", rate=100, burst=200, reserve=50)),
    update=Allowance("edit", _own("edit", rate=400, burst=800, reserve=200)),
    text_chars=40_000,
    hard_limit=1_000_000,
)

SLACK = Behaviour(
    name="slack",
    dialect=Dialect("slack", part_limit=slack_text.PART_LIMIT, weigh=len, render=slack_text.render, spacing=1.2),
    create=Allowance(
        "post", _own("chat.postMessage", rate=1.0, burst=4, reserve=2), counted="channel", window=Window(10, 5.0)
    ),
    update=Allowance("edit", _own("chat.update", rate=50 / 60, burst=10, reserve=3), window=Window(65, 60.0)),
    text_chars=40_000,
    hard_limit=slack_text.HARD_LIMIT,
)

DISCORD = Behaviour(
    name="discord",
    dialect=Dialect("discord", part_limit=discord_text.PART_LIMIT, weigh=len, render=discord_text.render, spacing=1.2),
    create=Allowance("post", _own("create", rate=0.6, burst=2, reserve=1), counted="thread", window=Window(5, 5.0)),
    update=Allowance("edit", _own("edit", rate=0.6, burst=2, reserve=1), counted="thread", window=Window(5, 5.0)),
    text_chars=2_000,
    hard_limit=discord_text.HARD_LIMIT,
)

BEHAVIOURS = {behaviour.name: behaviour for behaviour in (WEB, SLACK, DISCORD)}
