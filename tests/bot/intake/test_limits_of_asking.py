"""Access lists, quotas, the pair breaker, and what a question meets at a busy lane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events import Address, Author, AuthorKind
from bot.intake.access import Access
from bot.intake.lanes import Arrival, arrive
from bot.intake.quota import PairBreaker, Quota

HERE = Address("slack", "T1", "C1", "1.0")
ANA = Author("U1", "Ana")


def test_without_lists_everybody_may_ask_everywhere() -> None:
    assert Access().refusal(HERE, direct=False) is None
    assert not Access().is_blocked(HERE, ANA)


def test_a_blocked_person_meets_silence() -> None:
    assert Access(blocked_users=frozenset({"U1"})).is_blocked(HERE, ANA)
    assert not Access(blocked_users=frozenset({"discord:U1"})).is_blocked(HERE, ANA)


def test_a_channel_outside_the_list_is_told_so_but_direct_conversations_go_on() -> None:
    access = Access(allowed_channels=frozenset({"slack:C2"}))
    assert "not switched on" in (access.refusal(HERE, direct=False) or "")
    assert access.refusal(HERE, direct=True) is None
    assert access.refusal(Address("slack", "T1", "C2"), direct=False) is None
    assert access.refusal(Address("discord", "T1", "C2"), direct=False) is not None


def test_admins_are_those_the_platform_or_the_configuration_names() -> None:
    assert not Access().is_admin(HERE, ANA)
    assert Access(admins=frozenset({"slack:U1"})).is_admin(HERE, ANA)
    assert Access().is_admin(HERE, Author("U9", "Root", admin=True))


def test_only_listed_bots_are_let_in_and_people_never_are_by_that_list() -> None:
    access = Access(allowed_bots=frozenset({"B1"}))
    assert access.lets_in(HERE, Author("B1", "robot", AuthorKind.BOT))
    assert not access.lets_in(HERE, Author("B2", "robot", AuthorKind.BOT))
    assert not access.lets_in(HERE, Author("B1", "person"))


@given(st.integers(1, 5), st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_no_sixty_seconds_ever_hold_more_questions_than_the_quota(per_minute: int, gaps: list[float]) -> None:
    quota, now, taken = Quota(per_minute), 0.0, []
    for number, gap in enumerate(gaps):
        now += gap
        wait = quota.take(now, "U1")
        if wait == 0:
            taken.append(now)
        else:
            assert quota.take(now, f"somebody else {number}") == 0
            assert 0 < wait <= 60
    for start in taken:
        assert sum(start <= time < start + 60 for time in taken) <= per_minute


def test_a_question_that_was_known_already_does_not_count() -> None:
    quota = Quota(1)
    quota.give_back("U1")
    assert quota.take(0, "U1") == 0
    quota.give_back("U1")
    assert quota.take(1, "U1") == 0
    assert quota.take(2, "U1") > 0


def test_a_quota_of_zero_never_refuses() -> None:
    assert all(Quota(0).take(0, "U1") == 0 for _ in range(100))


def test_two_bots_fall_silent_until_a_person_speaks() -> None:
    breaker = PairBreaker(in_a_row=3)
    assert [breaker.lets("c", True) for _ in range(5)] == [True, True, True, False, False]
    assert breaker.lets("c", False)
    assert breaker.lets("c", True)
    assert breaker.lets("another", True)


@pytest.mark.parametrize(
    ("busy", "mode", "arrival"),
    [
        (False, "queue", Arrival.START),
        (False, "interrupt", Arrival.START),
        (False, "ignore", Arrival.START),
        (True, "queue", Arrival.WAIT),
        (True, "interrupt", Arrival.INTERRUPT),
        (True, "ignore", Arrival.DECLINE),
    ],
)
def test_a_busy_lane_treats_a_question_by_its_mode(busy: bool, mode: str, arrival: Arrival) -> None:
    assert arrive(busy=busy, mode=mode) is arrival
