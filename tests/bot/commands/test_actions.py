from __future__ import annotations

import pytest

from bot.commands.handlers import run
from bot.commands.parse import parse_message
from bot.commands.registry import command_helps
from bot.errors import StoreBusy
from tests.bot.commands.conftest import CHANNEL, DIRECT, Room


@pytest.mark.parametrize("command", command_helps(), ids=lambda command: command.name)
async def test_every_command_is_carried_out_and_explained(room: Room, command: object) -> None:
    name = getattr(command, "name", "")
    outcome = await room.give(name)
    assert outcome.notice is None or outcome.notice.text
    assert f"`/ai {name}" in await room.say(f"help {name}")


async def test_help_lists_all_commands_with_the_configured_name(room: Room) -> None:
    said = await room.say("help")
    assert all(f"`/ai {command.usage}`" in said for command in command_helps())


async def test_help_explains_a_setting_too(room: Room) -> None:
    assert "a number from 0 to 2" in await room.say("help temperature")


async def test_an_unknown_command_gets_the_nearest_one_and_the_way_to_help(room: Room) -> None:
    said = await room.fail("modle x")
    assert "`/ai model`" in said
    assert "`/ai help`" in said


async def test_stop_ends_the_answer_or_says_that_there_is_none(room: Room) -> None:
    assert "not writing" in await room.say("stop")
    assert "!stop" in await room.say("stop", CHANNEL)
    room.desk.running = True
    assert await room.say("stop") == "Stopped."


@pytest.mark.parametrize("running", [True, False])
async def test_the_bare_word_stop_says_nothing_in_return(room: Room, running: bool) -> None:
    room.desk.running = running
    invocation = parse_message("stop", mentioned=False)
    assert invocation is not None
    assert (await run(invocation, room.context())).notice is None
    assert room.desk.done == ["stop"]


async def test_new_starts_a_conversation_anew_and_knows_what_a_channel_is(room: Room) -> None:
    assert "start anew" in await room.say("new")
    assert "start anew" in await room.say("new", DIRECT, direct=True)
    assert "every mention" in await room.say("new", CHANNEL)
    assert room.desk.done == ["new", "new"]
    room.desk.talked = False
    assert "nothing to forget" in await room.say("new")


async def test_retry_passes_on_one_event(room: Room) -> None:
    assert (await room.give("retry")).notice is None
    assert room.desk.done == ["retry U1-1000000.000"]
    assert "!retry" in await room.fail("retry", CHANNEL)


async def test_ask_puts_the_text_as_a_question(room: Room) -> None:
    assert "What would you like" in await room.fail("ask")
    assert (await room.give("ask What is a --channel")).notice is None
    assert (room.desk.asked[0].text, room.desk.asked[0].mentions_bot) == ("What is a --channel", True)


async def test_status_tells_model_limits_queue_and_version(room: Room) -> None:
    said = await room.say("status")
    assert "`openai/gpt-oss-20b` (the usual value)" in said
    assert "Requests left today: 940 of 1,000, full again in 3 minutes" in said
    assert "1 answer being written, 2 waiting" in said
    assert "1.2.3" in said


async def test_usage_tells_a_person_of_themselves_and_of_the_channel(room: Room) -> None:
    assert (await room.say("usage")).splitlines() == [
        "- **You**: nothing (last 24 hours); nothing (last 30 days)",
        (
            "- **This channel**: 1 answer, 1,200 tokens in, 450 out (last 24 hours); "
            "30 answers, 36,000 tokens in, 13,500 out (last 30 days)"
        ),
    ]


async def test_usage_tells_an_admin_of_the_whole_workspace_with_its_price(room: Room) -> None:
    outcome = await room.give("usage", admin=True)
    assert outcome.notice is not None
    assert "- **The workspace**: 1 answer, 1,200 tokens in, 450 out, $0.0015" in outcome.notice.text


async def test_trouble_with_the_database_is_left_to_the_desk(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object) -> None:
        raise StoreBusy

    monkeypatch.setattr(room.store, "set_settings", busy)
    with pytest.raises(StoreBusy):
        await room.give("set temperature 0.2")
