"""Room events become facts: who is named, where it belongs, what the text says without the bot's name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web.entries import Message, Person
from adapters.web.inbound import address_of, mentions, received, without_name

ANN, BOB = Person("p1", "Ann"), Person("p2", "Bob Stone")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("@Parley hello", "hello"),
        ("@parley: hello", "hello"),
        ("@Parley, hello", "hello"),
        ("hello @Parley", "hello"),
        ("tell me @Parley what is it", "tell me what is it"),
        ("@Parley", ""),
        ("@Parley!model x", "!model x"),
        ("@Parley\n```\n@Parley\n```", "```\n@Parley\n```"),
    ],
)
def test_the_bots_name_is_a_mention_and_goes_from_the_text(text: str, rest: str) -> None:
    assert mentions(text, "Parley")
    assert without_name(text, "Parley") == rest


@pytest.mark.parametrize(
    "text",
    [
        "Parley hello",
        "`@Parley`",
        "```\n@Parley\n```",
        "mail ann@parley.com",
        "@Parleys",
        "@parley-test",
        "@parley.com",
    ],
)
def test_other_uses_of_the_name_are_no_mention(text: str) -> None:
    assert not mentions(text, "Parley")
    assert without_name(text, "Parley") == text


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("@Bob Stone what do you think?", True),
        ("@ann look", True),
        ("@Parley look", False),
        ("@Parley ask @Ann", False),
        ("look @Ann", False),
        ("@nobody look", False),
    ],
)
def test_only_a_known_person_named_first_turns_a_message_away(text: str, opens: bool) -> None:
    event = received(Message("1", "general", "", "p1", text, 0.0), ANN, "Parley", [ANN, BOB])
    assert event.opens_with_other_mention is opens


def test_a_root_opens_a_conversation_and_a_direct_room_is_one() -> None:
    assert address_of(Message("5", "general", "", "p1", "", 0.0)).thread == "5"
    assert address_of(Message("6", "general", "5", "p1", "", 0.0)).thread == "5"
    assert address_of(Message("7", "dm-p1", "", "p1", "", 0.0)).thread == ""
    assert address_of(Message("8", "general", "", "", "", 0.0, mark="m")).thread == ""


@given(st.text(st.sampled_from("@Parley `~\n.a-"), max_size=60))
def test_reading_any_text_ends_and_leaves_no_mention_outside_code(text: str) -> None:
    assert len(without_name(text, "Parley")) <= len(text)
