"""What people do with the bot in Discord, from the gateway to the last edit."""

from __future__ import annotations

import pytest

from tests.adapters.discord.conversing import Talk, asked, is_final, labels, notes, words
from tests.emulators.discord import Permission
from tests.emulators.llm import Script

LONG = "One sentence after another, calmly. " * 40


async def test_a_mention_is_answered_in_a_thread_named_after_it_word_for_word(talk: Talk) -> None:
    talk.llm.default = Script(text="Hello **world**, as `asked`.", ttft=0.05)
    async with talk.bot():
        root = await talk.asks("say hello to all of us")
        answer = await talk.answered(root, "Hello **world**, as `asked`.")
        assert root.thread is not None
        assert (root.thread.id, root.thread.name) == (root.id, "say hello to all of us")
        assert notes(answer) == []
        assert labels(answer) == ["Regenerate", "👍", "👎", "Why?"]
        assert asked(talk.llm) == [("user", "Ada: say hello to all of us")]
        assert talk.discord.pings == [] or {ping.by_app for ping in talk.discord.pings} == {False}


async def test_the_gateway_is_read_in_the_compression_that_an_installed_bot_asks_for(talk: Talk) -> None:
    async with talk.bot():
        await talk.answered(await talk.asks("hello"), talk.llm.default.text)
    assert talk.discord.gateway.asked_for == {"zlib-stream"}


async def test_the_answer_grows_on_the_screen_within_the_limits_of_the_channel(talk: Talk) -> None:
    talk.llm.default = Script(text=LONG, rate=80)
    async with talk.bot():
        root = await talk.asks("tell me a lot")
        answer = await talk.answered(root, LONG.strip())
        lengths = [len(sight.content) for sight in talk.discord.edit_history(answer)]
        assert len(lengths) > 3
        assert lengths == sorted(lengths)
        assert [call for call in talk.discord.calls if call.status == 429] == []


async def test_it_types_until_the_first_text_and_not_after(talk: Talk) -> None:
    talk.llm.default = Script(text="Here.", ttft=2.0)
    async with talk.bot():
        root = await talk.asks("take your time")
        await talk.until(lambda: root.thread and talk.discord.is_typing(root.thread))
        await talk.answered(root, "Here.")
        assert len(talk.discord.calls_of("typing")) == 1


async def test_a_follow_up_needs_no_mention_and_everybody_takes_part(talk: Talk) -> None:
    talk.llm.scripts.extend([Script(text="First."), Script(text="Second.")])
    async with talk.bot():
        root = await talk.asks("one")
        await talk.answered(root, "First.")
        assert root.thread is not None
        await talk.discord.says("grace", root.thread, "two")
        await talk.answered(root, "Second.", 2)
    assert asked(talk.llm) == [("user", "Ada: one"), ("assistant", "First."), ("user", "Grace: two")]


async def test_a_direct_message_needs_no_mention(talk: Talk) -> None:
    talk.llm.default = Script(text="Hi.")
    async with talk.bot():
        room = talk.discord.dm("ada")
        await talk.discord.says("ada", room, "hello there")
        await talk.answered(room, "Hi.")
        assert asked(talk.llm) == [("user", "hello there")]


async def test_a_forum_post_that_names_it_is_answered_inside(talk: Talk) -> None:
    talk.llm.default = Script(text="An answer.")
    async with talk.bot():
        post = await talk.discord.forum_post("ada", talk.discord.questions, "How?", talk.named("how does it work?"))
        await talk.answered(post, "An answer.")
        assert asked(talk.llm) == [("user", "Ada: how does it work?")]


