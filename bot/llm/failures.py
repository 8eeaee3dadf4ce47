"""The one translator from what a model server does wrong to ``bot.errors``, with sentences for people.

Pure. A failure is judged by what was received (nothing, a status, text), because transports disagree on exception
classes. Provider messages are matched, never shown: only numbers and words from our own lists get through, so no
organisation id, key or raw error can reach a room.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from bot.errors import (
    BadAnswer,
    ContextTooLong,
    KeyRefused,
    ModelGone,
    OverCapacity,
    RateLimited,
    RequestRefused,
    TooLarge,
    Unreachable,
)
from bot.llm.durations import in_words, read_duration
from bot.llm.retries import Remedy, Verdict
from bot.llm.wire import Problem

_OVERFLOW = re.compile(
    r"reduce the length of the (messages|prompt)|maximum context length|context (length|window|size)|"
    r"exceed\w* (the )?(available )?context|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"property '(?P<a>\w+)' is unsupported|`(?P<b>\w+)` is not supported with this model|"
    r"[Uu]nsupported (?:parameter|value): '(?P<c>\w+)|[Uu]nrecognized request arguments? supplied: (?P<d>\w+)|"
    r"does not support (?:the )?(?:parameter )?[`'](?P<e>\w+)[`']|"
    r"(?:[Uu]nknown|[Uu]nexpected|[Uu]nrecognized) (?:parameter|field|key|argument|property|keyword argument)s?:? "
    r"[`'\"]?(?P<f>\w+)|[('](?P<g>\w+)' was unexpected|'loc': \['body', '(?P<h>\w+)'\](?=[^}]*not permitted)"
)
_NO_SUCH_PATH = re.compile(
    r"\s*<|unknown_url|(unknown|invalid) (request )?url|cannot post|no route|(404 ?)?(page )?not found\W*$",
    re.IGNORECASE,
)
_NO_FORMAT = re.compile(r"not support (the )?response[ _]format", re.IGNORECASE)
_LIMIT_NAME = re.compile(r"\b(requests|tokens|input tokens|output tokens) per (minute|hour|day)\b", re.IGNORECASE)
_NUMBER = {name: re.compile(rf"\b{name} (\d+)", re.IGNORECASE) for name in ("Limit", "Requested")}
_TRY_AGAIN = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)", re.IGNORECASE)
_GENERATION = {
    "tool_use_failed": ("a tool call that cannot be read", Remedy.ONCE),
    "json_validate_failed": ("JSON that does not hold together", Remedy.MORE),  # mostly the limit has cut it
}
_DROPPABLE = frozenset(
    {"temperature", "top_p", "stop", "seed", "user", "service_tier", "stream_options", "reasoning_effort"}
    | {"include_reasoning", "reasoning_format", "response_format", "max_completion_tokens", "max_tokens"}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the sentence: the server's ``name``, the ``model``, and what to suggest instead."""

    server: str
    model: str
    replacement: str = ""
    others: Sequence[str] = ()


def judge_status(status: int, headers: Mapping[str, str], problem: Problem, asked: Asked) -> Verdict:
    """A response with an error status, or (status 0) an error inside a stream, judged by the status it amounts to."""
    status = status or _status_of(problem)
    verdict = _judge_code(problem, asked)
    if verdict is not None:
        return verdict
    if status in (401, 402, 403, 407):
        return _account(status, asked)
    if status >= 500 or status == 408:
        return Verdict(_over_capacity(status, headers, problem, asked), Remedy.BACKOFF, others_may=True)
    match status:
        case 404 | 405 if status == 405 or _NO_SUCH_PATH.match(problem.message) or problem.code == "unknown_url":
            return _lost(asked)
        case 404:
            return Verdict(_model_gone(asked), others_may=True)
        case 413:
            return _too_large(problem, asked)
        case 429 if 0 < _number("Limit", problem.message) < _number("Requested", problem.message):
            return _too_large(problem, asked)  # said as if waiting could help
        case 429:
            return Verdict(_rate_limited(headers, problem, asked), Remedy.REST, others_may=True)
        case 498:
            text = f"{asked.server} has no free flex capacity for `{asked.model}` now. Please try again in a moment."
            return Verdict(OverCapacity("498", user_text=text), Remedy.BACKOFF, others_may=True)
        case 424:
            text = "A tool that the model called did not work. Whoever runs this bot can look at its tools."
            return Verdict(RequestRefused("424", user_text=text))
        case _:
            return _refused(status, problem)


