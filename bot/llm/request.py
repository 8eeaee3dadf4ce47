"""A ``CompletionRequest`` as the JSON body one server and one model accept.

Pure. The body is built from a whitelist, because strict servers refuse a whole request for one unknown key:
what a model or server does not take is left out here, in one place, and nowhere else. Messages carry ``role``
and ``content`` only; content is a plain string unless there are images and the model sees.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from bot.llm.models import ModelFacts, ServerRules
from bot.ports import ChatMessage, CompletionRequest, JsonSchema

_JSON_LINE = "Answer with one JSON object and nothing else."


def wants_stream(request: CompletionRequest) -> bool:
    """JSON answers are asked for whole: servers refuse them streamed, and half an object is of no use."""
    return request.json is None or request.json is False


def answer_budget(request: CompletionRequest, facts: ModelFacts) -> int | None:
    """The tokens the answer may have, as they are sent; ``None`` leaves it to the server."""
    wanted, profile = request.max_completion_tokens, facts.profile
    return min(wanted, profile.max_completion) if wanted is not None and profile.known else wanted


def build_body(
    request: CompletionRequest, model: str, facts: ModelFacts, rules: ServerRules, refused: Collection[str] = ()
) -> bytes:
    """The request body. ``refused``: optional fields this model is known to refuse, left out as well."""
    fields = _fields(request, facts, rules, refused)
    streamed = wants_stream(request)
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request, facts, _schema_in_words(request, fields)),
        "stream": streamed,
        **fields,
    }
    if streamed and rules.usage_option and "stream_options" not in refused:
        body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def list_unsent(
    request: CompletionRequest, facts: ModelFacts, rules: ServerRules, refused: Collection[str] = ()
) -> tuple[str, ...]:
    """The settings in ``request`` that ``build_body`` leaves out, by their names as settings."""
    fields = _fields(request, facts, rules, refused)
    return tuple(
        name
        for name in (
            "temperature",
            "top_p",
            "max_completion_tokens",
            "stop",
            "seed",
            "reasoning_effort",
            "service_tier",
        )
        if getattr(request, name) not in (None, ())
        and (rules.limit_field if name == "max_completion_tokens" else name) not in fields
    )


def _fields(
    request: CompletionRequest, facts: ModelFacts, rules: ServerRules, refused: Collection[str]
) -> dict[str, Any]:
    profile = facts.profile
    fields: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop[:4]) or None,
        "seed": request.seed,
        "user": request.user or None,
        "response_format": _response_format(request, facts),
    }
    if request.service_tier in rules.service_tiers:
        fields["service_tier"] = request.service_tier
    if request.reasoning_effort and (request.reasoning_effort in profile.efforts or not profile.known):
        fields["reasoning_effort"] = request.reasoning_effort
    fields = {name: value for name, value in fields.items() if value is not None and name in rules.fields}
    if (budget := answer_budget(request, facts)) is not None:
        fields[rules.limit_field] = budget
    if rules.reasoning_fields and facts.reasoning == "include_reasoning":
        fields["include_reasoning"] = request.show_reasoning
    elif rules.reasoning_fields and facts.reasoning == "reasoning_format":
        fields["reasoning_format"] = "parsed" if request.show_reasoning else "hidden"
    return {name: value for name, value in fields.items() if name not in refused}


def _response_format(request: CompletionRequest, facts: ModelFacts) -> dict[str, Any] | None:
    profile = facts.profile
    if isinstance(request.json, JsonSchema) and (profile.json_schema or not profile.known):
        schema: dict[str, Any] = {"name": request.json.name, "schema": request.json.schema}
        if request.json.strict:
            schema["strict"] = True
        return {"type": "json_schema", "json_schema": schema}
    if request.json and profile.json_object:
        return {"type": "json_object"}
    return None


def _schema_in_words(request: CompletionRequest, fields: dict[str, Any]) -> bool:
    """A schema was asked for that the server will not be given as such: then the prompt must carry it."""
    return isinstance(request.json, JsonSchema) and fields.get("response_format", {}).get("type") != "json_schema"


def _messages(request: CompletionRequest, facts: ModelFacts, schema_in_words: bool) -> list[dict[str, Any]]:
    messages = list(request.messages)
    if not wants_stream(request):
        messages = _mention_json(messages, request, schema_in_words)
    if request.prefill:
        messages.append(ChatMessage("assistant", request.prefill))
    newest = _newest_images(messages, facts)
    return [_message(message, newest.get(index, 0)) for index, message in enumerate(messages)]


def _mention_json(messages: list[ChatMessage], request: CompletionRequest, schema_in_words: bool) -> list[ChatMessage]:
    words = ""
    if schema_in_words and isinstance(request.json, JsonSchema):
        schema = msgspec.json.encode(request.json.schema).decode()
        words = f"{_JSON_LINE} It must match this JSON schema: {schema}"
    elif not any("json" in message.text.lower() for message in messages):
        words = _JSON_LINE
    if not words:
        return messages
    if messages and messages[0].role == "system":
        return [ChatMessage("system", f"{messages[0].text}\n\n{words}"), *messages[1:]]
    return [ChatMessage("system", words), *messages]


def _newest_images(messages: Sequence[ChatMessage], facts: ModelFacts) -> dict[int, int]:
    """How many images of each message may go: all for a model that sees, the newest ones where it takes few."""
    if not facts.profile.vision:
        return {}
    left = facts.max_images or sum(len(message.images) for message in messages)
    allowed: dict[int, int] = {}
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].images and messages[index].role == "user" and left > 0:
            allowed[index] = min(left, len(messages[index].images))
            left -= allowed[index]
    return allowed


def _message(message: ChatMessage, images: int) -> dict[str, Any]:
    if not images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    for image in message.images[:images]:
        data = base64.b64encode(image.data).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{data}"}})
    return {"role": message.role, "content": parts}
