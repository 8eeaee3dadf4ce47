"""What Slack's own libraries print at their most talkative holds nobody's words, no name and no token."""

from __future__ import annotations

import io

import pytest

from tests.adapters.slack.conversing import Talk, script
from tests.stories.faults import logged_lines

log = pytest.fixture(logged_lines)


async def test_at_the_debug_level_of_everything_no_word_no_name_and_no_token_is_printed(
    talk: Talk, log: io.StringIO
) -> None:
    talk.slack.ada.name, talk.slack.ada.real_name = "zebraname", "Zebra Name"
    talk.llm.default = script("zebraanswer " * 40, rate=300)
    async with talk.bot():
        root = await talk.slack.says(talk.slack.ada, talk.slack.general, talk.named("zebraquestion?"))
        reply = await talk.answered(root, ("zebraanswer " * 40).strip())
        await talk.slack.command(talk.slack.ada, talk.slack.general, "/ai", "system zebrasystem")
        await talk.slack.presses(talk.slack.ada, reply, "parley_why")
        await talk.slack.opens_home(talk.slack.ada)
        talk.slack.fault("chat.update", 1, error="zebraerror")
        await talk.slack.edits(talk.slack.ada, root, talk.named("zebraedited?"))
        await talk.until(lambda: len(talk.llm.seen) == 2)
        talk.slack.sockets.drop()
        await talk.settled()
        await talk.slack.deletes(talk.slack.ada, root)
        await talk.settled()
    printed = log.getvalue().lower()
    assert '"logger": "slack' in printed, "Slack's libraries were heard"
    secrets = [value for name, value in talk.slack.environment().items() if not name.endswith("_URL")]
    assert [word for word in ("zebra", *secrets) if word.lower() in printed] == []
