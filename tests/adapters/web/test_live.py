"""Every tab gets the same events in the same order; a slow one is let go and harms nobody."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from adapters.web.entries import Message, Posted
from adapters.web.live import Tab, text_event, utf16
from bot.replies import Controls
from tests.adapters.web.running import PATIENCE, Running, grown

_TEXT = st.text(st.sampled_from("aé漢🎉👩\u200d\ud7ff "), max_size=30)


@given(_TEXT, _TEXT, st.booleans())
def test_a_page_that_applies_a_text_event_reads_exactly_the_new_text(old: str, new: str, grow: bool) -> None:
    after = old + new if grow else new
    message = Message("1", "general", "", "", old, 0.0)
    event = text_event(message, Message("1", "general", "", "", after, 0.0, streaming=True))
    assert event is not None
    assert grown(old, event) == after
    assert event["len"] == utf16(after)


def test_a_text_event_names_notes_and_buttons_only_when_they_changed() -> None:
    before = Message("1", "general", "", "", "a", 0.0, controls=Controls(stop=True))
    same = text_event(before, Message("1", "general", "", "", "ab", 0.0, controls=Controls(stop=True)))
    gone = text_event(before, Message("1", "general", "", "", "ab", 0.0))
    assert same is not None
    assert gone is not None
    assert "controls" not in same
    assert "notes" not in same
    assert gone["controls"] is None


def test_an_edit_by_a_person_is_sent_whole() -> None:
    before = Message("1", "general", "", "p1", "a", 0.0)
    assert text_event(before, Message("1", "general", "", "p1", "b", 0.0, revision=1)) is None


async def test_two_tabs_get_the_same_events_without_a_gap(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    async with web.tab(ann) as one, web.tab(bob) as two:
        await web.says(ann, "@Parley hi")
        answer = web.surface()
        for number in range(30):
            await answer.show("word " * number + "end")
        part = await answer.show("done", final=True)
        for tab in (one, two):
            await tab.until("text", id=part, streaming=False)
            assert tab.texts[part] == "done"
            assert [event["n"] for event in tab.events] == list(range(1, len(tab.events) + 1))
        assert one.events == two.events


async def test_a_tab_that_comes_back_reads_what_it_missed(web: Running) -> None:
    ann = await web.person("Ann")
    async with web.tab(ann):
        root = (await web.says(ann, "@Parley hi"))["id"]
        answer = web.surface()
        await answer.show("Once")
    await answer.show("Once upon")
    async with web.tab(ann) as tab:
        part = (await web.read(f"channel=general&thread={root}"))[-1]
        assert part["text"] == "Once upon"
        tab.texts[part["id"]] = part["text"]
        await answer.show("Once upon a time", final=True)
        await tab.until("text", streaming=False)
        assert tab.texts[part["id"]] == "Once upon a time"


async def test_a_tab_that_does_not_keep_up_is_told_to_come_back_later() -> None:
    tab = Tab("p1")
    for _ in range(2_000):
        tab.push('{"type":"status"')
    assert tab.code == 1013
    assert await tab.next() is None


async def test_a_tab_that_reads_nothing_is_dropped_and_the_others_go_on(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    big = "x" * 39_000
    async with web.tab(bob) as quick, web.tab(ann, max_queue=1, compression=None) as stuck:
        stuck.connection.transport.pause_reading()
        await web.says(bob, "@Parley hi")
        for number in range(600):
            web.adapter.workspace.room.announce("status", f"{number} {big}")
            if number % 50 == 49:
                await quick.until("status", status=f"{number} {big}")
        await web.says(bob, "still here")
        await quick.until("message")
        async with asyncio.timeout(PATIENCE):
            while len(web.adapter.hub) > 1:
                await web.call("GET", "/api/hello")
        stuck.connection.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await stuck.until("never")


async def test_closing_lets_every_tab_go(web: Running) -> None:
    async with web.tab(await web.person("Ann")) as tab:
        web.adapter.hub.close()
        with pytest.raises(ConnectionClosed) as closed:
            await tab.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_nothing_is_encoded_when_nobody_is_looking(web: Running) -> None:
    message = Message("1", "general", "", "", "text", 0.0)
    web.adapter.hub.publish(Posted(message))
    assert len(web.adapter.hub) == 0
