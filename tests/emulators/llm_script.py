"""What the emulator is told to say and how to misbehave, and the bytes that come of it. Pure."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HELLO = "Hello from the emulator: the answer grows while you read it."
_TOKEN = re.compile(r"\s*\S{1,6}")


@dataclass(frozen=True, slots=True)
class Script:
    """One behaviour.

    ``ttft``: seconds before the first token; ``rate``: tokens per second, 0 for as fast as possible. ``header_delay``:
    seconds before the status line, ``hold``: what to wait for before it. ``fault`` strikes after ``after`` tokens:
    ``stall`` (falls silent), ``reset`` (TCP RST), ``close`` (ends the connection inside the body), ``end`` (ends the
    body without a word), ``malformed``, ``error_event`` (with the object ``error``); or before anything: ``hang``
    (never answers), ``closed`` (drops the connection); or at the end: ``no_done``. ``newline``: the line ends of the
    event stream; ``comments`` puts comment lines between; ``slice`` > 0 cuts the bytes into packets of that size. A
    ``status`` other than 200, or a ``body``, answers at once with that body. ``tool_call`` answers with a call instead
    of text.
    """

    text: str = HELLO
    reasoning: str = ""
    ttft: float = 0.0
    rate: float = 0.0
    header_delay: float = 0.0
    hold: asyncio.Event | None = None
    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    fault: str = ""
    after: int = 0
    error: Any = None
    newline: str = "\n"
    comments: bool = False
    slice: int = 0
    finish_reason: str = "stop"
    usage: bool = True
    tool_call: bool = False
    cached_tokens: int = 0


@dataclass(slots=True)
class Answer:
    """A script applied to a request: the tokens to send and how they end."""

    tokens: list[str]
    reasoning: list[str]
    reason: str
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = "".join(self.tokens)


def split_tokens(text: str) -> list[str]:
    """Pieces of a few characters whose concatenation is ``text``."""
    tokens = _TOKEN.findall(text)
    rest = text[sum(map(len, tokens)) :]
    return [*tokens, rest] if rest else tokens


def apply(script: Script, body: dict[str, Any]) -> Answer:
    """Honours stop sequences, the token limit (reasoning counts), JSON mode and where reasoning goes."""
    text, reason = script.text, script.finish_reason
    kind = (body.get("response_format") or {}).get("type")
    if kind in ("json_object", "json_schema"):
        try:
            json.loads(text)
        except ValueError:
            text = json.dumps({"answer": text})
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    reasoning = split_tokens(script.reasoning)
    tokens = [] if script.tool_call else split_tokens(text)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None and len(reasoning) + len(tokens) > limit:
        reasoning, tokens, reason = reasoning[:limit], tokens[: max(0, limit - len(reasoning))], "length"
    if body.get("include_reasoning") is False or body.get("reasoning_format") == "hidden":
        reasoning = []
    elif body.get("model") == "qwen/qwen3.8-27b" and reasoning and body.get("reasoning_format") != "parsed":
        tokens, reasoning = ["<thi", "nk>", *reasoning, "</th", "ink>\n\n", *tokens], []
    return Answer(tokens, reasoning, "tool_calls" if script.tool_call else reason)


def usage_of(answer: Answer, script: Script, prompt_tokens: int) -> dict[str, Any]:
    thinking = len(split_tokens(script.reasoning))
    completion = len(answer.tokens) + thinking
    usage: dict[str, Any] = {
        "queue_time": 0.012,
        "prompt_tokens": prompt_tokens,
        "prompt_time": 0.004,
        "completion_tokens": completion,
        "completion_time": 0.4,
        "total_tokens": prompt_tokens + completion,
        "total_time": 0.404,
    }
    if script.cached_tokens:
        usage["prompt_tokens_details"] = {"cached_tokens": script.cached_tokens}
    if thinking:
        usage["completion_tokens_details"] = {"reasoning_tokens": thinking}
    return usage


TOOL_CALL = {
    "index": 0,
    "id": "fc_0001",
    "type": "function",
    "function": {"name": "look", "arguments": '{"place": "here"}'},
}


def whole(answer: Answer, script: Script, body: dict[str, Any], request_id: str, prompt_tokens: int) -> dict[str, Any]:
    """The unstreamed response."""
    message: dict[str, Any] = {"role": "assistant"}
    if answer.text or not script.tool_call:
        message["content"] = answer.text
    if answer.reasoning:
        message["reasoning"] = "".join(answer.reasoning)
    if script.tool_call:
        message["tool_calls"] = [{key: value for key, value in TOOL_CALL.items() if key != "index"}]
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.reason}],
        "usage": usage_of(answer, script, prompt_tokens),
        "usage_breakdown": None,
        "system_fingerprint": "fp_emulator",
        "service_tier": "on_demand",
        "x_groq": {"id": request_id, "seed": body.get("seed", 1234)},
    }


class Stream:
    """The events of one streamed answer as bytes, one packet per token."""

    def __init__(
        self, answer: Answer, script: Script, body: dict[str, Any], request_id: str, prompt_tokens: int
    ) -> None:
        self._answer, self._script, self._body = answer, script, body
        self._id, self._prompt = request_id, prompt_tokens
        head = {"id": f"chatcmpl-{request_id}", "object": "chat.completion.chunk", "created": 1_790_000_000}
        head |= {"model": body["model"], "system_fingerprint": "fp_emulator"}
        self._head = json.dumps(head)[:-1]

    def opening(self) -> bytes:
        extra = {"x_groq": {"id": self._id, "seed": self._body.get("seed", 1234)}}
        return self._event({"role": "assistant", "content": ""}, extra=extra)

    def tokens(self) -> Iterator[bytes]:
        for token in self._answer.reasoning:
            yield self._event({"reasoning": token, "channel": "analysis"})
        if self._script.tool_call:
            yield self._event({"tool_calls": [TOOL_CALL]})
        for token in self._answer.tokens:
            yield self._event({"content": token})

    def closing(self) -> bytes:
        extra: dict[str, Any] = {"x_groq": {"id": self._id}}
        if self._script.usage:
            usage = usage_of(self._answer, self._script, self._prompt)
            extra = {"x_groq": {"id": self._id, "usage": usage}, "usage": usage}
        last = self._event({}, self._answer.reason, extra)
        if (self._body.get("stream_options") or {}).get("include_usage") and self._script.usage:
            usage = usage_of(self._answer, self._script, self._prompt)
            last += self._line(f'data: {self._head}, "choices": [], "usage": {json.dumps(usage)}}}')
        return last if self._script.fault == "no_done" else last + self._line("data: [DONE]")

    def failure(self) -> bytes:
        error = self._script.error or {
            "message": "Tool choice is required, but model did not call a tool",
            "type": "invalid_request_error",
            "code": "tool_use_failed",
            "failed_generation": "",
            "status_code": 400,
        }
        return self._line(f"event: error\ndata: {json.dumps({'error': error})}")

    def malformed(self) -> bytes:
        return self._line('data: {"choices": [{"delta": {"content": "ha')

    def _event(self, delta: dict[str, Any], reason: str | None = None, extra: dict[str, Any] | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        tail = f", {json.dumps(extra, ensure_ascii=False)[1:-1]}" if extra else ""
        body = json.dumps(choice, ensure_ascii=False)
        text = self._line(f'data: {self._head}, "choices": [{body}]{tail}}}')
        return self._line(": still here") + text if self._script.comments else text

    def _line(self, text: str) -> bytes:
        return f"{text}\n\n".replace("\n", self._script.newline).encode()
