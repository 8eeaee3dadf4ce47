"""Deltas become parts: nothing lost, everything fits, every part well formed, however the deltas were cut."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.reply.draft import Draft, rebuild
from bot.reply.markdown import scan_lines
from bot.reply.measure import Weigh, cluster_start, code_points, utf8_bytes
from tests.bot.reply.samples import WEIGHS, dialect, drafted, shown, texts


def pieces(text: str, sizes: list[int]) -> list[str]:
    cut, position = [], 0
    for size in sizes:
        cut.append(text[position : position + size])
        position += size
    return [*cut, text[position:]]


def as_joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(texts, st.integers(64, 400), st.sampled_from(WEIGHS), st.booleans())
@example("```\n" + "x" * 300, 64, code_points, True)
@example("```py\n" + "`" * 300, 64, code_points, True)
@example("|a|b|\n|-|-|\n" + "|" * 200, 64, code_points, True)
@example(" " * 500, 64, code_points, True)
@example("e" + "\u0301" * 300, 64, utf8_bytes, True)
@example(">" * 61 + "\U0001f600" * 20, 64, utf8_bytes, True)
def test_splitting_loses_nothing_and_every_part_fits(text: str, limit: int, weigh: Weigh, whole: bool) -> None:
    draft = drafted([text], limit, weigh, whole)
    assert rebuild(draft.sealed, draft.trail) == text
    assert all(weigh(part.text) <= limit for part in draft.sealed)
    assert all(part.body.strip() for part in draft.sealed)


@given(texts, st.integers(64, 400), st.sampled_from(WEIGHS), st.integers(0, 500))
@example(">" * 64 + " ", 64, utf8_bytes, 1)
@example(">" * 63 + "\U0001f600" * 9, 64, utf8_bytes, 1)
def test_the_last_part_leaves_the_room_that_is_wanted_and_still_nothing_is_lost(
    text: str, limit: int, weigh: Weigh, room: int
) -> None:
    draft = Draft(dialect(limit, weigh))
    draft.add(text)
    draft.finish(room=room)
    assert rebuild(draft.sealed, draft.trail) == as_joined(text)
    assert all(weigh(part.text) <= limit for part in draft.sealed)
    # It cannot where it was full before white space came, or where it opens with what has to be repeated.
    lasts = [] if draft.trail else [part for part in draft.sealed[-1:] if not part.head]
    assert all(weigh(part.text) <= limit - min(room, limit // 2) for part in lasts)


@given(texts, st.lists(st.integers(1, 30)), st.integers(64, 300))
def test_parts_do_not_depend_on_how_deltas_were_cut(text: str, sizes: list[int], limit: int) -> None:
    at_once, in_pieces, by_character = (drafted(deltas, limit) for deltas in ([text], pieces(text, sizes), list(text)))
    assert at_once.sealed == in_pieces.sealed == by_character.sealed
    assert at_once.trail == in_pieces.trail == by_character.trail


@given(texts, st.integers(64, 300), st.sampled_from(WEIGHS))
def test_every_look_at_an_unfinished_reply_fits_and_sealed_parts_stay(text: str, limit: int, weigh: Weigh) -> None:
    draft = Draft(dialect(limit, weigh))
    before: list[object] = []
    for start in range(0, len(text), 3):
        draft.add(text[start : start + 3])
        current = draft.current()
        assert draft.sealed[: len(before)] == before
        before = list(draft.sealed)
        if current is not None:
            assert current.text.strip()
            assert weigh(current.text) <= limit


@given(texts, st.integers(120, 400))
def test_every_part_closes_the_fence_it_opens(text: str, limit: int) -> None:
    for part in shown(text, limit):
        assert scan_lines(part.text + "\n").fence is None or ">" in part.text


def test_a_fence_is_closed_and_opened_again_with_its_language() -> None:
    code = "".join(f"line {number} of the program\n" for number in range(1_000))
    parts = shown(f"Look:\n\n```python\n{code}```\nDone.", 2_000)
    assert len(parts) > 10
    assert parts[0].text.endswith("\n```")
    assert all(part.text.startswith("```python\nline") for part in parts[1:])
    assert parts[-1].text.endswith("```\nDone.")
    assert "".join(re.findall(r"line \d+ of the program", "".join(part.text for part in parts))) == code.replace(
        "\n", ""
    )


def test_longer_and_tilde_fences_keep_their_marks() -> None:
    for marks in ("````", "~~~"):
        parts = shown(f"{marks}md\n" + "```\nsample text here\n```\n" * 20 + marks, 100)
        assert all(part.text.startswith(f"{marks}md\n") and part.text.endswith(f"\n{marks}") for part in parts)


def test_a_fence_that_began_late_starts_the_next_part() -> None:
    parts = shown("x " * 35 + "\n\n```js\n" + "let a = 1;\n" * 5 + "```", 100)
    assert [part.text.splitlines()[0] for part in parts[1:]] == ["```js"]
    assert parts[0].tail == 0


def test_a_fence_line_that_ends_the_code_just_at_the_cut_is_not_shown_as_an_empty_block() -> None:
    for length in range(70, 100):
        parts = shown("```\n" + "y" * length + "\n```\nAnd then the text goes on for a while, as it does.", 100)
        assert not any(re.search(r"```\n+```", part.text) for part in parts)


def test_a_table_is_cut_between_rows_and_repeats_its_header() -> None:
    rows = [f"| {number} | value {number} |" for number in range(60)]
    parts = shown("\n".join(["| id | value |", "|----|-------|", *rows]), 300)
    assert len(parts) > 3
    assert all(part.text.startswith("| id | value |\n|----|-------|\n| ") for part in parts)
    assert "\n".join(part.body for part in parts).splitlines()[2:] == rows


def test_bold_over_a_cut_is_closed_and_opened_again() -> None:
    first, second, *_ = shown("**" + "strong words " * 12 + "**", 100)
    assert first.text.startswith("**strong")
    assert first.text.endswith("words**")
    assert second.text.startswith("**strong")


def test_asterisks_that_pair_with_nothing_are_left_alone() -> None:
    parts = shown("Use **kwargs in the call. " + "And so on it goes. " * 3 + "\n\nNew paragraph. " * 6, 100)
    assert all(part.head == part.tail == 0 for part in parts)


def test_cuts_prefer_paragraphs_then_lines_then_sentences_then_words() -> None:
    assert shown("a" * 60 + "\n\n" + "b b " * 5 + "\n" + "c" * 60)[0].text == "a" * 60
    assert shown("a" * 20 + "\n\n" + "b b " * 10 + "\n" + "c" * 60)[0].text.endswith("b b")
    assert shown("One is here. " * 5 + "word " * 20)[0].text.endswith("here.")
    assert shown("word " * 60)[0].text.endswith("word")


def test_a_link_is_not_cut() -> None:
    link = "[the documentation](https://example.org/a/very/long/path)"
    parts = shown("word " * 12 + link + " word" * 12)
    assert any(link in part.text for part in parts)


def test_no_grapheme_is_broken() -> None:
    for cluster in ("👨‍👩‍👧‍👦", "e\u0301", "🇩🇪", "한", "👍🏽"):
        for part in shown(cluster * 200, 101):
            assert len(part.text) % len(cluster) == 0
            assert cluster_start(part.text + cluster, len(part.text)) == len(part.text)


def test_a_character_that_came_in_two_halves_is_whole() -> None:
    draft = drafted(["a\ud83d", "\ude00b", "\ud83d"])
    assert draft.sealed[0].text == "a😀b\ufffd"


@given(st.lists(st.text(st.characters(categories=("Cs", "Ll")), max_size=3), max_size=30))
def test_surrogates_are_joined_wherever_they_were_cut(deltas: list[str]) -> None:
    draft = drafted(deltas)
    assert rebuild(draft.sealed, draft.trail) == as_joined("".join(deltas))


def test_windows_line_ends_survive() -> None:
    text = "```py\r\n" + "x = 1\r\n" * 60 + "```\r\nEnd.\r\n"
    draft = drafted([text])
    assert rebuild(draft.sealed, draft.trail) == text
    assert all(part.gap in ("", "\r\n") for part in draft.sealed)


def test_blank_text_makes_no_part() -> None:
    draft = drafted([" \n", "\t\n"])
    assert draft.sealed == []
    assert draft.trail == " \n\t\n"


def test_parts_carry_no_blank_edges() -> None:
    for part in shown("\n\n" + "Some words here.   \n\n\n" * 40):
        assert part.text == part.text.strip()


def test_a_text_broken_off_is_closed_and_a_whole_one_is_not() -> None:
    assert drafted(["so **very"], whole=False).sealed[0].text == "so **very**"
    assert drafted(["so **very"]).sealed[0].text == "so **very"
    assert drafted(["```py\nx = "]).sealed[0].text == "```py\nx =\n```"


def test_a_limit_without_room_for_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="part_limit"):
        Draft(dialect(20))


def test_the_cost_is_linear_in_the_length() -> None:
    prose = "Some **bold** words, and `code`, and a [link](https://example.org). Next sentence!\n- an item\n\n"
    unit = prose + "```py\nx = 1\n```\n"

    def cost(length: int) -> float:
        text, best = unit * (length // len(unit)), float("inf")
        for _ in range(3):
            draft, start = Draft(dialect(2_000)), time.process_time()
            for position in range(0, len(text), 4):
                draft.add(text[position : position + 4])
            draft.finish()
            best = min(best, time.process_time() - start)
        return best

    assert cost(100_000) < 25 * cost(10_000)  # linear is 10; quadratic would be 100
