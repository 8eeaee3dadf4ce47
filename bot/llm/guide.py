"""``Completions`` without a network: answers about Parley from its own documentation, as if a model were writing.

It is what a newcomer meets before there is a key, so the whole product can be seen working. Deterministic: the same
question gives the same text. It says plainly that it is not a language model (``guide_answers``), and it honours the
settings that make sense for it: stop sequences, the length limit (words for tokens), the prefill and the JSON modes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from bot.llm.guide_answers import answer
from bot.llm.guide_index import GuideIndex
from bot.ports import (
    Backend,
    CompletionRequest,
    Finished,
    JsonSchema,
    LimitState,
    ModelProfile,
    Piece,
    TextDelta,
    Usage,
)

_WORDS = re.compile(r"\S+\s*|\s+")
_PROFILE = ModelProfile(
    "guide",
    context_window=32_768,
    max_completion=4_096,
    json_object=True,
    json_schema=True,
    known=True,
    price_in=0.0,
    price_cached=0.0,
    price_out=0.0,
)


class Guide:
    """``documents``: name → Markdown. ``pace``: words per second, 0 for all at once; ``sleep`` carries the pauses."""

    def __init__(
        self,
        documents: Mapping[str, str],
        *,
        pace: float = 30.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._index = GuideIndex(documents)
        self._pace = pace
        self._sleep = sleep

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Sequence[Piece], None]:
        """See ``Completions.stream``. Never fails."""
        asked = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
        text = answer(asked, self._index)
        if request.json:
            text = _as_json(request.json, text)
        words, reason = _cut(text, request)
        prompt = sum(len(message.text.split()) for message in request.messages)
        if request.prefill:
            yield [TextDelta(request.prefill)]
        for word in words if request.json in (None, False) else ["".join(words)]:
            if self._pace > 0:
                await self._sleep(1 / self._pace)
            yield [TextDelta(word)]
        yield [Finished(reason, "guide", Usage(prompt_tokens=prompt, completion_tokens=len(words)))]

    async def models(self) -> Sequence[ModelProfile]:
        return (_PROFILE,)

    def profile(self, model: str) -> ModelProfile:
        return _PROFILE

    def limits(self) -> Sequence[LimitState]:
        return ()

    def backend(self) -> Backend:
        return Backend("guide", "the built-in guide", "", "guide")

    async def close(self) -> None:
        """Nothing to close."""


def _cut(text: str, request: CompletionRequest) -> tuple[list[str], str]:
    """The words to say and why they end: at a stop sequence, at the length limit, or at the end."""
    ends = [place for sequence in request.stop if sequence and (place := text.find(sequence)) >= 0]
    words = _WORDS.findall(text[: min(ends)] if ends else text)
    limit = request.max_completion_tokens
    if limit is not None and len(words) > limit:
        return words[:limit], "length"
    return words, "stop"


def _as_json(wanted: bool | JsonSchema, text: str) -> str:
    value = _fill(wanted.schema, text, 0) if isinstance(wanted, JsonSchema) else {"answer": text, "model": "guide"}
    return msgspec.json.encode(value).decode()


def _fill(schema: Mapping[str, Any], text: str, depth: int) -> Any:
    """The smallest value of the schema's shape, with the answer wherever there is room for words."""
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        required = schema.get("required", list(properties))
        if depth > 8:
            return {}
        return {name: _fill(properties.get(name, {}), text, depth + 1) for name in required}
    if kind == "array":
        return [_fill(schema.get("items", {}), text, depth + 1)] if schema.get("minItems") and depth <= 8 else []
    return {"integer": 0, "number": 0, "boolean": False, "null": None}.get(str(kind), text)
