"""What the core asks of a model server, and what comes back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Image:
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One line of a prompt. ``role``: system, user or assistant."""

    role: str
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A named schema for structured outputs; ``name`` matches ``[A-Za-z0-9_-]{1,64}``."""

    name: str
    schema: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What to ask the model. ``None`` means: the provider's default. The client drops what a model does not take.

    ``json``: ``None`` for text, ``True`` for any JSON object, or a schema. ``user``: an opaque hash. ``prefill``:
    the beginning of the answer, which the answer text then includes. ``fallbacks``: models to try in order when
    the first cannot answer. ``prompt_tokens``: the estimate used to wait for the per-minute token limit. ``may_grow``:
    nobody set ``max_completion_tokens``, so a second try may have more where the first was cut.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_completion_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json: bool | JsonSchema | None = None
    reasoning_effort: str | None = None
    show_reasoning: bool = False
    service_tier: str | None = None
    prefill: str = ""
    user: str = ""
    fallbacks: tuple[str, ...] = ()
    prompt_tokens: int = 0
    may_grow: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is being generated for about ``seconds`` s; ``why`` for people: "third in line, about 6 s".

    ``why`` is "" when the wait is over and the model is asked.
    """

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Switched:
    """Another model of the fallback chain answers; ``why`` is a plain clause."""

    model: str
    why: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion; absent details are 0. Times in seconds."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    queue_time: float = 0.0
    total_time: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last piece. ``reason``: stop, length, content_filter, or another word the server used.

    ``unsent``: what of the request was left out because the model or its server does not take it, by field.
    """

    reason: str
    model: str
    usage: Usage | None = None
    request_id: str = ""
    seed: int | None = None
    unsent: tuple[str, ...] = ()


Piece = TextDelta | ReasoningDelta | Waiting | Switched | Finished


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What is known of a model. ``known`` is False for a model no data file names; it is then let through.

    ``service_tiers``: those its server offers. Prices in US dollars per million tokens, ``None`` when unknown.
    """

    id: str
    context_window: int = 8_192
    max_completion: int = 4_096
    vision: bool = False
    efforts: tuple[str, ...] = ()
    json_object: bool = True
    json_schema: bool = False
    known: bool = False
    service_tiers: tuple[str, ...] = ()
    price_in: float | None = None
    price_cached: float | None = None
    price_out: float | None = None


@dataclass(frozen=True, slots=True)
class LimitState:
    """What the provider last said of a model's limits. ``kind``: requests/day or tokens/minute. Reset in seconds."""

    model: str
    kind: str
    limit: int
    remaining: int
    reset_in: float


@dataclass(frozen=True, slots=True)
class Backend:
    """Which model server answers. ``kind``: groq, server (a configured URL), local (found by itself) or guide."""

    kind: str
    name: str
    url: str = ""
    model: str = ""


class Completions(Protocol):
    """The model's side."""

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Sequence[Piece], None]:
        """Answer, in batches of pieces as they arrive (one batch per network read), ending with ``Finished``.

        Raises ``CompletionFailed``; after text has come it is ``Cut``. Closing the iterator (``aclose``) closes
        the request upstream at once. Retries and fallbacks happen inside, only before the first text.
        """
        ...

    async def models(self) -> Sequence[ModelProfile]:
        """The chat models the server lists now, cached for a few minutes. Raises ``CompletionFailed``."""
        ...

    def profile(self, model: str) -> ModelProfile:
        """What is known of ``model`` without I/O."""
        ...

    def limits(self) -> Sequence[LimitState]:
        """The newest rate-limit headers, per model."""
        ...

    def backend(self) -> Backend: ...

    async def close(self) -> None: ...
