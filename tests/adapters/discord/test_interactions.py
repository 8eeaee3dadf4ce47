"""Commands, completion, forms and menus: each answered in time, to one person, and the same after a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.discord import places
from adapters.discord.answers import THINKING
from tests.adapters.discord.conversing import Talk, asked, is_final, labels, words
from tests.emulators.discord import Permission
from tests.emulators.discord.limits import Flag
from tests.emulators.llm import Script


async def registered(talk: Talk) -> None:
    await talk.until(lambda: talk.discord.state.commands.get(""))


def told(talk: Talk, who: str = "ada") -> list[str]:
    return [message.content for message in talk.discord.ephemerals(who)]


async def test_the_registry_becomes_one_command_and_is_registered_once(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        names = {command["name"] for command in talk.discord.state.commands[""].values()}
        assert names == {"ai", "Ask about this"}
        await talk.until(lambda: len(talk.discord.calls_of("sync_commands")) == 1)
    async with talk.bot():
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
    async with talk.bot(command_name="bot"):
        await talk.until(lambda: len(talk.discord.calls_of("sync_commands")) == 2)


async def test_a_command_is_answered_to_its_person_only(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai help")
        assert (used.response, used.failed) == (4, False)
        assert "set KEY" in told(talk)[0]


async def test_a_setting_made_by_command_counts_in_the_channel(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        await talk.discord.command("ada", talk.discord.general, "ai set", {"key": "temperature", "value": "0.3"})
        assert "0.3" in told(talk)[-1]
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
        assert talk.llm.seen[-1].body["temperature"] == 0.3
        refused = await talk.discord.command(
            "grace", talk.discord.general, "ai set", {"key": "temperature", "value": "0.4", "where": "workspace"}
        )
        assert not refused.failed
        assert "Only admins" in told(talk, "grace")[-1]


async def test_completion_offers_commands_keys_values_and_the_models_there_are(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        general = talk.discord.general
        keys = await talk.discord.autocompletes("ada", general, "ai set", "key", "temp")
        assert [choice["value"] for choice in keys] == ["temperature"]
        models = await talk.discord.autocompletes("ada", general, "ai model", "id", "gpt")
        assert models
        assert all("gpt" in choice["value"] for choice in models)
        values = await talk.discord.autocompletes("ada", general, "ai set", "value", "", {"key": "reasoning_effort"})
        assert {"low", "medium", "high"} <= {choice["value"] for choice in values}
        everything = await talk.discord.autocompletes("ada", general, "ai set", "key", "")
        assert 10 < len(everything) <= 25


async def test_settings_are_changed_in_a_form_and_what_does_not_fit_is_said(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai settings")
        assert used.original is not None
        page_menu = next(c for c in flat(used.original.components) if c["custom_id"].startswith("parley:page"))
        page = next(option for option in page_menu["options"] if "Temperature" in option["label"])
        await talk.discord.selects("ada", used.original, page_menu["custom_id"], page["value"])
        modal = talk.discord.modal_of("ada")
        assert modal is not None
        sent = await talk.discord.submits(modal, {"temperature": "hot"})
        assert not sent.failed
        assert "Nothing was saved" in told(talk)[-1]
        await talk.discord.selects("ada", used.original, page_menu["custom_id"], page["value"])
        modal = talk.discord.modal_of("ada")
        assert modal is not None
        await talk.discord.submits(modal, {"temperature": "0.1"})
        assert told(talk)[-1] == "Settings saved."
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
        assert talk.llm.seen[-1].body["temperature"] == 0.1


async def test_every_page_of_every_level_opens(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai settings")
        message = used.original
        assert message is not None
        levels = [c for c in flat(message.components) if c["custom_id"] == "parley:level"]
        for level in [option["value"] for option in levels[0]["options"]]:
            await talk.discord.selects("ada", message, "parley:level", level)
            menu = next(c for c in flat(message.components) if c["custom_id"].startswith("parley:page"))
            assert menu["custom_id"].endswith(level)
            for option in menu["options"]:
                await talk.discord.selects("ada", message, menu["custom_id"], option["value"])
                modal = talk.discord.modal_of("ada")
                assert modal is not None
                assert not (await talk.discord.submits(modal)).failed


async def test_a_form_can_be_opened_from_a_message_too(talk: Talk) -> None:
    async with talk.bot():
        room = talk.discord.dm("ada")
        await talk.discord.says("ada", room, "!settings")
        await talk.until(lambda: talk.replies(room))
        assert labels(talk.replies(room)[-1]) == ["Open settings"]
        pressed = await talk.discord.presses("ada", talk.replies(room)[-1], "Open settings")
        assert pressed.original is not None
        assert pressed.original.only_for == talk.discord.ada.id


async def test_ask_puts_the_question_for_all_to_see_and_answers_in_its_thread(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "What is a monad?"})
        question = used.original
        assert question is not None
        assert question.content == "**Ada** asks: What is a monad?"
        await talk.answered(question, talk.llm.default.text)
        assert question.thread is not None
        assert question.thread.name == "What is a monad?"
        assert asked(talk.llm) == [("user", "Ada: What is a monad?")]
        await talk.discord.says("grace", question.thread, "and a functor?")
        await talk.answered(question, talk.llm.default.text, 2)


async def test_a_message_can_be_asked_about_from_its_menu(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        said = await talk.discord.says("grace", talk.discord.general, "E = mc²")
        opened = await talk.discord.context_menu("ada", said, "Ask about this")
        assert opened.modal is not None
        sent = await talk.discord.submits(opened.modal, {"question": "What is m?"})
        assert sent.original is not None
        await talk.answered(sent.original, talk.llm.default.text)
        assert asked(talk.llm) == [("user", "Ada: What is m?\n\n> Grace wrote:\n> E = mc²")]


async def test_a_user_app_answers_in_its_own_response_where_the_bot_is_not(talk: Talk) -> None:
    text = "A long tale. " * 200
    talk.llm.default = Script(text=text, rate=800)
    eve = talk.discord.add_person("eve", installed=True)
    bob = talk.discord.add_person("bob")
    room = talk.discord.private_channel(eve, bob)
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command(eve, room, "ai ask", {"text": "tell me"})
        answer = used.original
        assert answer is not None
        await talk.until(lambda: used.followups and is_final(used.followups[-1]) and is_final(answer))
        assert len(used.followups) == 1
        assert words(answer) + " " + words(used.followups[0]) == text.strip()
        again = await talk.discord.presses(eve, used.followups[0], "Why?")
        assert not again.failed


async def test_links_in_the_answers_of_a_user_app_come_without_previews(talk: Talk) -> None:
    talk.llm.default = Script(text="See https://example.com/a. " * 100, rate=800)
    eve = talk.discord.add_person("eve", installed=True)
    room = talk.discord.private_channel(eve, talk.discord.add_person("bob"))
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command(eve, room, "ai ask", {"text": "tell me"})
        await talk.until(lambda: used.followups and is_final(used.followups[-1]))
        await talk.settled()
        assert talk.discord.previews == []


async def test_what_is_said_late_to_a_command_shows_no_previews_either(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.interactions._PROMPT", 0.0)  # every command is slow
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai usage")
        assert used.response == THINKING
        original = used.original
        assert original is not None
        await talk.until(lambda: original.content)
        assert original.flags & Flag.SUPPRESS_EMBEDS


async def test_an_answer_longer_than_a_user_app_may_write_ends_with_a_sign_that_says_so(talk: Talk) -> None:
    text = "A long tale. " * 1_200
    talk.llm.default = Script(text=text, rate=8_000)
    eve = talk.discord.add_person("eve", installed=True)
    room = talk.discord.private_channel(eve, talk.discord.add_person("bob"))
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command(eve, room, "ai ask", {"text": "tell me"})
        await talk.until(lambda: len(used.followups) == 5 and "no more here" in str(used.followups[-1].components))
        await talk.settled()
        assert used.original is not None
        shown = [used.original, *used.followups]
        assert text.startswith(" ".join(words(message) for message in shown))
        assert all(talk.discord.buttons(message) == [] for message in shown)
        assert [call.code for call in talk.discord.calls_of("followup")] == [0] * 5 + [40094]


async def test_an_answer_that_grows_for_as_long_as_an_interaction_lasts_says_so_and_has_no_stop_left(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "HOOK_LIFE", 32.0)  # so that the last half minute begins in two seconds
    talk.llm.default = Script(text="A long tale. " * 200, rate=20)
    eve = talk.discord.add_person("eve", installed=True)
    room = talk.discord.private_channel(eve, talk.discord.add_person("bob"))
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command(eve, room, "ai ask", {"text": "tell me"})
        answer = used.original
        assert answer is not None
        await talk.until(lambda: talk.discord.buttons(answer))
        await talk.until(lambda: "a quarter of an hour" in answer.content)
        await talk.settled()
        assert talk.discord.buttons(answer) == []
        assert answer.content.startswith("A long tale. ")
        await talk.until(lambda: talk.llm.seen[0].left_early)


async def test_buttons_work_after_a_restart(talk: Talk) -> None:
    talk.llm.scripts.extend([Script(text="One."), Script(text="Two.")])
    async with talk.bot():
        root = await talk.asks("before")
        answer = await talk.answered(root, "One.")
    async with talk.bot():
        assert not (await talk.discord.presses("ada", answer, "Regenerate")).failed
        assert await talk.answered(root, "Two.") is answer


async def test_a_failure_of_the_model_is_a_sentence_with_a_retry_that_works(talk: Talk) -> None:
    talk.llm.scripts.append(Script(status=400, body={"error": {"message": "no", "type": "invalid_request_error"}}))
    talk.llm.default = Script(text="Fine now.")
    async with talk.bot():
        root = await talk.asks("try")
        await talk.until(lambda: talk.replies(root) and labels(talk.replies(root)[0]) == ["Retry"])
        await talk.settled()
        await talk.discord.presses("ada", talk.replies(root)[0], "Retry")
        await talk.answered(root, "Fine now.")


@pytest.mark.parametrize(
    "trouble", [{"reset": "after"}, {"reset": "before"}, {"status": 503}, {"status": 429, "retry_after": 0.3}]
)
async def test_a_response_that_may_not_have_arrived_is_looked_up_before_it_is_made_again(
    talk: Talk, trouble: dict[str, Any]
) -> None:
    async with talk.bot():
        await registered(talk)
        talk.discord.fault("interaction_callback", **trouble)
        used = await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "What is a monad?"})
        question = used.original
        assert question is not None
        await talk.answered(question, talk.llm.default.text)
        assert len(talk.replies(talk.discord.general)) == 1


async def test_a_response_that_was_given_already_is_gone_on_from(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        talk.discord.fault("interaction_callback", status=400, code=40060)
        talk.discord.state.limits = replace(talk.discord.state.limits, interaction_deadline=0.3)
        await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "What is a monad?"})
        await talk.until(lambda: talk.discord.calls_of("get_original"))
        assert talk.discord.sin_names == ["interaction_unanswered"]  # the emulator never had the response
        talk.discord.sins.clear()


async def test_an_interaction_whose_time_is_over_is_left_and_the_next_one_works(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        talk.discord.state.limits = replace(talk.discord.state.limits, interaction_deadline=0.3)
        talk.discord.fault("interaction_callback", status=404, code=10062)
        assert (await talk.discord.command("ada", talk.discord.general, "ai status")).failed
        assert len(talk.discord.calls_of("interaction_callback")) == 1
        assert talk.discord.sin_names == ["interaction_unanswered"]
        talk.discord.sins.clear()
        talk.discord.state.limits = replace(talk.discord.state.limits, interaction_deadline=3.0)
        assert not (await talk.discord.command("ada", talk.discord.general, "ai status")).failed


async def test_an_interaction_delivered_twice_is_answered_once(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        talk.discord.duplicate("INTERACTION_CREATE")
        await talk.discord.command("ada", talk.discord.general, "ai status")
        assert len(talk.discord.calls_of("interaction_callback")) == 1


async def test_what_takes_long_is_acknowledged_in_time_and_told_behind(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.interactions._PROMPT", 0.0)
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai why")
        assert used.response == 5
        await talk.until(lambda: used.original and "model" in used.original.content)


async def test_ask_where_it_may_not_be_answered_takes_the_question_back(talk: Talk) -> None:
    async with talk.bot(allowed_channels=("1",)):
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "psst"})
        await talk.until(lambda: told(talk))
        assert used.original is not None
        assert used.original.deleted
        assert "not switched on" in told(talk)[-1]


async def test_a_command_in_a_thread_counts_for_that_thread(talk: Talk) -> None:
    async with talk.bot():
        await registered(talk)
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
        assert root.thread is not None
        await talk.discord.command("ada", root.thread, "ai set", {"key": "temperature", "value": "0.9"})
        assert "this thread" in told(talk)[-1].lower()
        await talk.discord.command("ada", root.thread, "ai new")
        await talk.discord.says("ada", root.thread, "afresh")
        await talk.answered(root, talk.llm.default.text, 2)
        assert talk.llm.seen[-1].body["temperature"] == 0.9
        assert asked(talk.llm) == [("user", "Ada: afresh")]


async def test_a_channel_closed_to_the_bot_gets_no_loop_of_refusals(talk: Talk) -> None:
    async with talk.bot():
        talk.discord.deny(talk.discord.general, Permission.SEND_MESSAGES, Permission.SEND_MESSAGES_IN_THREADS)
        await talk.asks("anyone?")
        await talk.until(lambda: any(c.code == 50013 for c in talk.discord.calls_of("create_message")))
        await talk.settled()
        assert len([c for c in talk.discord.calls_of("create_message") if c.code == 50013]) == 1


def flat(components: list[Any]) -> list[Any]:
    return [child for row in components for child in row["components"]]
