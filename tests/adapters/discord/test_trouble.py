"""What goes wrong in Discord, on the way to it, and in this process: each question still gets one whole answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigurationError
from bot.reply import delivery
from tests.adapters.discord.conversing import Talk, asked, is_final, labels, process, words
from tests.emulators.discord import Discord, Message, Permission
from tests.emulators.llm import LlmEmulator, Script

TALE = "".join(f"Sentence number {number} of the tale. " for number in range(45)).strip()
CODE = "```python\n" + "\n".join(f"print({number:04})" for number in range(330)) + "\n```"


def together(talk: Talk, root: Message) -> str:
    """What all parts read, with single blanks."""
    return " ".join(" ".join(words(message) for message in talk.replies(root)).split())


async def told_whole(talk: Talk, text: str = TALE, within: float = 90.0, **script: Any) -> Message:
    """Ask, and see the whole text, once."""
    talk.llm.default = Script(text=text, **({"rate": 150.0} | script))
    root = await talk.asks("tell")

    def done() -> bool:
        replies = talk.replies(root)
        return bool(replies) and is_final(replies[-1]) and together(talk, root) == " ".join(text.split())

    with contextlib.suppress(TimeoutError):
        await talk.until(done, within)
    calls = [f"{call.route} {call.status} {call.code} {call.outcome}" for call in talk.discord.calls][-12:]
    assert together(talk, root) == " ".join(text.split()), calls
    await talk.settled()
    return root


@pytest.mark.parametrize("route", ["create_message", "edit_message"])
@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 503},
        {"status": 500},
        {"status": 502, "n": 2},
        {"reset": "before"},
        {"reset": "after"},
        {"status": 429, "retry_after": 0.8},
        {"status": 429, "retry_after": 0.8, "scope": "shared"},
        {"status": 429, "retry_after": 0.8, "scope": "cloudflare"},
        {"status": 429, "retry_after": 0.6, "scope": "global"},
    ],
    ids=lambda trouble: "-".join(str(value) for value in trouble.values()),
)
async def test_a_write_that_fails_is_made_again_and_the_text_stands_once(
    talk: Talk, route: str, trouble: dict[str, Any]
) -> None:
    async with talk.bot():
        talk.discord.fault(route, **trouble)
        root = await told_whole(talk)
        assert len(talk.replies(root)) == 1
        assert len(talk.llm.seen) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("route", ["create_message", "edit_message"])
async def test_an_answer_that_hangs_is_given_up_and_the_text_stands_once(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, route: str, moment: Any
) -> None:
    monkeypatch.setenv("DISCORD_TIMEOUT", "0.5")
    async with talk.bot():
        talk.discord.fault(route, hang=moment)
        root = await told_whole(talk)
        assert len(talk.replies(root)) == 1


async def test_a_text_that_was_whole_in_its_first_write_has_the_buttons_of_its_end_although_that_went_unanswered(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TIMEOUT", "2")
    talk.llm.default = Script(text="Yes.\n\n\n\n", rate=4)  # the answer ends while its first write hangs
    async with talk.bot():
        talk.discord.fault("create_message", hang="after")
        root = await talk.asks("tell")
        await talk.answered(root, "Yes.")
        assert len(talk.replies(root)) == 1


@pytest.mark.parametrize("trouble", [{"status": 503}, {"reset": "after"}, {"status": 429, "retry_after": 0.5}])
async def test_a_thread_whose_making_fails_is_made_again(talk: Talk, trouble: dict[str, Any]) -> None:
    async with talk.bot():
        talk.discord.fault("thread_from_message", **trouble)
        await told_whole(talk)
        assert len(talk.discord.threads(talk.discord.general)) == 1


async def test_a_thread_somebody_else_made_meanwhile_is_used(talk: Talk) -> None:
    talk.llm.default = Script(text="Found you.", ttft=0.3)
    async with talk.bot():
        talk.discord.latency(0.3, "thread_from_message")
        root = await talk.asks("tell")
        await talk.discord.opens_thread("ada", root, "mine")
        await talk.answered(root, "Found you.")


@pytest.mark.parametrize("length", [1_990, 2_000])
async def test_what_fits_into_one_message_comes_in_one(talk: Talk, length: int) -> None:
    text = f"```\n{'x' * (length - 8)}\n```"
    async with talk.bot():
        talk.llm.default = Script(text=text, rate=2_000)
        root = await talk.asks("code, please")
        await talk.answered(root, text)
        assert len(talk.replies(root)) == 1


async def test_a_code_block_over_the_limit_stays_code_in_every_part(talk: Talk) -> None:
    async with talk.bot():
        assert 2_000 < len(CODE) < 4_000
        talk.llm.default = Script(text=CODE, rate=2_000)
        root = await talk.asks("code, please")
        await talk.until(lambda: len(talk.replies(root)) == 2 and is_final(talk.replies(root)[-1]))
        parts = [words(message) for message in talk.replies(root)]
        assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)
        lines = [line for part in parts for line in part.split("\n")[1:-1]]
        assert lines == CODE.split("\n")[1:-1]


async def test_sixty_thousand_characters_arrive_whole_and_in_order(talk: Talk) -> None:
    text = "\n\n".join(f"Paragraph {number}: " + "words and more words, " * 8 for number in range(315))
    async with talk.bot():
        assert len(text) > 60_000
        root = await told_whole(talk, text, 90, rate=20_000)
        assert len(talk.replies(root)) > 30
        assert all(is_final(message) for message in talk.replies(root))
        sights = [talk.discord.edit_history(message) for message in talk.replies(root)]
        assert all(one[-1].at <= after[0].at for one, after in pairwise(sights))  # a finished part is not touched again
        assert [call for call in talk.discord.calls if call.status == 429] == []


BREAKS: dict[str, Callable[[Discord], object]] = {
    "drops": lambda discord: discord.drop(),
    "asks to reconnect": lambda discord: discord.ask_reconnect(),
    "takes the session away for a while": lambda discord: discord.invalidate(resumable=True),
    "takes the session away for good": lambda discord: discord.invalidate(resumable=False),
}


@pytest.mark.parametrize("how", BREAKS)
async def test_a_gateway_that_breaks_in_the_middle_changes_nothing(talk: Talk, how: str) -> None:
    talk.llm.default = Script(text=TALE, rate=150)
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.begun(root)
        BREAKS[how](talk.discord)
        talk.discord.advance(6)  # a new session is granted every five seconds
        await talk.answered(root, TALE)
        gateway = talk.discord.gateway
        await talk.until(lambda: gateway.resumed + gateway.identified == 2)
        talk.llm.default = Script(text="Still here.")
        assert root.thread is not None
        await talk.discord.says("ada", root.thread, "are you there?")
        await talk.answered(root, "Still here.", 2)


async def test_what_was_said_while_the_connection_was_away_is_answered_after_a_resume(talk: Talk) -> None:
    async with talk.bot():
        talk.discord.ask_reconnect()
        root = await talk.asks("did you hear that?")
        await talk.answered(root, talk.llm.default.text)
        await talk.until(lambda: talk.discord.gateway.resumed)


async def test_a_dispatch_that_cannot_be_read_ends_nothing(talk: Talk) -> None:
    async with talk.bot():
        for name in ("CHANNEL_UPDATE", "MESSAGE_CREATE", "INTERACTION_CREATE", "GUILD_ROLE_CREATE"):
            talk.discord.gateway.emit(name, {"guild_id": talk.discord.home.id, "nonsense": True})
        root = await talk.asks("still there?")
        await talk.answered(root, talk.llm.default.text)
        assert talk.discord.gateway.identified == 1


async def test_a_guild_joined_later_is_served_too(talk: Talk) -> None:
    async with talk.bot():
        guild = talk.discord.add_guild("later")
        lobby = talk.discord.add_channel("lobby", guild=guild)
        root = await talk.asks("hello", channel=lobby)
        await talk.answered(root, talk.llm.default.text)


async def test_a_thread_that_is_deleted_stops_the_answer(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=20)
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.begun(root)
        assert root.thread is not None
        talk.discord.delete_channel(root.thread)
        await talk.settled()
        await talk.llm.seen[0].over.wait()
        assert talk.llm.seen[0].left_early


async def test_a_reply_somebody_deleted_stops_the_answer_and_is_not_posted_again(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=20)
    async with talk.bot():
        root = await talk.asks("tell")
        growing = await talk.begun(root)
        await talk.discord.deletes("ada", growing)
        await talk.settled()
        await talk.llm.seen[0].over.wait()
        assert talk.llm.seen[0].left_early
        assert talk.replies(root) == []


@pytest.mark.parametrize("code", [50001, 50013])
async def test_a_bot_that_is_shut_out_in_the_middle_stops_and_asks_no_more(talk: Talk, code: int) -> None:
    talk.llm.default = Script(text=TALE, rate=20)
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.begun(root)
        if code == 50001:
            talk.discord.deny(talk.discord.general, Permission.VIEW_CHANNEL)
        else:
            talk.discord.fault("edit_message", status=403, code=code)
        await talk.settled()
        await talk.llm.seen[0].over.wait()
        assert talk.llm.seen[0].left_early
        assert len([call for call in talk.discord.calls_of("edit_message") if call.status == 403]) == 1


async def test_a_bot_that_is_removed_from_a_guild_in_the_middle_serves_the_others(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=20)
    other = talk.discord.add_guild("other")
    lobby = talk.discord.add_channel("lobby", guild=other)
    async with talk.bot():
        root = await talk.asks("tell", channel=lobby)
        await talk.begun(root)
        talk.discord.remove_bot(other)
        await talk.settled()
        await talk.llm.seen[0].over.wait()
        assert talk.llm.seen[0].left_early
        talk.llm.default = Script(text="Still here.")
        await talk.answered(await talk.asks("and here?"), "Still here.")


async def test_a_thread_locked_during_an_answer_is_opened_again_where_that_is_allowed(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=100)
    talk.discord.allow(talk.discord.general, Permission.MANAGE_THREADS)
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.begun(root)
        assert root.thread is not None
        talk.discord.lock(root.thread)
        await talk.answered(root, TALE)


async def test_a_thread_locked_and_closed_for_good_during_an_answer_is_said_in_its_channel_once(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE * 2, rate=150)
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.begun(root)
        assert root.thread is not None
        talk.discord.lock(root.thread)
        await talk.until(lambda: talk.replies(talk.discord.general))
        await talk.settled()
        (said,) = talk.replies(talk.discord.general)
        assert "locked" in said.content
        assert said.reference is not None
        assert said.reference["message_id"] == root.id


@pytest.mark.parametrize("place", ["thread", "post"])
async def test_a_thread_locked_for_good_during_an_answer_is_said_under_what_stands_of_it(
    talk: Talk, place: str
) -> None:
    talk.llm.default = Script(text=TALE * 2, rate=150)
    async with talk.bot():
        if place == "post":
            thread = await talk.discord.forum_post("ada", talk.discord.questions, "Help", talk.named("tell"))
        else:
            root = await talk.asks("tell")
            await talk.until(lambda: root.thread)
            assert root.thread is not None
            thread = root.thread
        await talk.begun(thread)
        talk.discord.lock(thread, archived=False)
        await talk.settled()
        (cut,) = talk.replies(thread)
        assert [("locked" in label) for label in labels(cut)] == [True]
        assert TALE.startswith(words(cut)[:500])
        assert talk.discord.buttons(cut) == []
        assert talk.replies(talk.discord.general) == []
        assert not talk.discord.is_typing(thread)


async def test_a_thread_archived_during_an_answer_is_opened_again_for_the_rest_of_it(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=100)
    async with talk.bot():
        root = await talk.asks("tell")
        await talk.begun(root)
        assert root.thread is not None
        talk.discord.archive(root.thread)
        await talk.answered(root, TALE)


async def test_a_word_the_server_blocks_is_said_in_place_of_the_answer(talk: Talk) -> None:
    talk.discord.home.blocked_words.add("xyzzy")
    talk.llm.default = Script(text="The magic word is xyzzy.")
    async with talk.bot():
        root = await talk.asks("magic?")
        await talk.until(lambda: "moderation" in "".join(talk.texts(root)))
        await talk.settled()


async def test_the_beginning_of_an_answer_whose_question_is_deleted_goes_although_its_own_answer_was_lost(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_BACKOFF", 5.0)  # the question is deleted before it is posted again
    talk.llm.default = Script(text="A long tale. " * 40, rate=20)
    async with talk.bot():
        talk.discord.fault("create_message", reset="after", n=10)
        root = await talk.asks("tell me")
        await talk.until(lambda: talk.replies(root))
        await talk.discord.deletes("ada", root)
        await talk.settled()
        await talk.until(lambda: talk.replies(root) == [])


async def test_a_question_that_is_deleted_before_its_thread_gets_nothing(talk: Talk) -> None:
    talk.llm.default = Script(text="Too late.", ttft=0.2)
    async with talk.bot():
        talk.discord.hold()
        root = await talk.asks("oops")
        await talk.discord.deletes("ada", root)
        talk.discord.release()
        await talk.until(lambda: talk.discord.calls_of("thread_from_message"))
        await talk.settled()
        assert talk.discord.replies(talk.discord.general) == []


async def test_without_the_content_intent_it_connects_and_answers_mentions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discord: Discord, llm: LlmEmulator
) -> None:
    discord.app.message_content = False
    talk = Talk(discord, llm, tmp_path / "data")
    async with talk.bot():
        root = await talk.asks("hello")
        await talk.answered(root, llm.default.text)
        assert root.thread is not None
        await discord.says("ada", root.thread, "not read")
        await discord.says("ada", root.thread, talk.named("read"))
        await talk.answered(root, llm.default.text, 2)
        assert asked(llm)[-1] == ("user", "Ada: read")


async def test_twenty_threads_at_once_are_all_answered_exactly(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE, rate=300, ttft=0.2)
    async with talk.bot():
        roots = [await talk.asks(f"question {number}") for number in range(20)]
        await talk.until(lambda: all(talk.texts(root) == [TALE] and is_final(talk.replies(root)[0]) for root in roots))
        await talk.settled()
        assert len([call for call in talk.discord.calls if call.status == 429]) == 0


async def test_a_bad_token_ends_the_start_with_the_fix(discord: Discord, llm: LlmEmulator, tmp_path: Path) -> None:
    talk = Talk(discord, llm, tmp_path / "data")
    failed = await process(talk, DISCORD_TOKEN="not-the-token")
    output, _ = await asyncio.wait_for(failed.communicate(), 60)
    assert failed.returncode == 2
    assert b"DISCORD_TOKEN: Discord refuses it" in output


@pytest.mark.parametrize(
    ("code", "variable"),
    [
        (4004, "DISCORD_TOKEN"),
        (4010, "DISCORD_SHARD_IDS"),
        (4011, "DISCORD_SHARD_COUNT"),
        (4012, "DISCORD_GATEWAY_URL"),
        (4013, "DISCORD_TOKEN"),
        (4014, "DISCORD_TOKEN"),
    ],
)
async def test_a_connection_that_is_closed_for_good_ends_the_start_with_the_fix(
    talk: Talk, code: int, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.gateway._IDENTIFY_EVERY", 0.0)
    talk.discord.gateway.refuses = code
    with pytest.raises(ConfigurationError) as refused:
        async with talk.bot():
            raise AssertionError("it lives")
    assert refused.value.variable == variable
    assert refused.value.fix


async def test_a_connection_that_is_closed_for_good_later_ends_the_process_with_the_fix(
    discord: Discord, llm: LlmEmulator, tmp_path: Path
) -> None:
    running = await process(Talk(discord, llm, tmp_path / "data"))
    try:
        await discord.connected()
        discord.gateway.refuses = 4004
        discord.drop()
        output, _ = await asyncio.wait_for(running.communicate(), 30)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 2
    assert b"DISCORD_TOKEN: Discord refuses it. On the application's page Bot choose Reset Token" in output


async def test_where_it_may_not_reply_it_answers_without_a_reference(talk: Talk) -> None:
    general = talk.discord.general
    talk.discord.deny(general, Permission.CREATE_PUBLIC_THREADS, Permission.READ_MESSAGE_HISTORY)
    async with talk.bot():
        await talk.asks("hello")
        answer = await talk.answered(general, talk.llm.default.text)
        assert answer.reference is None


async def test_a_form_discord_refuses_is_shown_as_bare_words(talk: Talk) -> None:
    talk.llm.default = Script(text="Words.")
    async with talk.bot():
        talk.discord.fault("create_message", status=400, code=50035)
        root = await talk.asks("hello")
        await talk.until(lambda: talk.texts(root) == ["Words."])
        await talk.settled()
    assert talk.discord.sin_names == ["invalid_form"]  # the fault's
    talk.discord.sins.clear()


async def test_slow_mode_is_waited_out(talk: Talk) -> None:
    talk.llm.default = Script(text=TALE * 2, rate=3_000)
    async with talk.bot():
        root = await talk.asks("tell", who="ada")
        await talk.begun(root)
        assert root.thread is not None
        talk.discord.slow_mode(root.thread, 2)
        await talk.until(lambda: len(talk.replies(root)) == 2 and is_final(talk.replies(root)[1]), 25)
        await talk.settled()


async def test_a_start_while_discord_is_away_goes_on_connecting(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.discord.run._START_PATIENCE", 0.2)
    talk.discord.fault("me", 3, status=503)
    async with talk.bot():
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)


async def test_a_gateway_that_is_busy_is_knocked_at_again_at_the_start_and_later(talk: Talk) -> None:
    talk.discord.gateway.busy = 1
    async with talk.bot():
        talk.discord.gateway.busy = 1
        talk.discord.drop()
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text, within=40)


async def test_a_channel_that_takes_no_posts_is_left_after_one_refusal(talk: Talk) -> None:
    async with talk.bot():
        talk.discord.deny(talk.discord.general, Permission.CREATE_PUBLIC_THREADS, Permission.SEND_MESSAGES)
        await talk.asks("anyone?")
        await talk.until(lambda: any(call.code == 50013 for call in talk.discord.calls_of("create_message")))
        await talk.settled()