def judge_silence(asked: Asked, *, timed_out: bool) -> Verdict:
    """Nothing came at all: refused, closed before any byte, or silent for too long."""
    if timed_out:
        text = f"{asked.server[:1].upper()}{asked.server[1:]} did not answer in time. Please try again in a moment."
        return Verdict(Unreachable("silent", user_text=text), others_may=True)
    return Verdict(
        Unreachable("closed", user_text=f"I could not reach {asked.server}. Please try again in a moment."),
        Remedy.FRESH,
    )


def judge_broken(asked: Asked, *, timed_out: bool) -> Verdict:
    """Headers came and then no text: the stream broke or stalled before the first word."""
    how = "went silent" if timed_out else "broke off"
    text = f"The connection to {asked.server} {how} before the answer began. Please try again."
    return Verdict(Unreachable("stalled" if timed_out else "broken", user_text=text), Remedy.ONCE, others_may=True)


def judge_gibberish(asked: Asked) -> Verdict:
    """A success status, and then something that is not a chat completion."""
    text = (
        f"What came back from {asked.server} is not an answer of a language model. "
        "If this goes on, whoever runs this bot can check its address."
    )
    return Verdict(BadAnswer("not the protocol", user_text=text), Remedy.ONCE)


def judge_empty(reason: str, *, thought: bool) -> Verdict:
    """The model finished properly without a word."""
    if reason == "length":
        spent = "spent all its tokens on thinking" if thought else "had no tokens left"
        text = f"The model {spent} and wrote no answer. Raise max_completion_tokens, or lower the reasoning effort."
        return Verdict(BadAnswer("empty: length", user_text=text))
    if reason == "content_filter":
        return Verdict(BadAnswer("empty: filter", user_text="The provider's content filter withheld the answer."))
    if reason in ("tool_calls", "function_call"):
        text = "The model wanted to use a tool that it was not given, and wrote no answer. Please ask again."
        return Verdict(BadAnswer("empty: tool", user_text=text), Remedy.ONCE)
    return Verdict(BadAnswer("empty", user_text="The model answered with nothing. Please ask again."))


def judge_line(seconds: float, asked: Asked) -> Verdict:
    """The known limits say that the wait would be too long."""
    text = f"{_limit_of(asked)} is used up. It frees up in about {in_words(seconds)}. {_advice(asked)}"
    return Verdict(RateLimited("line", user_text=text, retry_after=seconds), others_may=True)


def _judge_code(problem: Problem, asked: Asked) -> Verdict | None:
    code = problem.code
    if code in ("model_decommissioned", "model_not_found"):
        return Verdict(_model_gone(asked), others_may=True)
    if code == "blocked_api_access":
        text = (
            f"The monthly spending limit of this bot's account at {asked.server} is reached. "
            "Whoever runs this bot can raise it."
        )
        return Verdict(KeyRefused(code, user_text=text))
    if code in ("model_permission_blocked_org", "model_permission_blocked_project"):
        text = f"This bot's account at {asked.server} may not use `{asked.model}`. {_choose(asked)}"
        return Verdict(KeyRefused(code, user_text=text), others_may=True)
    if code in _GENERATION:
        what, remedy = _GENERATION[code]
        text = f"The model wrote {what}. Please ask again; a higher max_completion_tokens can help."
        return Verdict(BadAnswer(code, user_text=text), remedy)
    if code == "context_length_exceeded" or (
        _OVERFLOW.search(problem.message) and problem.code != "rate_limit_exceeded"
    ):
        return Verdict(ContextTooLong(code or "context"), others_may=True)
    return None


def _status_of(problem: Problem) -> int:
    """The HTTP status that an error inside a stream amounts to."""
    if problem.status:
        return problem.status
    if "rate_limit" in (problem.code + problem.type):
        return 429
    if "server_error" in problem.type or "overloaded" in problem.type or "capacity" in problem.message:
        return 503
    return 400 if "invalid" in problem.type else 500


def _account(status: int, asked: Asked) -> Verdict:
    if status == 402:
        text = f"This bot's account at {asked.server} has no credit left. Whoever runs this bot can top it up."
    elif status == 403:
        text = (
            f"{asked.server} refused this bot access to `{asked.model}`. Whoever runs this bot needs to check the key."
        )
    else:
        text = f"{asked.server} refused the API key. Whoever runs this bot needs to check it."
    return Verdict(KeyRefused(str(status), user_text=_sentence(text)))


def _lost(asked: Asked) -> Verdict:
    """Somebody is there who has never heard of chat completions."""
    text = (
        f"There are no chat completions at the address this bot has for {asked.server}. "
        "Whoever runs this bot needs to check it; such addresses mostly end in /v1."
    )
    return Verdict(BadAnswer("no such path", user_text=text))


