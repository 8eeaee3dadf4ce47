from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.parse import Invocation, parse_line, parse_message, split_assignment, unquote
from bot.commands.registry import command_helps, find_command
from bot.ports import Level


@pytest.mark.parametrize(
    ("line", "invocation"),
    [
        ("", Invocation("help")),
        ("  SET temperature 0.2 ", Invocation("set", "temperature 0.2")),
        ("model x --channel", Invocation("model", "x", Level.CHANNEL)),
        ("model --workspace x", Invocation("model", "x", Level.WORKSPACE)),
        ("model x \u2014thread", Invocation("model", "x", Level.THREAD)),
        ("model --channel", Invocation("model", "", Level.CHANNEL)),
        ("system Use the --channel flag well", Invocation("system", "Use the --channel flag well")),
        ("ask what does --channel", Invocation("ask", "what does --channel")),
        ("system one\n  two", Invocation("system", "one\n  two")),
        ("models", Invocation("model")),
        ("/model x", Invocation("model", "x")),
        ("?", Invocation("help")),
        ("modle x", Invocation("modle", "x", known=False)),
    ],
)
def test_a_line_is_read(line: str, invocation: Invocation) -> None:
    assert parse_line(line) == invocation


@pytest.mark.parametrize(
    ("text", "mentioned", "invocation"),
    [
        ("!model x", False, Invocation("model", "x")),
        ("  !Model x", True, Invocation("model", "x")),
        (", !set temperature 0", True, Invocation("set", "temperature 0")),
        ("!system be\nkind", False, Invocation("system", "be\nkind")),
        ("!new", False, Invocation("new")),
        ("!stop it please", False, Invocation("stop", "it please")),
        ("stop", False, Invocation("stop", bare=True)),
        ("Stop!", False, Invocation("stop", bare=True)),
        ("stop.", True, Invocation("stop")),
    ],
)
def test_a_command_in_a_message_is_recognised(text: str, mentioned: bool, invocation: Invocation) -> None:
    assert parse_message(text, mentioned) == invocation


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("help me with this", True),
        ("model trains are fun", True),
        ("!important: read this", False),
        ("!", False),
        ("!!!", False),
        ("!modelling is fun", False),
        ("!new ideas, anyone?", False),
        ("stop the press", True),
        ("please !model x", False),
        ("/model x", False),
        ("", True),
    ],
)
def test_everything_else_is_chat(text: str, mentioned: bool) -> None:
    assert parse_message(text, mentioned) is None


@given(st.text(max_size=60), st.booleans())
def test_any_text_can_be_read(text: str, mentioned: bool) -> None:
    parse_line(text)
    found = parse_message(text, mentioned)
    assert found is None or find_command(found.name) is not None


@pytest.mark.parametrize(
    ("rest", "pair"),
    [
        ("temperature 0.2", ("temperature", "0.2")),
        ("temperature=0.2", ("temperature", "0.2")),
        ("temperature = 0.2", ("temperature", "0.2")),
        ("`lock.model` on", ("lock.model", "on")),
        ("temperature", ("temperature", "")),
        ('ticket {"a": 1}', ("ticket", '{"a": 1}')),
    ],
)
def test_a_key_and_its_value_are_told_apart(rest: str, pair: tuple[str, str]) -> None:
    assert split_assignment(rest) == pair


@pytest.mark.parametrize(("text", "bare"), [('"a b"', "a b"), ("“a b”", "a b"), ('"a" b', '"a" b'), (" a b ", "a b")])
def test_quotes_around_the_whole_are_taken_off(text: str, bare: str) -> None:
    assert unquote(text) == bare


def test_the_registry_keeps_within_what_platforms_take() -> None:
    words = [word for command in command_helps() for word in (command.name, *command.aliases)]
    assert len(words) == len(set(words))
    for command in command_helps():
        assert len(command.summary) <= 100
        assert command.usage.startswith(command.name)
        assert all(argument.summary and len(argument.summary) <= 100 for argument in command.arguments)
        assert all(parse_line(example).name == command.name for example in command.examples)
