"""From a mention to the last edit and on: what people write in Slack, and what they see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from adapters.slack.listeners import Listeners
from bot.events import Address
from tests.adapters.slack.conversing import Talk, buttons, markdown, script, under

HELLO = "Hello **there**, see [the guide](https://example.org/guide) & `a < b`."


async def test_a_mention_is_answered_in_its_thread(talk: Talk) -> None:
    talk.llm.default = script(HELLO, rate=8)
    async with talk.bot():
        root = await talk.asks("hi")
        reply = await talk.answered(root, HELLO)
        assert buttons(reply) == ["parley_feedback", "parley_regenerate", "parley_why"]
        assert talk.slack.status(talk.slack.general, root.ts) == ""
        assert talk.slack.session_state(talk.slack.general, root.ts) != "processing"
        assert "hi" in talk.llm.seen[0].body["messages"][-1]["content"]
        assert len(reply.sights) > 2, "it grew before people's eyes"


async def test_follow_ups_need_no_mention_and_share_the_history(talk: Talk) -> None:
    async with talk.bot():
        talk.llm.default = script("First.")
        root = await talk.asks("one &amp; <two>")
        await talk.answered(root, "First.")
        talk.llm.default = script("Second.")
        await talk.slack.says("grace", talk.slack.general, "and then?", root.ts)
        await talk.answered(root, "Second.", 2)
        prompt = str(talk.llm.seen[-1].body["messages"])
        assert "First." in prompt
        assert "one &amp; <two>" in prompt
        assert "grace" in prompt


@pytest.mark.parametrize("twins", ["mention", "message"])
async def test_the_twins_of_a_mention_get_one_answer(talk: Talk, twins: str) -> None:
    talk.slack.twins = twins
    talk.llm.default = script("Once.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "Once.")
        await talk.asks("again", thread_ts=root.ts)
        await talk.answered(root, "Once.", 2)
        assert len(talk.llm.seen) == 2


async def test_what_slack_delivers_again_is_not_answered_again(talk: Talk) -> None:
    talk.llm.default = script("Once.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "Once.")
        for delivery in list(talk.slack.deliveries.all):
            talk.slack.deliveries.repeat(delivery)
        await talk.settled()
        assert talk.texts(root) == ["Once."]
        assert len(talk.llm.seen) == 1


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_what_the_bot_itself_wrote_is_acknowledged_and_goes_no_further(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    heard: list[str] = []
    listen = Listeners.message

    async def listening(self: Listeners, body: Mapping[str, Any]) -> None:
        heard.append(str((body["event"].get("message") or body["event"]).get("user")))
        await listen(self, body)

    monkeypatch.setattr(Listeners, "message", listening)
    monkeypatch.setenv("SLACK_MODE", mode)
    hooks = talk.slack.use_http("http://127.0.0.1:9/slack/events") if mode == "http" else None
    talk.llm.default = script("Hello.")
    async with talk.bot() as opened:
        if hooks is not None:
            hooks.url = f"{opened.url}/slack/events"
        await talk.answered(await talk.asks("hi"), "Hello.")
        echoes = [
            it for it in talk.slack.deliveries.all if talk.slack.bot.id in str(it.event.get("message") or it.event)
        ]
        assert len(echoes) > 2
        assert all(echo.acked for echo in echoes)
    assert set(heard) == {talk.slack.ada.id}


async def test_each_direct_message_opens_a_thread_of_its_own(talk: Talk) -> None:
    async with talk.bot():
        room = talk.slack.dm(talk.slack.ada)
        talk.llm.default = script("In the thread.", rate=50)
        root = await talk.slack.says("ada", room, "hello")
        reply = await talk.answered(root, "In the thread.")
        assert reply.thread_ts == root.ts
        assert talk.slack.session_state(room, root.ts) == "active"
        talk.llm.default = script("Still here.")
        await talk.slack.says("ada", room, "go on", root.ts)
        await talk.answered(root, "Still here.", 2)
        assert "In the thread." in str(talk.llm.seen[-1].body["messages"])


async def test_a_plain_direct_room_is_one_conversation(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_AGENT", "false")
    talk.slack.app.agent = False
    room = talk.slack.dm(talk.slack.ada)
    async with talk.bot():
        for number in ("one", "two"):
            talk.llm.default = script(f"Answer {number}.")
            await talk.slack.says("ada", room, number)
            await talk.until(lambda n=number: f"Answer {n}." in [markdown(m) for m in talk.slack.messages(room)])  # type: ignore[misc]  # bound now
            await talk.settled()
        assert all(not message.thread_ts for message in talk.slack.messages(room))
        assert "Answer one." in str(talk.llm.seen[-1].body["messages"])


async def test_other_bots_and_bystanders_are_not_answered(talk: Talk) -> None:
    robot = talk.slack.add_person("robot", bot=True)
    talk.slack.general.members.add(robot.id)
    async with talk.bot():
        await talk.asks("hi", who="robot")
        await talk.slack.says("ada", talk.slack.general, "just talking")
        await talk.slack.settled()
        assert talk.llm.seen == []


async def test_a_follow_up_to_somebody_else_is_heard_and_not_answered(talk: Talk) -> None:
    async with talk.bot():
        root = await talk.asks("hi")
        talk.llm.default = script("One.")
        await talk.until(lambda: talk.replies(root))
        await talk.settled()
        await talk.slack.says("ada", talk.slack.general, f"<@{talk.slack.grace.id}> the code is 4711", root.ts)
        await talk.settled()
        await talk.slack.says("grace", talk.slack.general, "what was it?", root.ts)
        await talk.answered(root, "One.", 2)
        prompt = str(talk.llm.seen[-1].body["messages"])
        assert "@grace the code is 4711" in prompt


async def test_what_was_said_before_the_bot_was_called_is_read_once(talk: Talk) -> None:
    root = await talk.slack.says("grace", talk.slack.general, "The build is <https://ci.example.org|red>.")
    talk.llm.default = script("I see.")
    async with talk.bot():
        await talk.asks("what do you think?", thread_ts=root.ts)
        await talk.answered(root, "I see.")
        assert "The build is [red](https://ci.example.org)." in str(talk.llm.seen[0].body["messages"])
        await talk.asks("really?", thread_ts=root.ts)
        await talk.answered(root, "I see.", 2)
        assert len(talk.slack.calls_of("conversations.replies")) == 1


async def test_an_edited_question_is_answered_again_in_place(talk: Talk) -> None:
    async with talk.bot():
        talk.llm.default = script("Wrong.")
        root = await talk.asks("2+3?")
        reply = await talk.answered(root, "Wrong.")
        talk.llm.default = script("Right.")
        await talk.slack.unfurls(root, "https://example.org")
        await talk.slack.edits("ada", root, talk.named("2+2?"))
        again = await talk.answered(root, "Right.")
        assert again.ts == reply.ts
        assert len(talk.llm.seen) == 2


async def test_a_deleted_question_takes_its_running_answer_with_it(talk: Talk) -> None:
    talk.llm.default = script("word " * 400, rate=40)
    async with talk.bot():
        root = await talk.slack.says("grace", talk.slack.general, "a thread")
        question = await talk.asks("tell me all", thread_ts=root.ts)
        await talk.until(lambda: talk.replies(root))
        await talk.slack.deletes("ada", question)
        await talk.until(lambda: not talk.replies(root))
        await talk.settled()
        await talk.until(lambda: talk.llm.seen[0].left_early)


async def test_regenerating_keeps_the_message_and_its_versions_can_be_turned(talk: Talk) -> None:
    async with talk.bot():
        talk.llm.default = script("Version one.")
        root = await talk.asks("hi")
        reply = await talk.answered(root, "Version one.")
        talk.llm.default = script("Version two.")
        await talk.slack.presses("ada", reply, "parley_regenerate")
        again = await talk.answered(root, "Version two.")
        assert again.ts == reply.ts
        await talk.slack.presses("ada", again, "parley_previous")
        first = await talk.answered(root, "Version one.")
        await talk.slack.presses("ada", first, "parley_next")
        await talk.answered(root, "Version two.")
        await talk.slack.presses("grace", talk.replies(root)[0], "parley_previous")
        await talk.until(lambda: talk.slack.ephemerals("grace"))
        assert talk.texts(root) == ["Version two."]


async def test_a_version_is_turned_while_the_next_answer_streams_and_that_goes_on(talk: Talk) -> None:
    async with talk.bot():
        talk.llm.scripts.extend([script("Version one."), script("Version two.")])
        root = await talk.asks("hi")
        await talk.slack.presses("ada", await talk.answered(root, "Version one."), "parley_regenerate")
        reply = await talk.answered(root, "Version two.")
        text = ("word " * 100).strip()
        talk.llm.default = script(text, rate=40)
        await talk.asks("go on", thread_ts=root.ts)
        await talk.until(talk.slack.open_streams)
        await talk.slack.presses("ada", reply, "parley_previous")
        await talk.answered(root, "Version one.")
        await talk.answered(root, text, 2)


async def test_feedback_and_why_are_answered_to_the_one_who_pressed(talk: Talk) -> None:
    talk.llm.default = script("Fine.")
    async with talk.bot():
        root = await talk.asks("hi")
        reply = await talk.answered(root, "Fine.")
        feedback = under(reply)[0]["elements"][0]
        await talk.slack.presses("grace", reply, "parley_feedback", feedback["negative_button"]["value"])
        await talk.until(lambda: talk.slack.ephemerals("grace"))
        await talk.slack.presses("ada", reply, "parley_why")
        await talk.until(lambda: talk.slack.ephemerals("ada"))
        told = talk.slack.ephemerals("ada")[0]
        assert "gpt-oss" in talk.slack.rendered(told)
        assert told.thread_ts == root.ts


async def test_a_failure_is_told_in_place_and_retried_by_a_button(talk: Talk) -> None:
    talk.llm.default = script("", status=400, body={"error": {"message": "org_secret broke", "type": "x"}})
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root) and "parley_retry" in buttons(talk.replies(root)[0]))
        await talk.settled()
        (reply,) = talk.replies(root)
        assert "org_secret" not in talk.slack.rendered(reply)
        talk.llm.default = script("Now it works.")
        await talk.slack.presses("ada", reply, "parley_retry")
        assert (await talk.answered(root, "Now it works.")).ts == reply.ts


async def test_a_file_is_read_with_the_bots_token(talk: Talk) -> None:
    talk.llm.default = script("Read.")
    async with talk.bot():
        for check_info in (False, True):
            file = talk.slack.file("ada", "notes.txt", "text/plain", b"The answer is 42.", check_info=check_info)
            root = await talk.asks("what does it say?", files=[file])
            await talk.answered(root, "Read.")
            assert "The answer is 42." in str(talk.llm.seen[-1].body["messages"])


async def test_the_model_can_ping_nobody(talk: Talk) -> None:
    text = "Hey <!channel> and <!here>, <@U00000001>, <!subteam^S1|@all>: `<!everyone>` " + "and so on. " * 30
    talk.llm.default = script(text, rate=200)
    async with talk.bot():
        root = await talk.asks("ping them")
        await talk.until(lambda: talk.replies(root) and "parley_why" in buttons(talk.replies(root)[0]))
        await talk.settled()
        assert markdown(talk.replies(root)[0]).replace("\u200b", "").rstrip() == text.rstrip()


async def test_a_thread_without_streams_is_answered_by_edits(talk: Talk) -> None:
    talk.slack.fault("chat.startStream", 1, error="channel_type_not_supported")
    talk.llm.default = script("word " * 60, rate=30)
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.until(lambda: talk.replies(root) and buttons(talk.replies(root)[0]) == ["parley_stop"])
        await talk.answered(root, ("word " * 60).rstrip())
        assert talk.slack.calls_of("chat.update")
        second = await talk.asks("again")
        await talk.until(lambda: talk.replies(second))
        await talk.settled()
        assert len(talk.slack.calls_of("chat.startStream")) == 1, "what the channel refuses is not tried again"


async def test_a_profile_that_is_refused_is_not_asked_for_at_every_message(talk: Talk) -> None:
    talk.slack.fault("users.info", 100, error="missing_scope")
    async with talk.bot():
        root = await talk.asks("one")
        await talk.answered(root, talk.llm.default.text)
        await talk.slack.says("ada", talk.slack.general, "two", root.ts)
        await talk.answered(root, talk.llm.default.text, 2)
    asked = [call.args["user"] for call in talk.slack.calls_of("users.info")]
    assert sorted(asked) == sorted(set(asked))
    assert talk.slack.ada.id in talk.llm.seen[-1].body["messages"][-1]["content"]


@pytest.mark.parametrize("kind", ["private", "mpim"])
async def test_closed_channels_and_group_rooms_are_answered_in_threads(talk: Talk, kind: str) -> None:
    room = talk.slack.add_channel("closed", talk.slack.ada, talk.slack.grace, kind=kind)
    talk.llm.default = script("Between us.")
    async with talk.bot():
        await talk.slack.says("grace", room, "just talking")
        root = await talk.asks("hi", channel=room)
        await talk.answered(root, "Between us.")
        await talk.slack.says("grace", room, "and then?", root.ts)
        await talk.answered(root, "Between us.", 2)
        assert len(talk.llm.seen) == 2


async def test_people_of_another_organisation_and_guests_are_answered(talk: Talk) -> None:
    other = talk.slack.add_workspace("other", installed=False)
    eve, gus = talk.slack.add_person("eve", workspace=other), talk.slack.add_person("gus", guest=True)
    joint = talk.slack.add_channel("joint", talk.slack.ada, eve, gus, shared_with=(other,))
    talk.llm.default = script("Welcome.", rate=20)
    async with talk.bot():
        for person in (eve, gus):
            root = await talk.slack.says(person, joint, talk.named("hi"))
            await talk.answered(root, "Welcome.")
        told = [call.args["recipient_team_id"] for call in talk.slack.calls_of("chat.startStream")]
        assert told == [other.id, talk.slack.home.id]


async def test_commands_with_a_mark_in_front_work_in_threads_and_are_answered_to_who_wrote_them(talk: Talk) -> None:
    talk.llm.default = script("Hi.")
    async with talk.bot():
        root = await talk.asks("hi")
        await talk.answered(root, "Hi.")
        await talk.slack.says("ada", talk.slack.general, "!set temperature 0.3", root.ts)
        await talk.until(lambda: talk.slack.ephemerals("ada"))
        await talk.slack.says("ada", talk.slack.general, talk.named("!why"), root.ts)
        await talk.until(lambda: len(talk.slack.ephemerals("ada")) >= 2)
        await talk.settled()
        await asyncio.sleep(0.1)  # a second answer to the mention's twin would come now
        assert len(talk.slack.ephemerals("ada")) == 2
        assert talk.texts(root) == ["Hi."]
        assert "0.3" in "".join(talk.slack.rendered(message) for message in talk.slack.ephemerals("ada"))


async def test_of_a_long_thread_whose_history_is_throttled_what_can_be_read_is(talk: Talk) -> None:
    talk.slack.throttle_history()
    root = await talk.slack.says("grace", talk.slack.general, "thing number 0")
    for number in range(1, 20):
        await talk.slack.says("grace", talk.slack.general, f"thing number {number}", root.ts)
    talk.llm.default = script("I see.")
    async with talk.bot():
        await talk.asks("what do you think?", thread_ts=root.ts)
        await talk.answered(root, "I see.")
        assert "thing number 14" in str(talk.llm.seen[0].body["messages"])


@pytest.mark.parametrize("honours", [True, False])
async def test_a_question_is_taken_for_deleted_only_where_slack_says_so(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, honours: bool
) -> None:
    root = await talk.slack.says("grace", talk.slack.general, "a thread")
    follow_ups = [await talk.slack.says("grace", talk.slack.general, f"{number}", root.ts) for number in range(4)]
    if not honours:  # the first two of the thread, whichever are asked for
        monkeypatch.setattr("tests.emulators.slack.conversations._within", lambda ask, messages: messages)
    async with talk.bot() as opened:
        source = opened.adapters[0].platform.source(Address("slack", talk.slack.home.id, root.channel, root.ts))
        assert await source.stands(root.ts)
        assert all([await source.stands(message.ts) for message in follow_ups])
        await talk.slack.deletes("grace", follow_ups[-1])
        assert await source.stands(follow_ups[-1].ts) is not honours
