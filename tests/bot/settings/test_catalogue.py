from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import SettingRefused
from bot.settings.catalogue import KEYS, find_key
from bot.settings.kinds import OFF
from bot.settings.quoting import quote, split_words

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("temperature", "0.2", 0.2),
        ("temperature", "0,7", 0.7),
        ("temperature", "2", 2.0),
        ("temperature", "off", OFF),
        ("top_p", "1", 1.0),
        ("max_completion_tokens", "2,048", 2048),
        ("seed", "0", 0),
        ("stop", '"END" "two words" ###', ["END", "two words", "###"]),
        ("stop", "“END”", ["END"]),
        ("stop", r'"\n"', ["\n"]),
        ("stop", "one line\nanother line", ["one line", "another line"]),
        ("stop", "a a a", ["a"]),
        ("system", "  Be kind.  ", "Be kind."),
        ("system", "off", OFF),
        ("reasoning_effort", "LOW", "low"),
        ("reasoning_effort", "none", "none"),
        ("show_reasoning", "yes", True),
        ("tools", "off", False),
        ("model", "`openai/gpt-oss-20b`", "openai/gpt-oss-20b"),
        ("fallback_models", "a/b, c/d", ["a/b", "c/d"]),
        ("stream", "final", "final"),
        ("trigger", "always", "always"),
        ("busy", "interrupt", "interrupt"),
    ],
)
def test_a_typed_value_is_understood(key: str, text: str, value: object) -> None:
    assert KEYS[key].parse(text) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("temperature", "2.1"),
        ("temperature", "-0.1"),
        ("temperature", "nan"),
        ("temperature", "inf"),
        ("temperature", "warm"),
        ("top_p", "1.5"),
        ("max_completion_tokens", "0"),
        ("max_completion_tokens", "1.5"),
        ("seed", "-1"),
        ("stop", "a b c d e"),
        ("stop", '""'),
        ("stop", "x" * 201),
        ("system", "x" * 8_001),
        ("system", ""),
        ("reasoning_effort", "extreme"),
        ("show_reasoning", "perhaps"),
        ("model", "two words"),
        ("model", "x" * 201),
        ("stream", "off"),
        ("trigger", "sometimes"),
        ("fallback_models", "a b c d e"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(key: str, text: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        KEYS[key].parse(text)
    assert f"`{key}` takes {KEYS[key].kind.expects}" in refused.value.user_text


def test_a_refusal_does_not_repeat_what_was_typed_to_the_log() -> None:
    with pytest.raises(SettingRefused) as refused:
        KEYS["temperature"].parse("my secret")
    assert "secret" not in str(refused.value)


_PROSE = _TEXT.map(str.strip).filter(lambda text: text and "\0" not in text and text.lower() != "off")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", st.floats(0, 2)),
        ("top_p", st.floats(0, 1)),
        ("seed", st.integers(0, 2**31 - 1)),
        ("stop", st.lists(_TEXT, min_size=1, max_size=4, unique=True)),
        ("system", _PROSE),
        ("tools", st.booleans()),
        ("reasoning_effort", st.sampled_from(KEYS["reasoning_effort"].kind.choices)),
        ("fallback_models", st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)),
    ],
)
@given(data=st.data())
def test_what_is_shown_of_a_value_can_be_typed_again(
    name: str, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert KEYS[name].parse(KEYS[name].show(value)) == value
    assert KEYS[name].is_sound(value)


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_default_is_a_value_its_key_can_have(key: Any) -> None:
    assert key.default is None or key.is_sound(key.default)


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", "hot"), ("temperature", 3), ("stop", 5), ("tools", "x"), ("model", None), ("seed", [1])],
)
def test_a_stored_value_that_no_longer_fits_is_known_as_such(key: str, value: object) -> None:
    assert not KEYS[key].is_sound(value)


@pytest.mark.parametrize(("typed", "name"), [("Temp", "temperature"), ("max-tokens", "max_completion_tokens")])
def test_keys_have_other_names_too(typed: str, name: str) -> None:
    assert find_key(typed).name == name


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingRefused) as refused:
        find_key("temprature")
    assert "`temperature`" in refused.value.user_text


@given(st.lists(st.text(max_size=20), max_size=6))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    assert list(split_words(" ".join(quote(word) for word in words))) == words


@given(st.text(max_size=80))
def test_any_line_splits_into_words(line: str) -> None:
    assert all(isinstance(word, str) for word in split_words(line))


def test_an_apostrophe_or_an_open_quote_is_an_ordinary_character() -> None:
    assert split_words("don't say \"never") == ("don't", "say", '"never')
