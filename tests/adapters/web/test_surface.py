"""Replies appear in the room as the core asks, once each, and refuse as the imitated platform would."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from bot.errors import Gone, SlowDown, StoreFull, Superseded, Unsent
from bot.ports import fenced
from bot.replies import Controls, Notice, Phase, Status, Write
from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import Running, running


async def _asked(web: Running, text: str = "@Parley hi", **more: str) -> tuple[str, str]:
    """(person, root id) of a question to answer."""
    ann = await web.person("Ann")
    return ann, (await web.says(ann, text, **more))["id"]


async def test_an_answer_grows_in_the_thread_and_ends_with_its_buttons(web: Running) -> None:
    ann, root = await _asked(web)
    async with web.tab(ann) as tab:
        answer = web.surface()
        part = await answer.show("Hel", controls=Controls(stop=True))
        first = await tab.until("message")
        assert (first["message"]["author"]["bot"], first["message"]["streaming"]) == (True, True)
        await answer.show("Hello 🎉 wor", controls=Controls(stop=True))
        await answer.show("Hello 🎉 world", final=True, notes=("0.2 s",), controls=Controls(regenerate=True))
        last = await tab.until("text", streaming=False)
        assert tab.texts[part] == "Hello 🎉 world"
        assert last["notes"] == ["0.2 s"]
        assert (last["controls"]["stop"], last["controls"]["regenerate"]) == (False, True)
    shown = (await web.read(f"channel=general&thread={root}"))[-1]
    assert (shown["id"], shown["text"], shown["mark"], shown["part"]) == (part, "Hello 🎉 world", "mark-1", 0)


async def test_repeating_a_write_makes_no_second_message_and_no_event(web: Running) -> None:
    ann, root = await _asked(web)
    ids = {await web.surface().show("Hello", final=True) for _ in range(3)}
    assert len(ids) == 1
    assert len(await web.read(f"channel=general&thread={root}")) == 2
    async with web.tab(ann) as tab:
        await web.surface().show("Hello", final=True)
        await web.says(ann, "next")
        assert (await tab.next())["message"]["text"] == "next"


async def test_once_another_process_writes_the_answer_nothing_changes_here(web: Running) -> None:
    _, root = await _asked(web)
    answer = web.surface()
    await answer.show("Hello")
    with fenced(lambda: False):
        with pytest.raises(Superseded):
            await answer.show("Hello again", final=True)
        with pytest.raises(Superseded):
            await answer.surface.close(0)
    assert [one["text"] for one in await web.read(f"channel=general&thread={root}")][1:] == ["Hello"]


async def test_a_direct_answer_is_flat(web: Running) -> None:
    ann = await web.person("Ann")
    await web.says(ann, "hi", channel=f"dm-{ann}")
    await web.surface().show("Hello", final=True)
    assert [one["text"] for one in await web.read(f"channel=dm-{ann}&person={ann}")] == ["hi", "Hello"]


async def test_parts_beyond_those_that_stand_are_taken_away(web: Running) -> None:
    _, root = await _asked(web)
    answer = web.surface()
    for part in range(3):
        await answer.show(f"part {part}", part=part, final=True)
    await answer.surface.close(1)
    assert [one["text"] for one in await web.read(f"channel=general&thread={root}")] == ["@Parley hi", "part 0"]
    source = web.adapter.platform.source(answer.reply.address)
    assert len(await source.posted("mark-1")) == 1
    assert await source.posted("mark-2") == []


async def test_the_working_sign_is_shown_also_to_a_tab_that_opens_later(web: Running) -> None:
    ann, root = await _asked(web)
    surface = web.surface().surface
    await surface.status(Status(Phase.THINKING, "thinking"))
    async with web.tab(ann) as tab:
        status = await tab.until("status")
        assert (status["channel"], status["thread"], status["text"]) == ("general", root, "thinking")
        await surface.status(Status(Phase.DONE))
        await surface.status(Status(Phase.DONE))
        assert (await tab.until("status"))["text"] is None


async def test_a_notice_is_told_to_one_person(web: Running) -> None:
    ann, root = await _asked(web)
    async with web.tab(ann) as tab:
        await web.surface().surface.tell(ann, Notice("Only you see this."))
        notice = await tab.until("notice")
        assert (notice["text"], notice["thread"]) == ("Only you see this.", root)


async def test_a_part_that_its_asker_deleted_is_not_posted_again(web: Running) -> None:
    ann, root = await _asked(web)
    part = await web.surface().show("Hello", final=True)
    await web.call("DELETE", f"/api/messages/{part}", {"person": await web.person("Bob")}, status=403)
    await web.call("DELETE", f"/api/messages/{part}", {"person": ann})
    with pytest.raises(Gone):
        await web.surface().show("Hello again", final=True)
    assert [one["id"] for one in await web.read(f"channel=general&thread={root}")] == [root]


async def test_an_answer_to_a_deleted_thread_has_nowhere_to_go(web: Running) -> None:
    ann, root = await _asked(web)
    answer = web.surface()
    await web.call("DELETE", f"/api/messages/{root}", {"person": ann})
    with pytest.raises(Gone):
        await answer.show("Hello")


async def test_a_final_write_that_cannot_be_kept_is_not_reported_as_done(web: Running) -> None:
    await _asked(web)
    answer = web.surface()
    await answer.show("Hel")
    web.core.rows.trouble = StoreFull("disk")
    with pytest.raises(Unsent):
        await answer.show("Hello", final=True)
    web.core.rows.trouble = None
    part = await answer.show("Hello", final=True)
    _, row = web.core.rows.rows[("message", part)]
    assert row["it"]["text"] == "Hello"


async def test_a_crash_after_a_final_write_keeps_it_and_finds_it_by_its_mark(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path) as web:
        _, root = await _asked(web)
        answer = web.surface()
        part = await answer.show("Hello", final=True, controls=Controls(regenerate=True, versions=2))
        at_the_crash = FakeCore(rows=copy.deepcopy(core.rows))
    async with running(at_the_crash, tmp_path) as web:
        source = web.adapter.platform.source(answer.reply.address)
        assert list(await source.posted("mark-1")) == [part]
        shown = (await web.read(f"channel=general&thread={root}"))[-1]
        assert (shown["text"], shown["controls"]["versions"]) == ("Hello", 2)


async def test_previews_are_not_written(web: Running) -> None:
    await _asked(web)
    answer = web.surface()
    part = await answer.show("1")
    for number in range(2, 20):
        await answer.show("1" * number)
    await answer.show("1" * 20, final=True)
    assert web.core.rows.writes.count(("message", part)) <= 2


async def test_earlier_messages_leave_out_the_bot_and_what_came_later(web: Running) -> None:
    ann, root = await _asked(web, "we have a problem")
    await web.says(ann, "with the build", thread=root)
    question = await web.says(ann, "@Parley help", thread=root)
    await web.surface().show("Sure", final=True)
    await web.says(ann, "later", thread=root)
    source = web.adapter.platform.source(web.question().address)
    found = await source.earlier(question["id"], 10)
    assert [one.text for one in found] == ["we have a problem", "with the build"]
    assert [one.text for one in await source.earlier(question["id"], 1)] == ["with the build"]
    assert found[0].author.name == "Ann"


async def test_too_many_edits_are_refused_as_discord_would(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path, behave="discord") as web:
        await _asked(web)
        answer = web.surface()
        await answer.show("0")
        for number in range(1, 6):
            await answer.show(str(number))
        with pytest.raises(SlowDown) as refused:
            await answer.show("6")
        assert 0 < refused.value.retry_after <= 5
        write = Write(0, "again", False)
        assert refused.value.key in [toll.key for way in answer.surface.ways(write) for toll in way.tolls]


async def test_the_workspace_itself_never_refuses_a_fast_writer(web: Running) -> None:
    _, root = await _asked(web)
    answer = web.surface()
    for number in range(200):
        await answer.show("x" * number + "y")
    assert (await web.read(f"channel=general&thread={root}"))[-1]["text"] == "x" * 199 + "y"
