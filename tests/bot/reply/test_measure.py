"""Lengths as platforms count them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.reply.measure import Weigh, cluster_start, code_points, fitting, utf8_bytes, utf16_units
from tests.bot.reply.samples import WEIGHS


def test_the_three_units_differ_where_they_should() -> None:
    assert [weigh("aé漢😀") for weigh in (code_points, utf16_units, utf8_bytes)] == [4, 5, 10]


@given(st.text(), st.text(), st.sampled_from(WEIGHS))
def test_weights_add_up(one: str, two: str, weigh: Weigh) -> None:
    assert weigh(one + two) == weigh(one) + weigh(two)


@given(st.text(), st.integers(0, 60), st.sampled_from(WEIGHS))
def test_fitting_is_the_longest_beginning_within_the_limit(text: str, limit: int, weigh: Weigh) -> None:
    size = fitting(text, limit, weigh)
    assert weigh(text[:size]) <= limit
    assert size == len(text) or weigh(text[: size + 1]) > limit


def test_a_cluster_is_cut_in_front_of() -> None:
    text = "ab👨‍👩‍👧e\u0301"
    assert [cluster_start(text, place) for place in range(len(text) + 1)] == [0, 1, 2, 2, 2, 2, 2, 7, 7, 9]
