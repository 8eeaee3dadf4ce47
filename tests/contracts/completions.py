"""What every ``Completions`` must do. Subclass ``CompletionsContract`` and give the fixture ``completions``.

The backend under test must answer any question with at least two words of text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, cast

from bot.ports import (
    Backend,
    ChatMessage,
    CompletionRequest,
    Completions,
    Finished,
    JsonSchema,
    Piece,
    ReasoningDelta,
    Switched,
    TextDelta,
    Waiting,
)


async def collect(completions: Completions, request: CompletionRequest) -> list[Piece]:
    """All pieces of an answer, in order."""
    pieces: list[Piece] = []
    async with aclosing(cast(Any, completions.stream(request))) as batches:
        async for batch in batches:
            assert batch, "a batch is never empty"
            pieces.extend(batch)
    return pieces


def text_of(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))


class CompletionsContract:
    model = "openai/gpt-oss-20b"

    def ask(self, text: str = "What is Parley?", **changes: Any) -> CompletionRequest:
        messages = (ChatMessage("system", "Be brief."), ChatMessage("user", text))
        return CompletionRequest(**{"model": self.model, "messages": messages, **changes})

    async def test_an_answer_has_text_and_ends_with_exactly_one_finished_piece(self, completions: Completions) -> None:
        pieces = await collect(completions, self.ask())
        assert text_of(pieces).strip()
        assert [isinstance(piece, Finished) for piece in pieces] == [False] * (len(pieces) - 1) + [True]

    async def test_every_piece_is_of_a_known_kind_and_no_text_is_empty(self, completions: Completions) -> None:
        for piece in await collect(completions, self.ask()):
            assert isinstance(piece, TextDelta | ReasoningDelta | Waiting | Switched | Finished)
            if isinstance(piece, TextDelta | ReasoningDelta):
                assert piece.text

    async def test_a_finished_answer_names_its_model_and_what_it_cost(self, completions: Completions) -> None:
        last = (await collect(completions, self.ask()))[-1]
        assert isinstance(last, Finished)
        assert last.model
        assert last.reason == "stop"
        assert last.usage is not None
        assert last.usage.completion_tokens > 0

    async def test_a_stop_sequence_ends_the_answer_and_is_not_part_of_it(self, completions: Completions) -> None:
        whole = text_of(await collect(completions, self.ask()))
        middle = whole.split()[1]
        pieces = await collect(completions, self.ask(stop=(middle,)))
        last = pieces[-1]
        assert isinstance(last, Finished)
        assert last.reason == "stop"
        assert middle not in text_of(pieces)
        assert whole.startswith(text_of(pieces))

    async def test_a_small_token_limit_cuts_the_answer_and_says_length(self, completions: Completions) -> None:
        whole = text_of(await collect(completions, self.ask()))
        pieces = await collect(completions, self.ask(max_completion_tokens=2))
        last = pieces[-1]
        assert isinstance(last, Finished)
        assert last.reason == "length"
        assert 0 < len(text_of(pieces)) < len(whole)

    async def test_an_answer_in_json_mode_is_one_json_object(self, completions: Completions) -> None:
        assert isinstance(json.loads(text_of(await collect(completions, self.ask(json=True)))), dict)

    async def test_an_answer_to_a_schema_is_one_json_object(self, completions: Completions) -> None:
        properties = {"answer": {"type": "string"}, "sure": {"type": "boolean"}}
        schema = {"type": "object", "properties": properties, "required": ["answer"], "additionalProperties": False}
        pieces = await collect(completions, self.ask(json=JsonSchema("reply", schema)))
        assert "answer" in json.loads(text_of(pieces))

    async def test_a_prefill_is_the_beginning_of_the_answer(self, completions: Completions) -> None:
        pieces = await collect(completions, self.ask(prefill="Certainly: "))
        assert text_of(pieces).startswith("Certainly: ")
        assert len(text_of(pieces)) > len("Certainly: ")

    async def test_a_stream_can_be_left_after_its_first_piece(self, completions: Completions) -> None:
        async with aclosing(cast(Any, completions.stream(self.ask()))) as batches:
            async for _ in batches:
                break
        assert text_of(await collect(completions, self.ask())).strip()

    async def test_several_answers_at_once_do_not_mix(self, completions: Completions) -> None:
        import asyncio

        alone = text_of(await collect(completions, self.ask()))
        many = await asyncio.gather(*(collect(completions, self.ask()) for _ in range(8)))
        assert [text_of(pieces) for pieces in many] == [alone] * 8

    async def test_the_model_list_is_not_empty_and_profiles_agree_with_it(self, completions: Completions) -> None:
        listed = await completions.models()
        assert listed
        for profile in listed:
            assert profile.context_window > 0
            assert completions.profile(profile.id) == profile

    async def test_backend_and_limits_answer_without_asking_anybody(self, completions: Completions) -> None:
        assert isinstance(completions.backend(), Backend)
        assert list(completions.limits()) == list(completions.limits())
