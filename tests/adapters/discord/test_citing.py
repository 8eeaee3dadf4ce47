"""What a question points at is read with it: the message it replies to, the root of its thread, what it is about."""

from __future__ import annotations

from tests.adapters.discord.conversing import Talk, asked
from tests.adapters.discord.test_interactions import registered
from tests.emulators.discord import Attachment

SECRET = "The secret word is marmalade."


def notes(talk: Talk) -> Attachment:
    return talk.discord.file("notes.txt", SECRET.encode())


def newest(talk: Talk) -> str:
    """What was asked last, as the model reads it."""
    return asked(talk.llm)[-1][1]


async def test_a_file_is_read_with_the_reply_to_it(talk: Talk) -> None:
    general = talk.discord.general
    async with talk.bot():
        bare = await talk.discord.says("grace", general, "", files=[notes(talk)])
        root = await talk.asks("what is the secret word?", reply_to=bare)
        await talk.answered(root, talk.llm.default.text)
        assert newest(talk).startswith("Ada: what is the secret word?\n\nIn reply to Grace:\n> [file: notes.txt]\n")
        assert SECRET in newest(talk)
        said = await talk.discord.says("grace", general, "my notes", files=[notes(talk)])
        root = await talk.asks("and here?", reply_to=said)
        await talk.answered(root, talk.llm.default.text)
        assert "In reply to Grace:\n> my notes\n> [file: notes.txt]\n" in newest(talk)
        assert SECRET in newest(talk)


async def test_a_forwarded_message_is_read_with_the_reply_to_it(talk: Talk) -> None:
    general = talk.discord.general
    async with talk.bot():
        source = await talk.discord.says("grace", general, "The moon is cheese.")
        forward = await talk.discord.forwards("grace", source, general)
        root = await talk.asks("is it true?", reply_to=forward)
        await talk.answered(root, talk.llm.default.text)
    assert newest(talk) == "Ada: is it true?\n\nIn reply to Grace:\n> Forwarded:\n> > The moon is cheese."


async def test_a_file_is_read_with_the_question_about_it(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        said = await talk.discord.says("grace", talk.discord.general, "see file", files=[notes(talk)])
        opened = await talk.discord.context_menu("ada", said, "Ask about this")
        assert opened.modal is not None
        sent = await talk.discord.submits(opened.modal, {"question": "What does it say?"})
        assert sent.original is not None
        await talk.answered(sent.original, talk.llm.default.text)
    assert newest(talk).startswith("Ada: What does it say?\n\n> Grace wrote:\n> see file\n> [file: notes.txt]\n")
    assert SECRET in newest(talk)


async def test_the_files_of_a_thread_it_is_summoned_into_are_read(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.discord.says("grace", talk.discord.general, "", files=[notes(talk)])
        thread = await talk.discord.opens_thread("grace", root, "look")
        await talk.discord.says("grace", thread, "any thoughts?")
        await talk.discord.says("ada", thread, talk.named("what does the file say?"))
        await talk.answered(thread, talk.llm.default.text)
        assert SECRET in newest(talk)
        before = newest(talk)
        await talk.discord.says("ada", thread, "and now?")
        await talk.answered(thread, talk.llm.default.text, 2)
        assert asked(talk.llm)[0][1] == before


async def test_a_file_that_others_talked_about_meanwhile_is_read_once(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
        assert root.thread is not None
        said = await talk.discord.says("grace", root.thread, f"<@{talk.discord.ada.id}> look", files=[notes(talk)])
        await talk.discord.says("ada", root.thread, talk.named("what does it say?"), reply_to=said)
        await talk.answered(root, talk.llm.default.text, 2)
    assert str(asked(talk.llm)).count(SECRET) == 1


async def test_in_a_thread_a_reply_says_which_message_it_means_unless_that_is_the_one_before(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("hello")
        answer = await talk.answered(root, talk.llm.default.text)
        thread = root.thread
        assert thread is not None
        await talk.discord.says("ada", thread, "go on", reply_to=answer)
        await talk.answered(root, talk.llm.default.text, 2)
        assert newest(talk) == "Ada: go on"
        ada = f"<@{talk.discord.ada.id}>"
        meant = await talk.discord.says("grace", thread, f"{ada} I think bananas are blue.")
        await talk.discord.says("grace", thread, f"{ada} and noisy.")
        await talk.discord.says("ada", thread, talk.named("is this right?"), reply_to=meant)
        await talk.answered(root, talk.llm.default.text, 3)
        assert newest(talk).endswith("Ada: is this right?\n\nIn reply to Grace:\n> @Ada I think bananas are blue.")
        await talk.discord.says("ada", thread, "no, this", reply_to=answer)
        await talk.answered(root, talk.llm.default.text, 4)
        assert newest(talk) == f"Ada: no, this\n\nIn reply to parley:\n> {talk.llm.default.text}"


async def test_in_a_direct_room_a_reply_brings_back_what_was_said_before_a_new_beginning(talk: Talk) -> None:
    room = talk.discord.dm("ada")
    async with talk.bot():
        said = await talk.discord.says("ada", room, "The code is 4711.")
        await talk.answered(room, talk.llm.default.text)
        await talk.discord.says("ada", room, "!new")
        await talk.until(lambda: len(talk.replies(room)) == 2)
        await talk.discord.says("ada", room, "what is the code?", reply_to=said)
        await talk.answered(room, talk.llm.default.text, 3)
    assert asked(talk.llm) == [("user", "what is the code?\n\nIn reply to Ada:\n> The code is 4711.")]
