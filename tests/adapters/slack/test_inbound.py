"""Slack's payloads as facts: who said what where, and what is nothing that people said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack import inbound
from adapters.slack.inbound import Me, Profile
from bot.events import Address, AuthorKind, MessageDeleted, MessageEdited, MessageReceived

ME = Me("T1", "UBOT", "BBOT", "parley")
PEOPLE = {"U1": Profile("Ada", admin=True), "U2": Profile("Grace")}


def said(text: str = "<@UBOT> hi", **more: Any) -> dict[str, Any]:
    event = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "ts": "1700000000.000100"}
    return event | {"text": text} | more


def fact(event: dict[str, Any], me: Me = ME) -> MessageReceived:
    found = inbound.message_fact(event, me, PEOPLE)
    assert isinstance(found, MessageReceived)
    return found


def test_a_mention_opens_a_thread_under_itself() -> None:
    found = fact(said())
    assert found.address == Address("slack", "T1", "C1", "1700000000.000100")
    assert (found.id, found.text, found.mentions_bot, found.in_thread) == ("1700000000.000100", "hi", True, False)
    assert found.sent_at == pytest.approx(1700000000.0001)
    assert (found.author.name, found.author.admin) == ("Ada", True)


def test_both_twins_of_a_mention_are_the_same_fact() -> None:
    message = said(thread_ts="1699.1")
    mention = {key: value for key, value in message.items() if key != "channel_type"} | {"type": "app_mention"}
    assert fact(message) == fact(mention)


def test_a_reply_belongs_to_its_root_and_a_root_with_replies_to_itself() -> None:
    assert fact(said(thread_ts="1699.1")).in_thread
    assert fact(said(thread_ts="1699.1")).address.thread == "1699.1"
    assert not fact(said(thread_ts="1700000000.000100")).in_thread


def test_direct_messages_open_threads_in_the_agent_view_only() -> None:
    event = said("hi", channel="D1", channel_type="im")
    assert fact(event).direct
    assert fact(event).address.thread == "1700000000.000100"
    plain = Me("T1", "UBOT", "BBOT", agent=False)
    assert fact(event, plain).address.thread == ""
    assert fact(event | {"thread_ts": "1699.1"}, plain).address.thread == "1699.1"


def test_a_group_room_is_not_direct() -> None:
    assert not fact(said("hi", channel="G1", channel_type="mpim")).direct


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@UBOT> hi", "hi"),
        ("<@UBOT|parley>: hi", "hi"),
        ("hey <@UBOT>, are you there?", "hey , are you there?"),
        ("a &lt; b &amp;&amp; c &gt; d &amp;lt;", "a < b && c > d &lt;"),
        ("ask <@U2> or <@U9|zed> or <@U8>", "ask @Grace or @zed or @U8"),
        ("in <#C2|general> and <#C3>", "in #general and #C3"),
        ("see <https://x.org/a?b=1&amp;c=2|the page>", "see [the page](https://x.org/a?b=1&c=2)"),
        ("see <https://x.org/a>", "see https://x.org/a"),
        ("<http://example.com|example.com>", "example.com"),
        ("<mailto:a@b.org|a@b.org>", "a@b.org"),
        ("<!here> <!subteam^S1|@crew> <!subteam^S2>", "@here @crew @subteam"),
        ("<!date^1^{date}|yesterday>", "yesterday"),
        ("if a <b> then", "if a <b> then"),
    ],
)
def test_text_is_freed_of_slacks_escapes(raw: str, text: str) -> None:
    assert fact(said(raw)).text == text


@pytest.mark.parametrize(
    ("raw", "other"),
    [
        ("<@U2> what do you say?", True),
        ("<!subteam^S1> hi", True),
        ("<@UBOT> tell <@U2>", False),
        ("well <@U2>", False),
    ],
)
def test_opening_with_somebody_elses_name_is_seen(raw: str, other: bool) -> None:
    assert fact(said(raw)).opens_with_other_mention is other


@pytest.mark.parametrize(
    "event",
    [
        said(user="UBOT"),
        said(bot_id="BBOT", user="U1"),
        said(user="USLACKBOT"),
        said(subtype="channel_join"),
        said(subtype="assistant_app_thread"),
        said(hidden=True),
        said(subtype="message_deleted", previous_message={"user": "UBOT", "ts": "1.1"}, deleted_ts="1.1"),
    ],
)
def test_what_people_did_not_say_is_no_fact(event: dict[str, Any]) -> None:
    assert inbound.message_fact(event, ME, PEOPLE) is None


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_subtypes_that_carry_words_are_messages(subtype: str) -> None:
    assert fact(said(subtype=subtype)).text == "hi"


def test_another_bot_is_told_apart_also_without_a_subtype() -> None:
    modern = fact(said(bot_id="B2", user="U7", bot_profile={"name": "CI"}))
    classic = fact(said(bot_id="B2", user=None, subtype="bot_message", username="Old"))
    assert (modern.author.kind, modern.author.name) == (AuthorKind.BOT, "CI")
    assert (classic.author.kind, classic.author.id, classic.author.name) == (AuthorKind.BOT, "B2", "Old")


def test_people_of_other_organisations_are_external_and_never_admins() -> None:
    author = fact(said(user_team="T2")).author
    assert author.external
    assert not author.admin


def changed(**more: Any) -> dict[str, Any]:
    before = {"type": "message", "user": "U1", "text": "<@UBOT> hi", "ts": "1.1"}
    after = before | {"text": "<@UBOT> ho", "edited": {"user": "U1", "ts": "2.0"}} | more
    event = {"type": "message", "subtype": "message_changed", "hidden": True, "channel": "C1", "ts": "2.1"}
    return event | {"channel_type": "channel", "message": after, "previous_message": before}


def test_an_edit_is_told_with_its_revision() -> None:
    found = inbound.message_fact(changed(), ME, PEOPLE)
    assert isinstance(found, MessageEdited)
    assert (found.id, found.text, found.revision, found.mentions_bot) == ("1.1", "ho", "2.0", True)
    assert found.address.thread == "1.1"


@pytest.mark.parametrize(
    "more", [{"edited": None}, {"text": "<@UBOT> hi"}, {"user": "UBOT"}, {"bot_id": "BBOT"}, {"ts": ""}]
)
def test_link_previews_reply_counts_and_own_edits_are_no_edits(more: dict[str, Any]) -> None:
    assert inbound.message_fact(changed(**more), ME, PEOPLE) is None


def test_deletions_are_told_also_when_a_tombstone_stays() -> None:
    event = {"type": "message", "subtype": "message_deleted", "channel": "C1", "deleted_ts": "1.1"}
    gone = inbound.message_fact(event | {"previous_message": {"user": "U1", "ts": "1.1", "thread_ts": "0.9"}}, ME, {})
    assert gone == MessageDeleted("1.1", Address("slack", "T1", "C1", "0.9"))
    stone = inbound.message_fact(changed(subtype="tombstone", user="USLACKBOT"), ME, {})
    assert stone == MessageDeleted("1.1", Address("slack", "T1", "C1", "1.1"))


def test_files_that_cannot_be_read_are_left_out() -> None:
    files = [
        {"id": "F1", "name": "a.txt", "mimetype": "text/plain", "size": 3},
        {"id": "F2", "mode": "tombstone"},
        {"id": "F3", "file_access": "check_file_info"},
    ]
    assert [(file.id, file.name) for file in fact(said(files=files)).files] == [("F1", "a.txt"), ("F3", "file")]


@given(st.text())
def test_any_text_gives_a_fact(text: str) -> None:
    fact(said(text))


@given(st.text(alphabet=st.characters(blacklist_characters="<>&")))
def test_text_without_escapes_stays_as_it_is(text: str) -> None:
    assert inbound.plain(text, {}) == text
