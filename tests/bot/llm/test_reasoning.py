from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.llm.reasoning import ThinkFilter

_TEXT = st.lists(st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</", "a", " ", "\n", "<", "hello"])).map(
    "".join
)


def run(pieces: list[str]) -> tuple[str, str]:
    think = ThinkFilter()
    results = [think.feed(piece) for piece in pieces] + [think.end()]
    return "".join(text for text, _ in results), "".join(thought for _, thought in results)


@given(_TEXT, st.lists(st.integers(0, 1_000)))
def test_the_result_does_not_depend_on_how_the_text_was_cut(text: str, places: list[int]) -> None:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    assert run([text[start:end] for start, end in pairwise(edges)]) == run([text])


@pytest.mark.parametrize(
    ("whole", "text", "thought"),
    [
        ("Hello <think>x</think>", "Hello <think>x</think>", ""),
        ("  <think>\nhm</think>\n\nYes.", "Yes.", "\nhm"),
        ("<think></think>Yes", "Yes", ""),
        ("<think>never closed </thi", "", "never closed </thi"),
        ("<thinking> is a word", "<thinking> is a word", ""),
        ("  indented", "  indented", ""),
        ("<thi", "<thi", ""),
    ],
)
def test_only_a_leading_block_is_thinking(whole: str, text: str, thought: str) -> None:
    assert run([whole]) == (text, thought)
