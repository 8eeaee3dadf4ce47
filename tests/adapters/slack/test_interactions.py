"""Slash commands, forms, the message shortcut and the App Home, as people use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.slack.conversing import Talk, markdown, script
from tests.emulators.slack import View


def _said(talk: Talk, who: str = "ada") -> str:
    return "\n".join(talk.slack.rendered(message) for message in talk.slack.ephemerals(who))


def _field(view: View, key: str) -> dict[str, Any]:
    return next(block for block in view.body["blocks"] if str(block["block_id"]).startswith(f"{key}@"))


async def test_a_command_is_answered_to_the_one_who_typed_it(talk: Talk) -> None:
    async with talk.bot():
        delivery = await talk.slack.command("ada", "general", "/ai", "help")
        assert delivery.acked
        assert "ask" in _said(talk)
        assert _said(talk, "grace") == ""
        await talk.slack.command("ada", "general", "/ai", "set temperature hot")
        assert "temperature" in _said(talk)


async def test_asking_by_command_puts_the_question_into_the_channel(talk: Talk) -> None:
    talk.llm.default = script("Here it is.")
    async with talk.bot():
        await talk.slack.command("ada", "general", "/ai", "ask what is this payload about?")
        root = next(m for m in talk.slack.messages("general") if not m.thread_ts)
        assert markdown(root) == "**ada** asks: what is this payload about?"
        await talk.until(lambda: "Here it is." in [markdown(m) for m in talk.slack.thread("general", root.ts)])
        await talk.settled()
        talk.llm.default = script("Going on.")
        await talk.slack.says("ada", talk.slack.general, "and then?", root.ts)
        await talk.until(lambda: "Going on." in [markdown(m) for m in talk.slack.thread("general", root.ts)])
        await talk.settled()


async def test_asking_where_the_bot_is_not_says_how_to_invite_it(talk: Talk) -> None:
    elsewhere = talk.slack.add_channel("elsewhere", talk.slack.ada, with_bot=False)
    async with talk.bot():
        await talk.slack.command("ada", elsewhere, "/ai", "ask me")
        assert "/invite" in _said(talk)


async def test_settings_are_made_in_a_form(talk: Talk) -> None:
    async with talk.bot():
        await talk.slack.command("ada", "general", "/ai", "settings")
        await talk.until(lambda: (view := talk.slack.modal_of("ada")) is not None and "submit" in view.body)
        view = talk.slack.modal_of("ada")
        assert view is not None
        wrong = await talk.slack.submits("ada", view, {"temperature": "hot"})
        assert list(wrong.errors) == [_field(view, "temperature")["block_id"]]
        right = await talk.slack.submits("ada", view, {"temperature": "0.3"})
        assert not right.errors
        assert not right.failed
        talk.llm.default = script("Cool.")
        root = await talk.asks("hi")
        await talk.answered(root, "Cool.")
        assert talk.llm.seen[-1].body["temperature"] == pytest.approx(0.3)


async def test_the_form_changes_with_the_level_that_is_chosen(talk: Talk) -> None:
    async with talk.bot(admin_users=talk.slack.ada.id):
        await talk.slack.command("ada", "general", "/ai", "settings")
        await talk.until(lambda: (view := talk.slack.modal_of("ada")) is not None and "submit" in view.body)
        view = talk.slack.modal_of("ada")
        assert view is not None
        await talk.slack.presses("ada", view, "parley_level", "workspace")
        await talk.until(lambda: '"workspace"' in view.body["private_metadata"])
        await talk.slack.submits("ada", view, {"system": "Answer in verse."})
        talk.llm.default = script("Verse.")
        root = await talk.asks("hi", who="grace")
        await talk.answered(root, "Verse.")
        assert "Answer in verse." in str(talk.llm.seen[-1].body["messages"])


async def test_in_a_thread_the_form_is_opened_by_a_button(talk: Talk) -> None:
    talk.llm.default = script("Hi.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "Hi.")
        await talk.slack.says("ada", talk.slack.general, "!settings", root.ts)
        await talk.until(lambda: talk.slack.ephemerals("ada"))
        await talk.slack.presses("ada", talk.slack.ephemerals("ada")[0], "parley_settings")
        await talk.until(lambda: (view := talk.slack.modal_of("ada")) is not None and "submit" in view.body)
        view = talk.slack.modal_of("ada")
        assert view is not None
        assert root.ts in view.body["private_metadata"]


async def test_a_question_about_a_message_is_asked_through_its_menu(talk: Talk) -> None:
    talk.llm.default = script("It means red.")
    async with talk.bot():
        message = await talk.slack.says("grace", talk.slack.general, "The build is rouge.")
        await talk.slack.shortcut("ada", "parley_ask", message)
        await talk.until(lambda: talk.slack.modal_of("ada"))
        view = talk.slack.modal_of("ada")
        assert view is not None
        await talk.slack.submits("ada", view, {"question": "What does rouge mean?"})
        await talk.until(lambda: "It means red." in [markdown(m) for m in talk.slack.thread("general", message.ts)])
        await talk.settled()
        prompt = str(talk.llm.seen[-1].body["messages"])
        assert "The build is rouge." in prompt
        assert "What does rouge mean?" in prompt


async def test_the_home_shows_what_is_set_and_the_messages_tab_how_to_begin(talk: Talk) -> None:
    async with talk.bot():
        await talk.slack.opens_home("ada")
        await talk.until(lambda: talk.slack.home_of("ada"))
        home = talk.slack.home_of("ada")
        assert home is not None
        assert "*Usage*\n*You*: nothing (last 24 hours)" in str(
            [block.get("text", {}).get("text") for block in home.body["blocks"]]
        ).replace("\\n", "\n")
        await talk.slack.presses("ada", home, "parley_settings")
        await talk.until(lambda: (view := talk.slack.modal_of("ada")) is not None and "submit" in view.body)
        await talk.slack.opens_home("ada", "messages")
        await talk.until(lambda: talk.slack.state.prompts)


async def test_what_the_adapter_has_no_use_for_is_acknowledged(talk: Talk) -> None:
    async with talk.bot():
        message = await talk.slack.says("ada", talk.slack.general, "just talking")
        await talk.slack.reacts("ada", message, "eyes")
        await talk.slack.joins(talk.slack.add_person("zoe"), talk.slack.general)
        await talk.slack.shortcut("ada", "unknown_shortcut")
        await talk.slack.settled()
        assert all(delivery.acked for delivery in talk.slack.deliveries.all)


async def test_a_form_opens_in_time_where_slack_is_slow(talk: Talk) -> None:
    async with talk.bot():
        talk.slack.latency(1.6)
        delivery = await talk.slack.command("ada", "general", "/ai", "settings")
        assert delivery.acked
        await talk.until(lambda: (view := talk.slack.modal_of("ada")) is not None and "submit" in view.body)
        talk.slack.latency(0.0)
