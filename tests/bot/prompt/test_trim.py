from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ports import ChatMessage, ModelProfile, StoredMessage
from bot.prompt import Prompt, estimate_tokens, measure_room, prepare
from bot.prompt.estimate import MESSAGE, cut_middle
from bot.prompt.trim import CUT_NOTE, MOST_LINES
from tests.bot.prompt.histories import bot, person, threads

SYSTEM = "Be kind."
BIG = ModelProfile("openai/gpt-oss-20b", 131_072, 65_536, known=True)
SMALL = ModelProfile("allam-2-7b", 4_096, 4_096, known=True)


def fit(history: list[StoredMessage], *question: StoredMessage, room: int) -> Prompt:
    return prepare(SYSTEM, history, question, shared=True, room=room)


def cost(messages: tuple[ChatMessage, ...]) -> int:
    return sum(MESSAGE + estimate_tokens(message.text) for message in messages)


def exchanges(count: int, words: int = 30) -> list[StoredMessage]:
    made = [(person(2 * n, f"{n} " + "word " * words), bot(2 * n + 1, "answer " * words)) for n in range(1, count + 1)]
    return [message for pair in made for message in pair]


def test_what_fits_is_left_alone() -> None:
    found = fit(exchanges(3), person(99, "x"), room=5_000)
    assert (found.trimmed_before, found.left_out, found.notes) == (None, 0, ())
    assert len(found.messages) == 8


def test_the_oldest_exchanges_go_whole_and_many_at_once() -> None:
    found = fit(exchanges(50), person(999, "x"), room=2_000)
    assert found.messages[1].role == "user"
    assert found.tokens <= 0.6 * 2_000 + 100
    assert found.tokens > 0.4 * 2_000
    assert found.trimmed_before is not None
    assert found.messages[1].text.startswith(f"Anna: {found.trimmed_before // 2} ")
    assert found.left_out == found.trimmed_before - 2
    assert found.notes == (f"This conversation is long: I left out its {found.left_out} oldest messages.",)


def test_after_a_cut_the_beginning_stays_the_same_for_many_turns() -> None:
    history: list[StoredMessage] = []
    before: tuple[ChatMessage, ...] = ()
    cuts = 0
    for number in range(1, 200):
        question, answer = exchanges(1)[0], exchanges(1)[1]
        question = person(2 * number, question.text)
        found = fit(history, question, room=3_000)
        if found.trimmed_before is None:
            assert found.messages[: len(before)] == before
        else:
            cuts += 1
            history = [message for message in history if message.seq >= found.trimmed_before]
        before = found.messages
        history += [question, bot(2 * number + 1, answer.text)]
    assert 0 < cuts < 200 / 8


@given(threads(), st.integers(200, 3_000))
def test_a_prompt_never_exceeds_its_room(turns: list[tuple[list[StoredMessage], StoredMessage]], room: int) -> None:
    history = [message for asked, answer in turns[:-1] for message in (*asked, answer)]
    found = fit(history, *turns[-1][0], room=room)
    assert cost(found.messages) <= room
    assert found.tokens <= room
    assert found.messages[-1].role == "user"
    assert bool(found.notes) == bool(found.left_out or CUT_NOTE in found.notes)


@given(threads(), st.integers(200, 3_000))
def test_what_is_kept_of_the_history_is_its_newest_end(
    turns: list[tuple[list[StoredMessage], StoredMessage]], room: int
) -> None:
    history = [message for asked, answer in turns[:-1] for message in (*asked, answer)]
    found = fit(history, *turns[-1][0], room=room)
    kept = [message for message in history if found.trimmed_before is None or message.seq >= found.trimmed_before]
    assert len(history) - len(kept) == found.left_out
    assert not kept or kept[0].role == "user"


def test_a_question_too_long_by_itself_loses_its_middle_and_it_is_told() -> None:
    found = fit(exchanges(5), person(99, "BEGIN " + "word " * 5_000 + "END"), room=1_000)
    (_, question) = found.messages
    assert question.text.startswith("Anna: BEGIN")
    assert question.text.endswith("END")
    assert "characters left out" in question.text
    assert cost(found.messages) <= 1_000
    assert CUT_NOTE in found.notes


def test_of_several_questions_the_longest_is_shortened() -> None:
    found = fit([], person(1, "short one"), person(2, "word " * 5_000), room=1_000)
    assert "Anna: short one\n" in found.messages[-1].text


def test_a_history_of_very_many_short_messages_is_cut_in_chunks_too() -> None:
    found = fit(exchanges(MOST_LINES, 1), person(9_999, "x"), room=1_000_000)
    assert len(found.messages) - 2 <= 0.6 * MOST_LINES
    assert len(found.messages) - 2 > 0.5 * MOST_LINES


@pytest.mark.parametrize(
    ("profile", "completion", "per_minute", "setting"),
    [
        (BIG, 4_096, None, None),
        (BIG, 4_096, 8_000, None),
        (BIG, 60_000, 8_000, None),
        (BIG, None, None, None),
        (BIG, None, 8_000, None),
        (SMALL, 4_096, 6_000, None),
        (SMALL, 1_000_000, None, None),
        (ModelProfile("unknown"), 4_096, None, None),
        (BIG, 4_096, None, 1_000),
    ],
)
def test_prompt_and_answer_together_stay_within_window_and_minute(
    profile: ModelProfile, completion: int | None, per_minute: int | None, setting: int | None
) -> None:
    room = measure_room(profile, completion, per_minute=per_minute, setting=setting)
    answer = room.completion or 4_096
    assert room.prompt >= min(500, setting or 500)
    assert room.prompt + answer < profile.context_window
    assert room.prompt + answer <= (per_minute or profile.context_window)
    assert room.prompt <= (setting or profile.context_window)
    assert answer <= (completion or 4_096)


def test_an_answer_without_a_limit_gets_one_only_where_it_must() -> None:
    assert measure_room(BIG, None).completion is None
    assert measure_room(BIG, None, per_minute=6_000).completion == 3_000


@given(st.text(), st.text())
def test_the_estimate_of_two_texts_is_about_the_sum_of_theirs(one: str, other: str) -> None:
    assert estimate_tokens(f"{one}\n{other}") <= estimate_tokens(one) + estimate_tokens(other) + 30


@given(st.text(max_size=400), st.integers(20, 200))
def test_a_cut_text_is_as_long_as_it_may_be(text: str, tokens: int) -> None:
    cut = cut_middle(text, tokens)
    assert estimate_tokens(cut) <= tokens + 1
    assert cut == text or "characters left out" in cut


# Counts by the o200k tokenizer, which the gpt-oss models use.
@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 10, 101),
        ("大家好，今天我们讨论新服务的架构以及下一个版本的发布时间。请把你的意见写在下面的表格里。" * 10, 300),
        (
            (
                "Привет, коллеги! Сегодня мы обсуждаем архитектуру нового сервиса и сроки "
                "выпуска следующей версии приложения. "
            )
            * 10,
            231,
        ),
        ("สวัสดีทุกคน วันนี้เราจะพูดคุยเกี่ยวกับสถาปัตยกรรมของบริการใหม่และกำหนดการเปิดตัว " * 10, 321),
        ('{"id": 1, "name": "user1", "tags": ["a", "b"], "score": 1.37, "ok": false}\n' * 20, 700),
    ],
)
def test_the_estimate_is_rather_too_high_than_too_low(text: str, real: int) -> None:
    assert real <= estimate_tokens(text) <= 3 * real
