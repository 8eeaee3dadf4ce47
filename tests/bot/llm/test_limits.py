from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.llm.durations import in_words, ordinal, read_duration
from bot.llm.limits import Limits
from bot.llm.line import Line, TooLong
from bot.ports import Waiting

M = "model"


def headers(
    tokens: int = 6_000, left: int = 6_000, requests: int = 1_000, requests_left: int = 1_000
) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(requests),
        "x-ratelimit-remaining-requests": str(requests_left),
        "x-ratelimit-reset-requests": "24h0m0s",
        "x-ratelimit-limit-tokens": str(tokens),
        "x-ratelimit-remaining-tokens": str(left),
        "x-ratelimit-reset-tokens": "60s",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7.66s", 7.66),
        ("2m59.56s", 179.56),
        ("1h0m1s", 3601),
        ("120ms", 0.12),
        ("9", 9),
        ("50µs", 5e-5),
        ("soon", None),
        ("", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float | None) -> None:
    assert read_duration(text) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.1, "1 s"), (5.2, "6 s"), (578, "10 minutes"), (86_400, "24 hours"), (300_000, "4 days")]
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_places_in_line_have_their_words() -> None:
    assert [ordinal(place) for place in (1, 3, 10, 11, 12, 21, 22, 112)] == [
        "first", "third", "tenth", "11th", "12th", "21st", "22nd", "112th"
    ]  # fmt: skip


def test_nothing_is_waited_for_before_the_provider_said_anything() -> None:
    assert Limits().wait(M, 1_000_000, now=0) == 0


def test_missing_tokens_grow_back_over_the_minute() -> None:
    limits = Limits()
    limits.learn(M, headers(left=1_000), now=0)
    assert limits.wait(M, 1_000, now=0) == 0
    assert limits.wait(M, 2_000, now=0) == pytest.approx(10)
    assert limits.wait(M, 2_000, now=4) == pytest.approx(6)
    assert limits.wait(M, 2_000, now=10) == 0


def test_a_request_larger_than_the_whole_limit_is_not_made_to_wait() -> None:
    limits = Limits()
    limits.learn(M, headers(left=0), now=0)
    assert limits.wait(M, 6_001, now=0) == 0


def test_what_is_sent_counts_before_the_next_headers_come() -> None:
    limits = Limits()
    limits.learn(M, headers(), now=0)
    limits.spend(M, 6_000, now=0)
    assert limits.wait(M, 600, now=0) == pytest.approx(6)
    assert limits.wait(M, 600, now=0, ahead=600) == pytest.approx(12)


def test_what_is_sent_puts_off_a_reset_that_was_near() -> None:
    limits = Limits()
    limits.learn(M, headers() | {"x-ratelimit-reset-tokens": "1ms"}, now=0)
    limits.spend(M, 6_000, now=0)
    assert limits.wait(M, 600, now=0) == pytest.approx(6)


def test_a_server_whose_window_ends_sooner_is_believed() -> None:
    limits = Limits()
    limits.learn(M, headers(requests_left=0) | {"x-ratelimit-reset-requests": "2s"}, now=0)
    assert limits.wait(M, 0, now=0.5) == pytest.approx(1.5)


def test_a_refusal_closes_its_model_and_no_other() -> None:
    limits = Limits()
    limits.close(M, 5, now=100)
    assert limits.wait(M, 0, now=101) == pytest.approx(4)
    assert limits.wait("other", 0, now=101) == 0


def test_no_requests_left_today_means_waiting() -> None:
    limits = Limits()
    limits.learn(M, headers(requests_left=0), now=0)
    assert limits.wait(M, 1, now=0) == pytest.approx(86.4)


@given(st.integers(1, 6_000), st.integers(0, 6_000), st.floats(0, 100))
def test_after_the_told_wait_there_is_room(tokens: int, left: int, now: float) -> None:
    limits = Limits()
    limits.learn(M, headers(left=left), now=0)
    assert limits.wait(M, tokens, now + limits.wait(M, tokens, now) + 1e-6) == 0


class Gate:
    """Lets through when it is told to."""

    def __init__(self) -> None:
        self.seconds = 6.0

    def wait(self, model: str, tokens: int, now: float, ahead: int = 0) -> float:
        return self.seconds + ahead


async def test_people_in_line_know_their_place_and_leave_in_order() -> None:
    gate = Gate()
    line = Line(gate, longest=60)
    first, second = line.wait(M, 1, line.arrive()), line.wait(M, 1, line.arrive())
    assert not line.is_free(M, 1)
    assert await anext(first) == Waiting(6.0, "next in line, about 6 s")
    assert await anext(second) == Waiting(7.0, "second in line, about 7 s")
    waiting = asyncio.ensure_future(anext(second))
    await first.aclose()
    assert await waiting == Waiting(6.0, "next in line, about 6 s")
    gate.seconds = 0.0
    await second.aclose()
    assert line.is_free(M, 1)


@pytest.mark.parametrize("back", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_who_is_sent_back_stands_where_they_came_and_nobody_passes_them(back: tuple[int, ...]) -> None:
    line = Line(Gate(), longest=60)
    numbers = [line.arrive() for _ in range(4)]
    waits = {at: line.wait(M, 1, numbers[at]) for at in (3, *back)}
    for wait in waits.values():  # who came last did not have to be sent back: they stand there already
        await anext(wait)
    for first in range(4):
        await waits.pop(first).aclose()
        told = {at: (await anext(wait)).seconds for at, wait in waits.items()}
        assert told == {at: 6.0 + at - first - 1 for at in told}


async def test_who_stands_behind_somebody_sent_back_hears_of_it() -> None:
    line = Line(Gate(), longest=60)
    earlier, later = line.arrive(), line.arrive()
    behind, back = line.wait(M, 1, later), line.wait(M, 1, earlier)
    assert (await anext(behind)).why.startswith("next in line")
    assert (await anext(back)).why.startswith("next in line")
    assert (await anext(behind)).why.startswith("second in line")
    await behind.aclose()
    await back.aclose()


async def test_nobody_is_made_to_wait_longer_than_the_longest_wait() -> None:
    line = Line(Gate(), longest=5)
    with pytest.raises(TooLong) as caught:
        await anext(line.wait(M, 1, line.arrive()))
    assert caught.value.seconds == 6
    assert line.is_free(M, 1) is False


async def test_who_is_first_in_line_goes_as_soon_as_the_limits_are_known_to_have_room() -> None:
    gate = Gate()
    line = Line(gate, longest=60)
    async with aclosing(line.wait(M, 1, line.arrive())) as waits, asyncio.timeout(5):
        async for _ in waits:
            gate.seconds = 0.0
            line.look_again("another")
            line.look_again(M)
    assert line.is_free(M, 1)


async def test_a_wait_ends_when_there_is_room() -> None:
    gate = Gate()
    gate.seconds = 0.01
    async with aclosing(Line(gate, longest=5).wait(M, 1, 0)) as waits:
        async for _ in waits:
            gate.seconds = 0.0
    assert gate.seconds == 0
