"""What model servers put on the wire, as typed values.

Every key is optional and unknown keys are ignored: Groq, OpenAI, Ollama, vLLM, llama.cpp and OpenRouter
leave out or add different ones. Only what Parley reads is declared, and where a value has a type of its own
(usage in words, text in a list of parts) the rest of its chunk still counts. Errors come as an object, as a plain
string, without their ``error`` wrapper (vLLM) or under ``detail``; codes as text, number or null. ``Problem``
is the one form of them all; its ``message`` serves to recognise a failure and is never shown to people.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bot.ports import Usage

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Delta(msgspec.Struct, gc=False):
    """A piece of an answer, or (as ``message``) a whole one."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class Choice(msgspec.Struct, gc=False):
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_time: float | None = None
    total_time: float | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class XGroq(msgspec.Struct, gc=False):
    id: str | None = None
    seed: int | None = None
    usage: WireUsage | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """One streamed chunk, or a whole unstreamed answer."""

    choices: list[Choice] | None = None
    usage: WireUsage | None = None
    x_groq: XGroq | None = None
    error: Any = None
    model: str | None = None
    object: Any = None
    message: Any = None
    code: Any = None
    type: Any = None


class Architecture(msgspec.Struct):
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None


class TopProvider(msgspec.Struct):
    max_completion_tokens: int | None = None


class Meta(msgspec.Struct):
    n_ctx_train: int | None = None


class ListedModel(msgspec.Struct):
    """One entry of ``GET /models``, with what Groq, OpenRouter, vLLM and llama.cpp add to the official shape."""

    id: str
    active: bool | None = None
    context_window: int | None = None
    context_length: int | None = None
    max_model_len: int | None = None
    max_completion_tokens: int | None = None
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    supported_features: list[str] | None = None
    architecture: Architecture | None = None
    top_provider: TopProvider | None = None
    meta: Meta | None = None


_decode_typed = msgspec.json.Decoder(Chunk, strict=False).decode


def decode_chunk(data: bytes) -> Chunk:
    """One chunk. Raises ``msgspec.DecodeError`` when it is not a JSON object."""
    try:
        return _decode_typed(data)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return _read_loosely(msgspec.json.decode(data.decode("utf-8", "replace")))


def decode_models(body: bytes) -> list[ListedModel]:
    """The entries that can be read of ``GET /models``, whichever way they are wrapped. Raises as ``decode_chunk``."""
    value = msgspec.json.decode(body)
    for key in ("data", "models"):
        if isinstance(value, dict) and key in value:
            value = value[key]
    if value is not None and not isinstance(value, list):
        raise msgspec.ValidationError("not a list of models")
    return [entry for each in value or () if (entry := _read_listed(each)) is not None]


def _read_listed(value: object) -> ListedModel | None:
    if isinstance(value, str):
        return ListedModel(value)
    if not isinstance(value, dict) or not isinstance(name := value.get("id") or value.get("name"), str):
        return None
    return _fitting(ListedModel, {**value, "id": name}) or ListedModel(name)


def _read_loosely(value: object) -> Chunk:
    """What of a chunk has the types it should have."""
    if not isinstance(value, dict):
        raise msgspec.ValidationError("not an object")
    choices = value.get("choices")
    return Chunk(
        choices=[_read_choice(each) for each in choices if isinstance(each, dict)] if isinstance(choices, list) else [],
        usage=_fitting(WireUsage, value.get("usage")),
        x_groq=_fitting(XGroq, value.get("x_groq")),
        error=value.get("error"),
        model=_string(value.get("model")),
        object=value.get("object"),
        message=value.get("message"),
        code=value.get("code"),
        type=value.get("type"),
    )


def _read_choice(value: dict[str, Any]) -> Choice:
    reason = value.get("finish_reason")
    return Choice(
        delta=_read_delta(value.get("delta")),
        message=_read_delta(value.get("message")),
        finish_reason=reason if isinstance(reason, str | None) else "stop",
    )


def _read_delta(value: object) -> Delta | None:
    if not isinstance(value, dict):
        return None
    content = value.get("content")
    if isinstance(content, list):
        parts = (each.get("text") if isinstance(each, dict) else each for each in content)
        content = "".join(part for part in parts if isinstance(part, str))
    return Delta(
        _string(content), *(_string(value.get(name)) for name in ("reasoning", "reasoning_content", "refusal"))
    )


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _fitting(kind: type[Shape], value: object) -> Shape | None:
    """``value`` as ``kind``, its members of other types left out."""
    if not isinstance(value, dict):
        return None
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name in types.keys() & value.keys():
        with contextlib.suppress(msgspec.ValidationError):
            given[name] = msgspec.convert(value[name], types[name], strict=False)
    try:
        return kind(**given)
    except TypeError:
        return None


@dataclass(frozen=True, slots=True)
class Problem:
    """A server's complaint. ``code`` and ``type`` are "" when absent; ``status`` is 0 when the body names none."""

    message: str = ""
    type: str = ""
    code: str = ""
    status: int = 0


def find_problem(chunk: Chunk) -> Problem | None:
    """The error a chunk or an answer carries, if it carries one."""
    if chunk.error is not None:
        return read_problem(chunk.error)
    if chunk.x_groq is not None and chunk.x_groq.error is not None:
        return read_problem(chunk.x_groq.error)
    if chunk.object == "error":
        return read_problem({"message": chunk.message, "type": chunk.type, "code": chunk.code})
    return None


def read_problem(value: object) -> Problem:
    """Whatever stood where an error belongs."""
    if not isinstance(value, dict):
        return Problem(message=_text(value))
    code = value.get("code")
    number = value.get("status_code") or code
    return Problem(
        message=_text(value.get("message")),
        type=_text(value.get("type")),
        code=_text(code),
        status=number if isinstance(number, int) and 400 <= number <= 599 else 0,
    )


def read_error_body(body: bytes) -> Problem:
    """The body of a response with an error status; never raises."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return Problem(message=body[:500].decode("utf-8", "replace"))
    if isinstance(value, dict):
        for key in ("error", "detail"):
            if value.get(key) is not None:
                return read_problem(value[key])
    return read_problem(value)


def read_usage(wire: WireUsage) -> Usage:
    prompt, completion = wire.prompt_tokens_details, wire.completion_tokens_details
    return Usage(
        prompt_tokens=wire.prompt_tokens or 0,
        completion_tokens=wire.completion_tokens or 0,
        cached_tokens=(prompt.cached_tokens if prompt else 0) or 0,
        reasoning_tokens=(completion.reasoning_tokens if completion else 0) or 0,
        queue_time=wire.queue_time or 0.0,
        total_time=wire.total_time or 0.0,
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