async def test_summoned_into_a_thread_it_has_read_what_was_said_before_and_its_root(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.discord.says("ada", talk.discord.general, "The build is red since noon.")
        thread = await talk.discord.opens_thread("ada", root, "the build")
        await talk.discord.says("grace", thread, "Only on Linux.")
        await talk.discord.says("ada", thread, talk.named("any idea?"))
        await talk.answered(thread, talk.llm.default.text)
        assert talk.discord.calls_of("get_message") == []  # the thread's opening message brought it along
    assert asked(talk.llm) == [("user", "Ada: The build is red since noon.\nGrace: Only on Linux.\nAda: any idea?")]


async def test_a_mention_in_a_reply_to_somebody_has_read_what_it_replies_to(talk: Talk) -> None:
    async with talk.bot():
        said = await talk.discord.says("grace", talk.discord.general, "Entropy always grows.")
        root = await talk.asks("is that so?", reply_to=said)
        await talk.answered(root, talk.llm.default.text)
    assert asked(talk.llm) == [("user", "Ada: is that so?\n\nIn reply to Grace:\n> Entropy always grows.")]


async def test_the_same_message_delivered_twice_is_answered_once(talk: Talk) -> None:
    async with talk.bot():
        talk.discord.duplicate("MESSAGE_CREATE")
        root = await talk.asks("once, please")
        await talk.answered(root, talk.llm.default.text)
        assert (len(talk.replies(root)), len(talk.llm.seen)) == (1, 1)


async def test_everyone_is_not_the_bot_and_its_own_role_is(talk: Talk) -> None:
    async with talk.bot():
        await talk.discord.says("ada", talk.discord.general, "@everyone lunch!")
        role = next(role for role in talk.discord.home.roles.values() if role.bot_id)
        root = await talk.discord.says("ada", talk.discord.general, f"<@&{role.id}> are you there?")
        await talk.answered(root, talk.llm.default.text)
        assert len(talk.llm.seen) == 1
        assert asked(talk.llm) == [("user", "Ada: are you there?")]


async def test_an_edited_question_is_answered_again_in_place(talk: Talk) -> None:
    talk.llm.scripts.extend([Script(text="Old."), Script(text="New.")])
    async with talk.bot():
        root = await talk.asks("two and two")
        first = await talk.answered(root, "Old.")
        await talk.discord.resolves(root, "https://example.org")
        await talk.discord.edits("ada", root, talk.named("three and three"))
        assert await talk.answered(root, "New.") is first
        await talk.discord.resolves(root, "https://example.com")  # it still says when it was edited
        await talk.discord.pins(root)
        await talk.discord.says("ada", talk.discord.general, "not for the bot")
        await talk.settled()
        assert len(talk.llm.seen) == 2
        assert asked(talk.llm) == [("user", "Ada: three and three")]


async def test_a_deleted_question_takes_its_running_answer_with_it(talk: Talk) -> None:
    talk.llm.default = Script(text=LONG, rate=20)
    async with talk.bot():
        root = await talk.asks("talk")
        await talk.begun(root, 10)
        thread = root.thread
        await talk.discord.deletes("ada", root)
        await talk.until(lambda: thread is not None and talk.discord.replies(thread) == [])
        await talk.llm.seen[0].over.wait()
        assert talk.llm.seen[0].left_early


async def test_stop_keeps_what_was_written_and_marks_it(talk: Talk) -> None:
    talk.llm.default = Script(text=LONG, rate=20)
    async with talk.bot():
        root = await talk.asks("talk")
        growing = await talk.begun(root, 20)
        pressed = await talk.discord.presses("grace", growing, "Stop")
        assert not pressed.failed
        await talk.until(lambda: is_final(growing))
        assert notes(growing) == ["Stopped."]
        assert LONG.startswith(words(growing))
        await talk.llm.seen[0].over.wait()
        assert talk.llm.seen[0].left_early


async def test_regenerate_answers_in_the_same_message_and_versions_can_be_turned(talk: Talk) -> None:
    talk.llm.scripts.extend([Script(text="One."), Script(text="Two.")])
    async with talk.bot():
        root = await talk.asks("again and again")
        answer = await talk.answered(root, "One.")
        assert not (await talk.discord.presses("ada", answer, "Regenerate")).failed
        assert await talk.answered(root, "Two.") is answer
        assert not (await talk.discord.presses("ada", answer, "‹ 1/2")).failed
        await talk.answered(root, "One.")
        refused = await talk.discord.presses("grace", answer, "Regenerate")
        assert refused.original is not None
        assert refused.original.only_for == talk.discord.grace.id
        assert "Only the person who asked" in refused.original.content


async def test_feedback_and_why_are_told_to_one_person_only(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("question")
        answer = await talk.answered(root, talk.llm.default.text)
        thanks = await talk.discord.presses("grace", answer, "👍")
        why = await talk.discord.presses("grace", answer, "Why?")
        shown = [it.content for it in talk.discord.ephemerals("grace")]
        assert (thanks.response, why.response, len(shown)) == (4, 4, 2)
        assert shown[0] == "Thanks, noted."
        assert "gpt-oss" in shown[1]


async def test_without_threads_the_answer_is_a_reply_and_a_reply_to_it_goes_on(talk: Talk) -> None:
    talk.llm.scripts.extend([Script(text="First."), Script(text="Second."), Script(text="Third.")])
    general = talk.discord.general
    talk.discord.deny(general, Permission.CREATE_PUBLIC_THREADS)
    async with talk.bot():
        root = await talk.asks("one")
        first = await talk.answered(general, "First.")
        assert first.reference is not None
        assert first.reference["message_id"] == root.id
        await talk.discord.says("grace", general, "two", reply_to=first, ping=False)
        second = await talk.answered(general, "Second.", 2)
        await talk.discord.says("ada", general, "three", reply_to=second)
        await talk.answered(general, "Third.", 3)
    assert asked(talk.llm)[:3] == [("user", "Ada: one"), ("assistant", "First."), ("user", "Grace: two")]
    assert talk.discord.threads(general) == []


async def test_where_no_thread_can_be_made_that_is_not_tried_for_every_question(talk: Talk) -> None:
    general = talk.discord.general
    talk.discord.deny(general, Permission.CREATE_PUBLIC_THREADS)
    async with talk.bot():
        for number in range(1, 4):
            await talk.asks(f"question {number}")
            await talk.answered(general, talk.llm.default.text, number)
        assert len(talk.discord.calls_of("thread_from_message")) == 1


async def test_replies_can_be_the_setting(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_REPLIES", "reply")
    async with talk.bot():
        await talk.asks("one")
        answer = await talk.answered(talk.discord.general, talk.llm.default.text)
        assert answer.kind == 19
        assert talk.discord.calls_of("thread_from_message") == []


async def test_replies_in_one_channel_share_its_allowance_come_in_order_and_it_types_until_the_last(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_REPLIES", "reply")
    general = talk.discord.general
    async with talk.bot():
        questions = [await talk.asks(f"question {number}") for number in range(6)]
        await talk.until(lambda: len(talk.replies(general)) == 3)
        await talk.until(lambda: talk.discord.is_typing(general))
        await talk.until(lambda: len(talk.replies(general)) == 6 and all(map(is_final, talk.replies(general))))
        await talk.settled()
        answered = [it.reference["message_id"] for it in talk.replies(general) if it.reference is not None]
        assert answered == [question.id for question in questions]
        assert [call for call in talk.discord.calls if call.status == 429] == []
        assert not talk.discord.is_typing(general)


async def test_two_conversations_in_one_channel_do_not_mix(talk: Talk) -> None:
    talk.llm.scripts.extend([Script(text="For Ada."), Script(text="For Grace.")])
    async with talk.bot():
        ada = await talk.asks("one")
        await talk.answered(ada, "For Ada.")
        grace = await talk.asks("two", who="grace")
        await talk.answered(grace, "For Grace.")
    assert asked(talk.llm) == [("user", "Grace: two")]


async def test_nobody_is_pinged_and_no_preview_comes_up_whatever_the_model_writes(talk: Talk) -> None:
    text = f"@everyone @here <@{talk.discord.grace.id}> <@&{talk.discord.home.id}> https://example.org"
    talk.llm.default = Script(text=text, rate=20)
    async with talk.bot():
        root = await talk.asks("ping them all")
        await talk.until(lambda: talk.replies(root) and is_final(talk.replies(root)[0]))
        assert [ping for ping in talk.discord.pings if ping.by_app] == []
        assert talk.discord.previews == []
        assert "@everyone" not in talk.replies(root)[0].content


async def test_files_are_read_from_where_they_lie(talk: Talk) -> None:
    note = talk.discord.file("notes.txt", b"The launch is on Friday.")
    async with talk.bot():
        root = await talk.asks("when is the launch?", files=[note])
        await talk.answered(root, talk.llm.default.text)
    assert "The launch is on Friday." in str(asked(talk.llm))


async def test_commands_can_be_typed_as_messages(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("one")
        await talk.answered(root, talk.llm.default.text)
        assert root.thread is not None
        await talk.discord.says("ada", root.thread, "!set temperature 0.2")
        await talk.until(lambda: len(talk.replies(root)) == 2)
        told = talk.replies(root)[1]
        assert "0.2" in told.content
        assert told.reference is not None
        await talk.discord.says("ada", root.thread, "two")
        await talk.answered(root, talk.llm.default.text, 3)
        assert talk.llm.seen[-1].body["temperature"] == 0.2
