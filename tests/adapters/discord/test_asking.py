"""Questions put by command or about a message: whoever sees one sees its answer, or is told why there is none."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bot.errors import StoreError
from tests.adapters.discord.conversing import Talk, asked, process
from tests.adapters.discord.test_interactions import registered, told
from tests.emulators.discord import Discord, Permission
from tests.emulators.llm import LlmEmulator


@pytest.mark.parametrize(
    "missing",
    [
        (Permission.VIEW_CHANNEL,),
        (Permission.SEND_MESSAGES, Permission.SEND_MESSAGES_IN_THREADS),
        (Permission.SEND_MESSAGES, Permission.CREATE_PUBLIC_THREADS),
    ],
    ids=lambda missing: "-".join(permission.name for permission in missing),
)
async def test_ask_is_answered_in_its_own_response_where_the_bot_may_not_write(
    talk: Talk, missing: tuple[Permission, ...]
) -> None:
    general = talk.discord.general
    talk.discord.deny(general, *missing)
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", general, "ai ask", {"text": "anyone here?"})
        await talk.answered(general, talk.llm.default.text)
        assert talk.replies(general) == [used.original]
        assert talk.discord.threads(general) == []
        assert [call.code for call in talk.discord.calls if call.status == 403] == []


@pytest.mark.parametrize("missing", [Permission.SEND_MESSAGES, Permission.SEND_MESSAGES_IN_THREADS])
async def test_ask_is_answered_where_the_bot_may_write_in_threads_only_or_in_the_channel_only(
    talk: Talk, missing: Permission
) -> None:
    general = talk.discord.general
    talk.discord.deny(general, missing)
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", general, "ai ask", {"text": "anyone here?"})
        question = used.original
        assert question is not None
        if missing is Permission.SEND_MESSAGES:
            await talk.answered(question, talk.llm.default.text)
        else:
            await talk.answered(general, talk.llm.default.text, 2)
            assert question.thread is None


async def test_ask_in_a_thread_where_the_bot_may_not_write_is_answered_in_its_own_response(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        thread = await talk.discord.opens_thread("ada", talk.discord.general, "ours")
        talk.discord.deny(talk.discord.general, Permission.SEND_MESSAGES_IN_THREADS)
        used = await talk.discord.command("ada", thread, "ai ask", {"text": "anyone here?"})
        await talk.answered(thread, talk.llm.default.text)
        assert talk.replies(thread) == [used.original]


async def test_where_the_bot_may_not_write_in_threads_a_mention_is_answered_in_the_channel(talk: Talk) -> None:
    general = talk.discord.general
    async with talk.bot():
        talk.discord.deny(general, Permission.SEND_MESSAGES_IN_THREADS)
        root = await talk.asks("anyone?")
        answer = await talk.answered(general, talk.llm.default.text)
        assert answer.reference is not None
        assert answer.reference["message_id"] == root.id
        assert talk.discord.threads(general) == []


async def test_a_question_shown_by_a_process_that_dies_of_it_is_answered_by_the_next_start_once(
    discord: Discord, llm: LlmEmulator, tmp_path: Path
) -> None:
    talk = Talk(discord, llm, tmp_path / "data")
    first = await process(talk)
    await discord.connected()
    await registered(talk)
    discord.fault("interaction_callback", hang="after")
    asking = asyncio.create_task(discord.command("grace", discord.general, "ai ask", {"text": "Will you answer this?"}))
    await talk.until(lambda: talk.replies(discord.general))
    first.send_signal(signal.SIGKILL)
    await first.wait()
    question = (await asking).original
    assert question is not None
    await discord.disconnected()
    discord.advance(6)
    second = await process(talk)
    try:
        await talk.answered(question, llm.default.text)
        assert question.thread is not None
        assert question.thread.name == "Will you answer this?"
    finally:
        second.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(second.wait(), 60) == 0
    discord.advance(6)
    async with talk.bot():
        await talk.answered(await talk.asks("and this?"), llm.default.text)
        assert len(talk.replies(question)) == 1
    assert [text for _, text in asked(llm, 0)] == ["Grace: Will you answer this?"]
    assert len(llm.seen) == 2
    assert discord.sins == []


async def test_a_question_too_long_to_be_shown_ends_with_a_sign_of_that_and_is_asked_whole(talk: Talk) -> None:
    text = "x " * 1_500 + "and that is all"
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": text})
        assert used.original is not None
        assert used.original.content.endswith("x…") or used.original.content.endswith("x …")
        await talk.answered(used.original, talk.llm.default.text)
    assert asked(talk.llm) == [("user", f"Ada: {text}")]


async def test_a_question_that_cannot_be_kept_is_not_shown(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreError("away")

    async with talk.bot() as opened:
        await registered(talk)
        shelf = opened.adapters[0]._shelf  # type: ignore[attr-defined]  # this surface's own
        monkeypatch.setattr(type(shelf), "put", away)
        await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "psst"})
        assert "try again" in told(talk)[-1]
        assert talk.replies(talk.discord.general) == []
