"""People use the workspace over HTTP and WebSockets; the bot is told what they did."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.errors import KeyRefused, StoreFull
from bot.events import Action, CommandGiven, ControlPressed, MessageDeleted, MessageEdited, SettingsSubmitted
from bot.replies import Notice, Receipt
from bot.version import VERSION
from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import Running, post_body, running


async def test_a_first_visit_finds_two_channels_and_a_person(web: Running) -> None:
    hello = await web.call("GET", "/api/hello")
    assert [channel["name"] for channel in hello["channels"]] == ["general", "random"]
    assert [person["name"] for person in hello["people"]] == ["You"]
    assert hello["bot"] == {"id": "parley", "name": "Parley"}
    assert (hello["command"], hello["version"]) == ("ai", VERSION)
    assert hello["behave"] == "web"
    assert hello["commands"][0]["name"] == "model"
    assert hello["limits"] == {"file_bytes": 20_000_000, "text_chars": 40_000}


async def test_hello_lists_the_direct_room_of_the_person_who_asks(web: Running) -> None:
    ann = await web.person("Ann")
    channels = (await web.call("GET", f"/api/hello?person={ann}"))["channels"]
    assert {"id": f"dm-{ann}", "name": "Parley", "kind": "direct", "topic": ""} in channels


async def test_a_question_reaches_the_bot_without_its_name_and_with_its_own_thread(web: Running) -> None:
    ann = await web.person("Ann")
    message = await web.says(ann, "@Parley what is a lane?")
    asked = web.question()
    assert (asked.text, asked.mentions_bot, asked.in_thread, asked.direct) == ("what is a lane?", True, False, False)
    assert asked.address.key == f"web:local:general:{message['id']}"
    assert message["text"] == "@Parley what is a lane?"


async def test_a_follow_up_belongs_to_the_thread_of_its_root_and_is_counted_there(web: Running) -> None:
    ann = await web.person("Ann")
    root = await web.says(ann, "@Parley hello")
    reply = await web.says(ann, "and then?", thread=root["id"])
    assert web.question().address.thread == root["id"]
    assert web.question().in_thread
    (shown,) = await web.read("channel=general")
    assert (shown["replies"], shown["last_reply_ts"]) == (1, reply["ts"])
    assert [one["id"] for one in await web.read(f"channel=general&thread={root['id']}")] == [root["id"], reply["id"]]


async def test_a_direct_room_is_one_conversation_that_nobody_else_sees(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    message = await web.says(ann, "hello", channel=f"dm-{ann}")
    assert web.question().direct
    assert web.question().address.thread == ""
    await web.call("GET", f"/api/messages?channel=dm-{ann}&person={bob}", status=404)
    body = post_body(bob, "me too", channel=f"dm-{ann}")
    await web.call("POST", "/api/messages", body, status=404)
    async with web.tab(bob) as tab:
        await web.says(ann, "again", channel=f"dm-{ann}")
        await web.says(ann, "everybody")
        assert (await tab.next())["message"]["text"] == "everybody"
    await web.call("GET", f"/api/messages/{message['id']}?person={bob}", status=404)


async def test_the_same_client_id_twice_is_one_message_even_at_the_same_time(web: Running) -> None:
    ann = await web.person("Ann")
    twins = await asyncio.gather(*(web.says(ann, "@Parley once", client_id="c-1") for _ in range(4)))
    assert len({twin["id"] for twin in twins}) == 1
    assert len(web.core.events) == 1
    assert len(await web.read("channel=general")) == 1


async def test_what_the_bot_cannot_save_is_not_kept_and_its_sender_hears_why(web: Running) -> None:
    ann = await web.person("Ann")
    web.core.trouble = StoreFull("disk")
    body = post_body(ann, "@Parley hi", client_id="c")
    refused = await web.call("POST", "/api/messages", body, status=503)
    assert refused == {"error": StoreFull.default_text}
    assert await web.read("channel=general") == []
    web.core.trouble = None
    assert (await web.says(ann, "@Parley hi", client_id="c"))["text"] == "@Parley hi"
    assert len(web.core.events) == 1


async def test_a_message_that_cannot_be_written_is_refused_before_anybody_sees_it(web: Running) -> None:
    ann = await web.person("Ann")
    web.core.rows.trouble = StoreFull("disk")
    body = post_body(ann, "@Parley hi")
    await web.call("POST", "/api/messages", body, status=503)
    web.core.rows.trouble = None
    assert web.core.events == []
    assert await web.read("channel=general") == []


async def test_an_edit_by_its_author_is_shown_and_told_to_the_bot(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    message = await web.says(ann, "@Parley tow plus two")
    await web.call("PATCH", f"/api/messages/{message['id']}", {"person": bob, "text": "hacked"}, status=403)
    edited = await web.call("PATCH", f"/api/messages/{message['id']}", {"person": ann, "text": "@Parley two plus two"})
    assert edited["message"]["edited"]
    event = web.core.events[-1]
    assert isinstance(event, MessageEdited)
    assert (event.text, event.revision, event.mentions_bot) == ("two plus two", "1", True)


async def test_an_edit_that_changes_nothing_is_not_an_edit(web: Running) -> None:
    ann = await web.person("Ann")
    message = await web.says(ann, "same")
    await web.call("PATCH", f"/api/messages/{message['id']}", {"person": ann, "text": "same"})
    assert len(web.core.events) == 1


async def test_a_deleted_question_disappears_and_the_bot_is_told(web: Running) -> None:
    ann = await web.person("Ann")
    message = await web.says(ann, "@Parley hi")
    async with web.tab(ann) as tab:
        await web.call("DELETE", f"/api/messages/{message['id']}", {"person": ann})
        assert (await tab.until("deleted"))["id"] == message["id"]
    event = web.core.events[-1]
    assert isinstance(event, MessageDeleted)
    assert event.address.thread == message["id"]
    assert await web.read("channel=general") == []


async def test_a_deleted_root_leaves_its_thread_standing_until_the_last_reply_goes(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    root = await web.says(ann, "@Parley secret")
    reply = await web.says(bob, "I see", thread=root["id"])
    await web.call("DELETE", f"/api/messages/{root['id']}", {"person": ann})
    (shown,) = await web.read("channel=general")
    assert "secret" not in shown["text"]
    assert shown["replies"] == 1
    await web.call("DELETE", f"/api/messages/{reply['id']}", {"person": bob})
    assert await web.read("channel=general") == []


async def test_an_edit_the_bot_cannot_take_now_is_told_later(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path) as web:
        ann = await web.person("Ann")
        message = await web.says(ann, "@Parley one")
        core.trouble = StoreFull("disk")
        await web.call("PATCH", f"/api/messages/{message['id']}", {"person": ann, "text": "@Parley two"})
        core.trouble = None
        await web.adapter.workspace.deliveries.redeliver()
        event = core.events[-1]
        assert isinstance(event, MessageEdited)
        assert event.text == "two"
        assert not web.adapter.workspace.deliveries.owes


async def test_a_notice_about_a_message_goes_to_its_author_alone(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    web.core.receipt = Receipt(False, notice=Notice("Too many questions.", error=True))
    async with web.tab(ann) as anns, web.tab(bob) as bobs:
        message = await web.says(ann, "@Parley hi")
        notice = await anns.until("notice")
        assert (notice["text"], notice["error"], notice["channel"]) == ("Too many questions.", True, "general")
        await web.says(ann, "last", thread=message["id"])
        await bobs.until("message")
        await bobs.until("message")
        assert "notice" not in [event["type"] for event in bobs.events]


async def test_commands_carry_their_thread_and_answer_their_sender(web: Running) -> None:
    ann = await web.person("Ann")
    root = await web.says(ann, "@Parley hi")
    web.core.receipt = Receipt(True, notice=Notice("Saved."), form=True)
    body = {"person": ann, "channel": "general", "thread": root["id"], "line": "set temperature 0.2"}
    assert await web.call("POST", "/api/commands", body) == {"notice": {"text": "Saved.", "error": False}, "form": True}
    event = web.core.events[-1]
    assert isinstance(event, CommandGiven)
    assert (event.line, event.address.thread) == ("set temperature 0.2", root["id"])


async def test_completions_come_from_the_core(web: Running) -> None:
    ann = await web.person("Ann")
    body = {"person": ann, "channel": f"dm-{ann}", "thread": None, "line": "mod"}
    answer = await web.call("POST", "/api/complete", body)
    assert answer["suggestions"] == [{"line": "model", "label": "model", "hint": f"web:local:dm-{ann}:"}]


async def test_a_form_is_shown_and_its_errors_come_back_by_field(web: Running) -> None:
    ann = await web.person("Ann")
    form = await web.call("GET", f"/api/form?person={ann}&channel=general&level=thread")
    assert (form["level"], form["levels"], form["fields"][0]["key"]) == ("thread", ["channel", "thread"], "model")
    web.core.receipt = Receipt(False, field_errors=(("model", "There is no such model."),))
    body = {"person": ann, "channel": "general", "thread": None, "level": "channel", "values": {"model": "x"}}
    answer = await web.call("POST", "/api/form", body)
    assert answer == {"notice": None, "field_errors": {"model": "There is no such model."}}
    event = web.core.events[-1]
    assert isinstance(event, SettingsSubmitted)
    assert (event.level, event.values) == ("channel", (("model", "x"),))


async def test_a_button_names_the_reply_it_stands_under(web: Running) -> None:
    ann = await web.person("Ann")
    root = await web.says(ann, "@Parley hi")
    part = await web.surface("mark-7").show("Hello", final=True)
    body = {"person": ann, "message": part, "action": "version", "value": 2}
    assert await web.call("POST", "/api/controls", body) == {"notice": None}
    event = web.core.events[-1]
    assert isinstance(event, ControlPressed)
    assert (event.action, event.turn, event.value, event.address.thread) == (Action.VERSION, "mark-7", "2", root["id"])


async def test_a_refused_key_is_explained_and_a_good_one_is_announced(web: Running) -> None:
    web.core.trouble = KeyRefused("401")
    refused = await web.call("POST", "/api/key", {"key": "bad", "remember": False}, status=400)
    assert refused == {"error": KeyRefused.default_text}
    web.core.trouble = None
    async with web.tab(await web.person("Ann")) as tab:
        await web.call("POST", "/api/key", {"key": "good", "remember": True})
        assert (await tab.until("backend"))["backend"]["kind"] == "groq"


async def test_imitating_discord_takes_shorter_messages(web: Running) -> None:
    ann = await web.person("Ann")
    async with web.tab(ann) as tab:
        await web.call("POST", "/api/behave", {"behave": "discord"})
        assert (await tab.until("behave"))["behave"] == "discord"
    body = post_body(ann, "x" * 2_001)
    assert "2,000" in (await web.call("POST", "/api/messages", body, status=400))["error"]


async def test_what_is_not_a_request_is_refused_in_words(web: Running) -> None:
    for body in ({}, {"person": 3}, {"person": "p", "channel": "general", "text": ["x"]}):
        assert (await web.call("POST", "/api/messages", body, status=400))["error"]
    answer = await web.http.post("/api/messages", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    long = await web.http.post("/api/people", json={"name": "x" * 1_100_000})
    assert long.status_code == 413


async def test_a_long_channel_is_read_page_by_page(web: Running) -> None:
    ann = await web.person("Ann")
    ids = [(await web.says(ann, str(number)))["id"] for number in range(7)]
    newest = await web.call("GET", "/api/messages?channel=general&limit=3")
    assert ([one["id"] for one in newest["messages"]], newest["more"]) == (ids[4:], True)
    older = await web.call("GET", f"/api/messages?channel=general&limit=4&before={ids[4]}")
    assert ([one["id"] for one in older["messages"]], older["more"]) == (ids[:4], False)


async def test_halves_of_surrogate_pairs_do_no_harm(web: Running) -> None:
    ann = await web.person("Ann")
    raw = b'{"person": "%s", "channel": "general", "text": "a \\ud83d b"}' % ann.encode()
    answer = await web.http.post("/api/messages", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400)
    assert (await web.says(ann, "still here"))["text"] == "still here"


async def test_a_pausing_workspace_takes_nothing_more(web: Running) -> None:
    ann = await web.person("Ann")
    await web.adapter.pause()
    body = post_body(ann, "late")
    assert "restarting" in (await web.call("POST", "/api/messages", body, status=503))["error"]