def _model_gone(asked: Asked) -> ModelGone:
    return ModelGone(
        "gone", user_text=f"{_sentence(asked.server)} does not offer `{asked.model}` (any more). {_choose(asked)}"
    )


def _choose(asked: Asked) -> str:
    others = [name for name in asked.others if name != asked.model]
    if asked.replacement:
        first = f"Try `{asked.replacement}` instead"
        rest = [name for name in others if name != asked.replacement]
        return f"{first}; there are also {_names(rest)}." if rest else f"{first}."
    return f"There are {_names(others)}." if others else "Choose another model with the model command."


def _names(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names[:6]]
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _too_large(problem: Problem, asked: Asked) -> Verdict:
    limit, wanted = _number("Limit", problem.message), _number("Requested", problem.message)
    if limit and wanted:
        name = _LIMIT_NAME.search(problem.message)
        what, period = (name.group(1).lower(), name.group(2).lower()) if name else ("tokens", "minute")
        text = (
            f"This question with its history needs {wanted:,} tokens, and {asked.server} lets this bot use {limit:,} "
            f"{what} per {period} with `{asked.model}`, so waiting does not help. Start a new conversation, ask for a "
            "shorter answer (max_completion_tokens), or choose another model."
        )
        error = TooLarge("tokens", user_text=text)
        if (what, period) == ("tokens", "minute"):
            return Verdict(error, Remedy.SHRINK, others_may=True, limit=limit, wanted=wanted)
        return Verdict(error, others_may=True)
    if problem.code == "rate_limit_exceeded" or problem.type == "tokens":
        return Verdict(TooLarge("tokens"), others_may=True)
    text = f"This message with its files is larger than {asked.server} accepts. Send fewer or smaller images."
    return Verdict(TooLarge("body", user_text=text), others_may=True)


def _rate_limited(headers: Mapping[str, str], problem: Problem, asked: Asked) -> RateLimited:
    rest = _retry_after(headers)
    if rest is None and (told := _TRY_AGAIN.search(problem.message)):
        rest = read_duration(told.group(1).lower())
    name = _LIMIT_NAME.search(problem.message)
    what = _limit_of(asked, f"{name.group(1)} per {name.group(2)}".lower() if name else "")
    when = f" It frees up in about {in_words(rest)}." if rest is not None else ""
    advice = _advice(asked, "then" if rest is not None else "in a moment")
    return RateLimited("429", user_text=f"{what} is used up.{when} {advice}", retry_after=rest)


def _limit_of(asked: Asked, name: str = "") -> str:
    of = f" of {name}" if name else ""
    return f"The limit{of} that {asked.server} sets for `{asked.model}`"


def _advice(asked: Asked, when: str = "then") -> str:
    return f"Try again {when}, or choose another model." if len(asked.others) != 1 else f"Try again {when}."


def _over_capacity(status: int, headers: Mapping[str, str], problem: Problem, asked: Asked) -> OverCapacity:
    if "capacity" in problem.message.lower():
        text = f"`{asked.model}` is over capacity at {asked.server} right now. "
        text += "Try again in a moment, or choose another model."
    else:
        text = f"{_sentence(asked.server)} has trouble right now. Please try again in a moment."
    return OverCapacity(str(status), user_text=text, retry_after=_retry_after(headers))


def _refused(status: int, problem: Problem) -> Verdict:
    if "Too many images" in problem.message:
        text = "There are more images in this conversation than the model takes. Start a new one with fewer images."
        return Verdict(RequestRefused("images", user_text=text))
    found = _UNSUPPORTED.search(problem.message)
    name = next((value for value in found.groups() if value), "") if found else ""
    if _NO_FORMAT.search(problem.message):
        name = "response_format"
    if name in _DROPPABLE:
        text = f"This model does not take the setting {name}. Reset it, or choose another model."
        return Verdict(RequestRefused(f"field {name}", user_text=text), Remedy.DROP, field=name)
    return Verdict(RequestRefused(str(status)), Remedy.ONCE if status == 422 else Remedy.NOTHING)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    millis = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d+(\.\d+)?", millis):
        return float(millis) / 1000
    told = headers.get("retry-after", "")
    return _until(told, headers.get("date", "")) if told[:1].isalpha() else read_duration(told)


def _until(then: str, now: str) -> float | None:
    """The seconds between two dates of HTTP; both are of the server's clock."""
    try:
        return max(0.0, (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(name: str, message: str) -> int:
    found = _NUMBER[name].search(message)
    return int(found.group(1)) if found else 0


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
