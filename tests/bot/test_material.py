"""How long an answer may get where nobody set it: generous, unless the provider's minute is scarce or nearly used."""

from __future__ import annotations

import pytest

from bot.material import plan_answer
from bot.ports import LimitState


def minute(limit: int, remaining: int) -> LimitState:
    return LimitState("m", "tokens/minute", limit, remaining, 30.0)


def test_where_no_limit_is_known_an_answer_may_be_long() -> None:
    assert plan_answer(None) == 16_384


@pytest.mark.parametrize(
    ("limit", "remaining", "planned"),
    [
        (250_000, 250_000, 16_384),
        (250_000, 80_000, 10_000),
        (250_000, 0, 2_048),
        (8_000, 8_000, 2_000),
        (8_000, 1_000, 1_024),
    ],
)
def test_answers_share_what_the_minute_has_left(limit: int, remaining: int, planned: int) -> None:
    assert plan_answer(minute(limit, remaining)) == planned


def test_twenty_answers_begun_at_once_all_find_room_in_a_developers_minute() -> None:
    left = 250_000
    for _ in range(20):
        left -= plan_answer(minute(250_000, left)) + 500
        assert left > 0
