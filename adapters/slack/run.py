"""Opens Slack as one of the bot's surfaces: ``configured``, ``open`` and ``check``.

slack-bolt is imported when the adapter is opened, and not before: whoever runs without Slack starts without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.slack.config import CoreConfig, check_together, is_meant, read_config
from bot.errors import ConfigurationError
from bot.ports import Check, Shelf

if TYPE_CHECKING:
    from adapters.slack.adapter import SlackAdapter
    from adapters.slack.listeners import Core


def configured(config: CoreConfig) -> bool:
    """One of the tokens is set. Raises ``ConfigurationError``."""
    return is_meant(read_config())


def open(bot: Core, config: CoreConfig) -> SlackAdapter:
    """The adapter, not started. Raises ``ConfigurationError``."""
    slack = read_config()
    check_together(slack)
    from adapters.slack.adapter import SlackAdapter

    return SlackAdapter(bot, config, slack)


async def check(config: CoreConfig, shelf: Shelf | None = None) -> Sequence[Check]:
    """The doctor's lines. ``shelf``: where the installations of many workspaces are."""
    try:
        slack = read_config()
        if not is_meant(slack):
            return [Check("Slack", True, "not configured")]
        check_together(slack)
    except ConfigurationError as error:
        return [Check("Slack", False, f"{error.variable}: {error.problem}", error.fix)]
    from adapters.slack.examination import examine

    return await examine(slack, config, shelf)
