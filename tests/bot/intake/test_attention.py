"""The attention table, every cell: each combination of what a message can be has one written verdict."""

from __future__ import annotations

from itertools import product

import pytest

from bot.events import AuthorKind
from bot.intake.attention import EditVerdict, Sight, Verdict, judge, judge_edit

TRIGGERS = ("follow", "mention", "always", "off")


def sight(**facts: object) -> Sight:
    usual = {
        "author": AuthorKind.PERSON,
        "direct": False,
        "mentioned": False,
        "opens_with_other": False,
        "takes_part": False,
    }
    return Sight(**(usual | facts))  # type: ignore[arg-type]  # facts are the fields by name


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_its_own_messages_are_never_answered_nor_recorded(trigger: str) -> None:
    for direct, mentioned, takes_part in product((True, False), repeat=3):
        own = sight(author=AuthorKind.SELF, direct=direct, mentioned=mentioned, takes_part=takes_part, trigger=trigger)
        assert judge(own) is Verdict.IGNORE


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_another_bot_is_ignored_unless_it_is_let_in(trigger: str) -> None:
    for direct, mentioned, takes_part in product((True, False), repeat=3):
        facts = {"direct": direct, "mentioned": mentioned, "takes_part": takes_part, "trigger": trigger}
        assert judge(sight(author=AuthorKind.BOT, **facts)) is Verdict.IGNORE
        assert judge(sight(author=AuthorKind.BOT, bot_let_in=True, **facts)) is judge(sight(**facts))


def test_the_mode_off_answers_nothing_but_keeps_the_history_of_its_threads() -> None:
    for direct, mentioned, other in product((True, False), repeat=3):
        facts = {"direct": direct, "mentioned": mentioned, "opens_with_other": other, "trigger": "off"}
        assert judge(sight(takes_part=True, **facts)) is Verdict.RECORD
        assert judge(sight(takes_part=False, **facts)) is Verdict.IGNORE


@pytest.mark.parametrize("trigger", ["follow", "mention", "always"])
def test_a_mention_or_a_direct_message_is_answered_even_when_it_opens_with_another_name(trigger: str) -> None:
    for direct, mentioned, other, takes_part in product((True, False), repeat=4):
        if not (direct or mentioned):
            continue
        facts = {"direct": direct, "mentioned": mentioned, "opens_with_other": other, "takes_part": takes_part}
        assert judge(sight(trigger=trigger, **facts)) is Verdict.ANSWER


@pytest.mark.parametrize(
    ("trigger", "takes_part", "opens_with_other", "verdict"),
    [
        ("follow", True, False, Verdict.ANSWER),
        ("follow", True, True, Verdict.RECORD),
        ("follow", False, False, Verdict.IGNORE),
        ("follow", False, True, Verdict.IGNORE),
        ("mention", True, False, Verdict.RECORD),
        ("mention", True, True, Verdict.RECORD),
        ("mention", False, False, Verdict.IGNORE),
        ("mention", False, True, Verdict.IGNORE),
        ("always", True, False, Verdict.ANSWER),
        ("always", True, True, Verdict.RECORD),
        ("always", False, False, Verdict.ANSWER),
        ("always", False, True, Verdict.IGNORE),
    ],
)
def test_a_message_that_does_not_name_it_goes_by_the_trigger_mode(
    trigger: str, takes_part: bool, opens_with_other: bool, verdict: Verdict
) -> None:
    seen = judge(sight(trigger=trigger, takes_part=takes_part, opens_with_other=opens_with_other))
    assert seen is verdict


@pytest.mark.parametrize(
    ("known", "newest", "waiting", "verdict"),
    [
        (False, False, False, EditVerdict.IGNORE),
        (False, True, False, EditVerdict.IGNORE),
        (True, False, False, EditVerdict.CORRECT),
        (True, True, True, EditVerdict.CORRECT),
        (True, True, False, EditVerdict.ANSWER_AGAIN),
    ],
)
def test_only_the_newest_question_that_has_begun_is_answered_again_when_edited(
    known: bool, newest: bool, waiting: bool, verdict: EditVerdict
) -> None:
    assert judge_edit(known=known, newest=newest, waiting=waiting) is verdict
