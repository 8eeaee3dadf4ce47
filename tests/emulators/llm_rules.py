"""What a strict, Groq-like server accepts and refuses: the rules of the emulator, pure and in one place.

Wordings and codes follow recorded answers of the real service, because the client recognises some failures only
by their text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_TOP_LEVEL = """
model messages stream stream_options max_completion_tokens max_tokens temperature top_p stop seed n frequency_penalty
presence_penalty response_format tools tool_choice parallel_tool_calls disable_tool_validation reasoning_effort
reasoning_format include_reasoning service_tier user documents citation_options metadata
"""
TOP_LEVEL = frozenset(_TOP_LEVEL.split())
MESSAGE_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "reasoning", "tool_calls", "name"},
    "tool": {"role", "content", "tool_call_id"},
}
EFFORTS = {
    "openai/gpt-oss-20b": ("low", "medium", "high"),
    "openai/gpt-oss-120b": ("low", "medium", "high"),
    "qwen/qwen3.8-27b": ("none", "default", "low", "medium", "high"),
}
VISION = frozenset({"qwen/qwen3.8-27b"})
SCHEMA = frozenset({"openai/gpt-oss-20b", "openai/gpt-oss-120b"})
RETIRED = {"llama-3.3-70b-versatile": "model_decommissioned", "qwen/qwen3-32b": "model_not_found"}
MAX_IMAGES = 3
MAX_BODY = 4 << 20
_PICTURE = re.compile(r"data:image/[^\"]+")
_PICTURE_TOKENS = 1_500


def model_list() -> list[dict[str, Any]]:
    """``GET /models``: chat models with the extra keys of the live service, and some that are not for chat."""

    def entry(name: str, window: int, longest: int, inputs: list[str], features: list[str] | None) -> dict[str, Any]:
        value: dict[str, Any] = {
            "id": name,
            "object": "model",
            "created": 1_754_000_000,
            "owned_by": "emulator",
            "active": True,
            "context_window": window,
            "public_apps": None,
            "max_completion_tokens": longest,
            "input_modalities": inputs,
            "output_modalities": ["text"],
        }
        if features is not None:
            value["supported_features"] = features
        return value

    every = ["tools", "json_mode", "structured_outputs", "reasoning"]
    whisper = entry("whisper-large-v3", 448, 448, ["audio"], None) | {"output_modalities": ["transcription"]}
    return [
        whisper,
        entry("openai/gpt-oss-20b", 131_072, 65_536, ["text"], every),
        entry("openai/gpt-oss-120b", 131_072, 65_536, ["text"], every),
        entry("qwen/qwen3.8-27b", 131_042, 16_384, ["text", "image"], ["tools", "json_mode", "reasoning"]),
        entry("meta-llama/llama-prompt-guard-2-86m", 512, 512, ["text"], None),
        {"id": "acme/unknown-7b", "object": "model", "created": 0, "owned_by": "acme"},
    ]


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}


def check(body: dict[str, Any], models: frozenset[str]) -> Refusal | None:
    """The first reason to refuse a chat completion request, as the real service words it."""
    for key in body:
        if key not in TOP_LEVEL:
            return Refusal(400, f"property '{key}' is unsupported")
    model = body.get("model")
    if model in RETIRED or model not in models:
        return _no_model(str(model))
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return Refusal(400, "'messages' : minimum number of items is 1", param="messages")
    return _check_messages(messages, str(model)) or _check_options(body, str(model)) or _check_format(body, messages)


def _no_model(model: str) -> Refusal:
    if RETIRED.get(model) == "model_decommissioned":
        text = f"The model `{model}` has been decommissioned and is no longer supported. Please refer to the docs."
        return Refusal(400, text, code="model_decommissioned")
    text = f"The model `{model}` does not exist or you do not have access to it."
    return Refusal(404, text, code="model_not_found")


def _check_messages(messages: list[Any], model: str) -> Refusal | None:
    images = 0
    for index, message in enumerate(messages):
        role = message.get("role")
        allowed = MESSAGE_KEYS.get(role)
        if allowed is None:
            return Refusal(400, f"'messages.{index}' : discriminator property 'role' has invalid value")
        for key in message:
            if key not in allowed:
                rule = f"('messages.{index}' : property '{key}' is unsupported)"
                return Refusal(400, f"'messages.{index}' : for 'role:{role}' the following must be satisfied[{rule}]")
        content = message.get("content")
        if isinstance(content, list):
            if model not in VISION:
                return Refusal(400, f"messages[{index}].content must be a string")
            images += sum(part.get("type") == "image_url" for part in content)
        elif not isinstance(content, str) and not message.get("tool_calls"):
            return Refusal(400, f"'messages.{index}.content' : one of the following must be satisfied")
    if images > MAX_IMAGES:
        return Refusal(400, f"Too many images provided. This model supports up to {MAX_IMAGES} images")
    return None


def _check_options(body: dict[str, Any], model: str) -> Refusal | None:
    effort = body.get("reasoning_effort")
    if effort is not None:
        if model not in EFFORTS:
            return Refusal(400, "`reasoning_effort` is not supported with this model", param="reasoning_effort")
        if effort not in EFFORTS[model]:
            return Refusal(400, f"`reasoning_effort` must be one of {list(EFFORTS[model])}", param="reasoning_effort")
    if "include_reasoning" in body and "reasoning_format" in body:
        return Refusal(400, "cannot specify both `include_reasoning` and `reasoning_format`")
    if body.get("n", 1) != 1:
        return Refusal(400, "'n' : must be at most 1", param="n")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        return Refusal(400, "'stop' : maximum number of items is 4", param="stop")
    for name, top in (("temperature", 2), ("top_p", 1)):
        value = body.get(name)
        if value is not None and not 0 <= value <= top:
            return Refusal(400, f"'{name}' : number must be between 0 and {top}", param=name)
    if len(body.get("tools") or []) > 128:
        return Refusal(400, "'tools' : maximum number of items is 128", param="tools")
    if body.get("service_tier", "on_demand") not in ("auto", "on_demand", "flex", "performance"):
        return Refusal(400, "'service_tier' : value must be one of the allowed values", param="service_tier")
    return None


def _check_format(body: dict[str, Any], messages: list[Any]) -> Refusal | None:
    kind = (body.get("response_format") or {"type": "text"}).get("type")
    if kind == "text":
        return None
    if body.get("stream"):
        return Refusal(400, "response_format` does not support streaming", param="response_format")
    if kind == "json_object" and "json" not in json.dumps(messages).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        return Refusal(400, text, param="messages")
    if kind == "json_schema" and body.get("model") not in SCHEMA:
        return Refusal(400, "This model does not support response format `json_schema`", param="response_format")
    return None


def count_tokens(value: object) -> int:
    """A steady estimate: four characters are a token; a picture counts as one, not as the letters that carry it."""
    text, pictures = _PICTURE.subn("", json.dumps(value))
    return max(1, len(text) // 4 + pictures * _PICTURE_TOKENS)
