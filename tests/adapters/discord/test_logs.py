"""What discord.py prints at its most talkative holds nobody's words, no name and no token."""

from __future__ import annotations

import io

import pytest

from tests.adapters.discord.conversing import Talk
from tests.emulators.llm import Script
from tests.stories.faults import logged_lines

log = pytest.fixture(logged_lines)


async def test_at_the_debug_level_of_everything_no_word_no_name_and_no_token_is_printed(
    talk: Talk, log: io.StringIO
) -> None:
    ada = talk.discord.ada
    ada.name = "zebraname"
    talk.llm.default = Script(text="zebraanswer " * 40, rate=300)
    async with talk.bot():
        root = await talk.discord.says(ada, talk.discord.general, talk.named("zebraquestion?"))
        reply = await talk.answered(root, ("zebraanswer " * 40).strip())
        await talk.discord.command(ada, talk.discord.general, "ai system", {"text": "zebrasystem"})
        await talk.discord.presses(ada, reply, "Why?")
        await talk.discord.edits(ada, root, talk.named("zebraedited?"))
        await talk.until(lambda: len(talk.llm.seen) == 2)
        talk.discord.drop()
        await talk.settled()
        await talk.discord.connected()
        await talk.discord.deletes(ada, root)
        await talk.settled()
    printed = log.getvalue().lower()
    assert '"logger": "discord' in printed, "discord.py was heard"
    assert [word for word in ("zebra", talk.discord.environment()["DISCORD_TOKEN"]) if word.lower() in printed] == []
