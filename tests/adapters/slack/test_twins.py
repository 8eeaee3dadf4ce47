"""Slack tells a mention twice, as ``message`` and as ``app_mention``, and anything again that was not acknowledged: a
person hears once of it, and what is limited is counted once."""

from __future__ import annotations

import pytest

from tests.adapters.slack.conversing import Talk, script
from tests.emulators.slack import Message

LONG = "One sentence after another, calmly. " * 30


def told(talk: Talk, who: str = "ada") -> list[str]:
    """The notices that this person got."""
    return [notice.text for notice in talk.slack.ephemerals(who)]


async def again(talk: Talk, words: str) -> None:
    """Slack delivers everything once more whose text ends with these words."""
    for delivery in list(talk.slack.deliveries.all):
        if str(delivery.event.get("text")).endswith(words):
            talk.slack.deliveries.repeat(delivery)
    await talk.slack.settled()


async def in_a_thread(talk: Talk, text: str, root: Message) -> Message:
    return await talk.asks(text, thread_ts=root.ts)


async def thread_that_declines(talk: Talk) -> Message:
    root = await talk.asks("first")
    await talk.answered(root, talk.llm.default.text)
    await in_a_thread(talk, "!set busy ignore", root)
    await talk.settled()
    return root


async def test_who_asks_where_questions_are_declined_is_not_told_so_of_the_very_question_that_is_answered(
    talk: Talk,
) -> None:
    async with talk.bot():
        root = await thread_that_declines(talk)
        talk.llm.scripts.append(script(LONG, rate=60))
        await in_a_thread(talk, "a question", root)
        await talk.slack.settled()
        await again(talk, "a question")
        await talk.answered(root, LONG.strip(), 2)
        await again(talk, "a question")
    assert [text for text in told(talk) if "still answering" in text] == []
    assert len(talk.llm.seen) == 2


async def test_a_declined_question_is_declined_once_and_for_good(talk: Talk) -> None:
    async with talk.bot():
        root = await thread_that_declines(talk)
        talk.llm.scripts.append(script(LONG, rate=60))
        await in_a_thread(talk, "a question", root)
        await in_a_thread(talk, "too early", root)
        await talk.slack.settled()
        await talk.answered(root, LONG.strip(), 2)
        await again(talk, "too early")
    async with talk.bot():
        await again(talk, "too early")
        await talk.answered(await talk.asks("elsewhere"), talk.llm.default.text)
    assert len([text for text in told(talk) if "still answering" in text]) == 1
    assert len(talk.replies(root)) == 2


async def test_a_mention_counts_once_among_the_questions_of_a_minute_and_is_refused_once(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with talk.bot(user_turns_per_minute=2):
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
        await again(talk, "first")
        await in_a_thread(talk, "second", root)
        await talk.answered(root, talk.llm.default.text, 2)
        assert told(talk) == []
        await in_a_thread(talk, "third", root)
        await again(talk, "third")
    async with talk.bot(user_turns_per_minute=2):
        await again(talk, "third")
        await talk.answered(await talk.asks("elsewhere"), talk.llm.default.text)
    assert len([text for text in told(talk) if "a lot of questions" in text]) == len(told(talk)) == 1
    assert len(talk.replies(root)) == 2


async def test_a_command_is_not_carried_out_again_after_a_restart(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("first")
        await talk.answered(root, talk.llm.default.text)
        await in_a_thread(talk, "!set temperature 0.3", root)
        await in_a_thread(talk, "!set temperature 0.4", root)
        await talk.settled()
    assert len(told(talk)) == 2
    async with talk.bot():
        await again(talk, "temperature 0.3")
        await in_a_thread(talk, "second", root)
        await talk.answered(root, talk.llm.default.text, 2)
    assert len(told(talk)) == 2
    assert talk.llm.seen[-1].body["temperature"] == 0.4
