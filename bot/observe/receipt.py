"""What did it see? The facts behind one answer, kept with it, and told to whoever asks why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.ports import Finished, TurnView, Usage
from bot.replies import Notice


def receipt(
    *,
    model: str,
    settings: Mapping[str, tuple[Any, str]],
    messages: int,
    left_out: int,
    notices: tuple[str, ...],
    finished: Finished | None,
    failure: str,
    first_text_ms: float | None,
    seconds: float,
) -> dict[str, Any]:
    """A JSON-able record. ``settings``: key → (value as text, the level it came from), only what somebody set."""
    facts: dict[str, Any] = {
        "model": model,
        "settings": {key: list(pair) for key, pair in settings.items()},
        "messages": messages,
        "left_out": left_out,
        "notices": list(notices),
        "seconds": round(seconds, 3),
    }
    if first_text_ms is not None:
        facts["first_text_ms"] = round(first_text_ms, 1)
    if failure:
        facts["failure"] = failure
    if finished is not None:
        facts |= {"finish": finished.reason, "request": finished.request_id, "seed": finished.seed}
        if unsent := [name for name in finished.unsent if name in settings]:
            facts["unsent"] = unsent
        if finished.usage is not None:
            facts["usage"] = _usage(finished.usage)
    return facts


def tell_receipt(view: TurnView) -> Notice:
    """The record as a person reads it."""
    facts = view.receipt
    if not facts:
        return Notice("There is nothing on record about this answer: it did not come from the model.")
    lines = [f"**{facts['model']}** answered in {facts['seconds']:.1f} s{_first(facts)}."]
    lines.append(f"It was sent {_count(facts['messages'], 'message')} of this conversation{_left_out(facts)}.")
    usage = facts.get("usage")
    if usage:
        lines.append(
            f"Tokens: {usage['prompt']:,} in ({usage['cached']:,} from the provider's cache), "
            f"{usage['completion']:,} out"
            + (f", {usage['reasoning']:,} of them thinking." if usage["reasoning"] else ".")
        )
    for key, (value, level) in facts["settings"].items():
        unsent = ", not sent: this model does not take it" if key in facts.get("unsent", ()) else ""
        lines.append(f"- `{key}` = {value} (set for the {level}){unsent}")
    lines += [f"- {notice}" for notice in facts["notices"]]
    if facts.get("finish") not in (None, "stop"):
        lines.append(f"It ended because of: {facts['finish']}.")
    if facts.get("request"):
        lines.append(f"The provider's request id: `{facts['request']}`.")
    return Notice("\n".join(lines))


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt": usage.prompt_tokens,
        "completion": usage.completion_tokens,
        "cached": usage.cached_tokens,
        "reasoning": usage.reasoning_tokens,
    }


def _first(facts: Mapping[str, Any]) -> str:
    return f", its first words after {facts['first_text_ms'] / 1000:.2f} s" if "first_text_ms" in facts else ""


def _left_out(facts: Mapping[str, Any]) -> str:
    return f"; {_count(facts['left_out'], 'older one')} did not fit" if facts["left_out"] else ""


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
