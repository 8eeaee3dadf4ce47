"""The provider misbehaves, seen from Discord: what came stays, a sentence says the rest, and a button mends it."""

from __future__ import annotations

import pytest

from tests.adapters.discord.conversing import Talk, is_final, labels, notes, words
from tests.emulators.discord import Message
from tests.emulators.llm import Script
from tests.emulators.llm_script import split_tokens
from tests.stories.faults import NEVER_SEEN, rate_limit, refusal

TEXT = "The **first half** stands here, and the second half never came to be read by anybody at all. " * 4


async def outcome(talk: Talk) -> tuple[Message, Message]:
    """(the question, its one reply, with nothing of the provider's own words in it)."""
    root = await talk.asks("tell")
    await talk.until(lambda: talk.replies(root) and is_final(talk.replies(root)[0]))
    await talk.settled()
    (reply,) = talk.replies(root)
    assert [word for word in NEVER_SEEN if word in reply.content] == []
    assert root.thread is not None
    assert not talk.discord.is_typing(root.thread)
    return root, reply


@pytest.mark.parametrize(
    "once", [refusal(500), refusal(503), rate_limit("requests", retry_after="1"), Script(fault="closed")]
)
async def test_a_fault_that_passes_is_not_noticed(talk: Talk, once: Script) -> None:
    talk.llm.scripts.append(once)
    talk.llm.default = Script(text=TEXT)
    async with talk.bot():
        _, reply = await outcome(talk)
        assert (words(reply), notes(reply)) == (TEXT.strip(), [])
        assert labels(reply)[0] == "Regenerate"


@pytest.mark.parametrize(
    "always", [rate_limit("requests", retry_after="3600"), refusal(500), refusal(401), refusal(404, "model_not_found")]
)
async def test_a_fault_that_stays_is_a_sentence_with_a_retry_that_answers_in_the_same_message(
    talk: Talk, always: Script
) -> None:
    talk.llm.default = always
    async with talk.bot(llm_fallback_models=()):
        root, reply = await outcome(talk)
        assert reply.content.endswith((".", ")"))
        assert labels(reply) == ["Retry"]
        talk.llm.default = Script(text="Fine now.")
        assert not (await talk.discord.presses("ada", reply, "Retry")).failed
        assert await talk.answered(root, "Fine now.") is reply


@pytest.mark.parametrize("fault", ["reset", "close", "end", "malformed", "error_event"])
async def test_what_came_before_a_cut_stays_with_a_note_and_is_made_again_in_the_same_message(
    talk: Talk, fault: str
) -> None:
    talk.llm.default = Script(text=TEXT, fault=fault, after=40, rate=100)
    async with talk.bot():
        root, reply = await outcome(talk)
        assert words(reply).replace("*", "") == "".join(split_tokens(TEXT)[:40]).strip().replace("*", "")
        assert words(reply).count("**") % 2 == 0
        assert len(notes(reply)) == 1
        talk.llm.default = Script(text="Whole now.")
        assert not (await talk.discord.presses("ada", reply, "Regenerate")).failed
        assert await talk.answered(root, "Whole now.") is reply
        assert notes(reply) == []
