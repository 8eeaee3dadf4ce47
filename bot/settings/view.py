"""The settings of one turn, typed: what the turn reads instead of looking keys up."""

from __future__ import annotations

from dataclasses import dataclass

from bot.ports import JsonSchema
from bot.settings.resolve import Effective
from bot.settings.schemas import name_schema


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Every setting as the turn needs it; ``None`` and ``()`` mean "not set" and are not sent.

    ``json`` is as in ``CompletionRequest``. ``prompt_tokens`` is the most the prompt may have. ``stream``:
    progressive or final. ``trigger``: follow, mention, always or off. ``busy``: queue, interrupt or ignore.
    """

    model: str
    system: str = ""
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
    prompt_tokens: int | None = None
    fallbacks: tuple[str, ...] = ()
    tools: bool = True
    stream: str = "progressive"
    trigger: str = "follow"
    busy: str = "queue"


def view_turn(effective: Effective) -> TurnSettings:
    """``effective`` as ``TurnSettings``."""
    value = effective.value
    return TurnSettings(
        model=value("model"),
        system=value("system") or "",
        temperature=value("temperature"),
        top_p=value("top_p"),
        max_completion_tokens=value("max_completion_tokens"),
        stop=tuple(value("stop") or ()),
        seed=value("seed"),
        json=_view_format(effective),
        reasoning_effort=value("reasoning_effort"),
        show_reasoning=value("show_reasoning"),
        service_tier=value("service_tier"),
        prefill=value("prefill") or "",
        prompt_tokens=value("prompt_tokens"),
        fallbacks=tuple(value("fallback_models") or ()),
        tools=value("tools"),
        stream=value("stream"),
        trigger=value("trigger"),
        busy=value("busy"),
    )


def _view_format(effective: Effective) -> bool | JsonSchema | None:
    name = effective.value("response_format")
    if name == "text":
        return None
    schema = effective.schemas.get(name)
    # A schema that was removed since leaves the wish for JSON standing.
    return True if schema is None else name_schema(name, schema)
