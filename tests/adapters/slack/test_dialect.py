"""What the model writes pings nobody and reads the same; what stands under it fits Slack's limits."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from adapters.slack import dialect
from adapters.slack.controls import blocks_under, content, metadata, notice_content, part_in, pressed
from bot.events import Action
from bot.replies import Controls, Notice
from tests.emulators.slack.blocks import problems, total_size

PINGS = re.compile(r"<(!(channel|here|everyone|subteam)|@[UW][A-Z0-9]{2})")


@given(st.lists(st.sampled_from(["<", "!", "channel", "here>", "<!everyone>", "<@U123>", "@", "x", "`", "\n"])))
@example(["<!", "channel", "x"])
def test_nothing_rendered_pings_and_nothing_visible_is_lost(words: list[str]) -> None:
    text = "".join(words)
    rendered = dialect.render(text)
    assert not PINGS.search(rendered)
    assert rendered.replace("\u200b", "") == text


def test_what_is_no_ping_stays_untouched() -> None:
    for text in ("<!DOCTYPE html>", "a <b@c.org>", "vector<@T>", "<!-- note -->", "`x < y`"):
        assert dialect.render(text) == text


def test_a_text_full_of_pings_still_fits() -> None:
    full = ("<!here>" * 2_000)[: dialect.PART_LIMIT]
    assert len(dialect.render(full)) <= dialect.HARD_LIMIT


@given(st.text(), st.integers(0, 40))
def test_what_was_appended_is_never_taken_back(text: str, cut: int) -> None:
    text = text[:10] + "<!channel> <@U1234567> " + text
    shown = dialect.hold_back(dialect.render(text[:cut]))
    assert dialect.render(text).startswith(shown)


@given(st.text(), st.text())
def test_weight_is_additive_and_never_below_the_number_of_characters(one: str, two: str) -> None:
    assert dialect.weigh(one + two) == dialect.weigh(one) + dialect.weigh(two)
    assert dialect.weigh(one) >= len(one)


def test_the_budgets_stay_within_what_slack_grants_in_any_minute() -> None:
    granted = {dialect.START: 20, dialect.APPEND: 100, dialect.UPDATE: 50}
    for budget, most in granted.items():
        assert budget.burst + 60 * budget.rate <= most + 1e-9, budget.name


def test_the_notification_is_the_whole_text_escaped() -> None:
    assert dialect.notification("One & two\n\n- <!channel>\n") == "One &amp; two\n\n- &lt;!channel&gt;"
    assert dialect.notification("  ") == "…"


@given(st.text(max_size=9_000) | st.text("a <&", min_size=2_000, max_size=9_000))
def test_a_long_notification_is_cut_within_what_an_edit_may_carry(text: str) -> None:
    shown = dialect.notification(text)
    assert 0 < len(shown.encode(errors="replace")) <= 3_500
    assert "<" not in shown
    assert re.search(r"&(?!amp;|lt;|gt;)", shown) is None


@given(
    st.lists(st.text(max_size=4_000), max_size=14),
    st.builds(
        Controls,
        stop=st.booleans(),
        regenerate=st.booleans(),
        retry=st.booleans(),
        feedback=st.booleans(),
        version=st.integers(1, 3),
        versions=st.integers(3, 5),
    ),
)
def test_whatever_stands_under_a_full_part_is_taken_by_slack(notes: list[str], controls: Controls) -> None:
    shown = content("x" * dialect.PART_LIMIT, notes, controls, "m" * 24)
    assert problems(shown.get("blocks", [])) == []
    assert total_size(shown.get("blocks", [])) <= 13_200


def test_a_text_alone_is_sent_as_markdown() -> None:
    assert content("**a**", (), None, "m") == {"markdown_text": "**a**"}


def test_a_pressed_button_says_which_reply_and_what() -> None:
    (feedback, actions) = blocks_under((), Controls(regenerate=True, feedback=True, version=2, versions=3), "mark")
    found = {element["action_id"]: pressed(element) for element in actions["elements"]}
    assert found["parley_regenerate"] == (Action.REGENERATE, "mark", "")
    assert found["parley_previous"] == (Action.VERSION, "mark", "1")
    assert found["parley_next"] == (Action.VERSION, "mark", "3")
    up = feedback["elements"][0]["positive_button"]
    assert pressed({"action_id": "parley_feedback", "value": up["value"]}) == (Action.FEEDBACK, "mark", "up")
    assert pressed({"action_id": "somebody_elses", "value": "x|y"}) is None


def test_a_part_is_found_again_by_its_metadata() -> None:
    message = {"metadata": metadata("mark", 2)}
    assert part_in(message, "mark") == 2
    assert part_in(message, "other") is None
    assert part_in({}, "mark") is None


def test_a_very_long_notice_is_cut() -> None:
    assert problems(notice_content(Notice("word " * 10_000))["blocks"]) == []
