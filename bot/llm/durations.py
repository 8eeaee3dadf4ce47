"""Durations as providers write them and as people say them."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def read_duration(text: str) -> float | None:
    """Seconds in a Go duration (``2m59.56s``, ``120ms``) or a bare number of seconds; ``None`` if it is neither."""
    text = text.strip()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def in_words(seconds: float) -> str:
    """``6 s``, ``2 minutes``, ``3 hours``: rounded up, as one would say it."""
    whole = max(1, int(seconds + 0.999))
    if whole < 100:
        return f"{whole} s"
    minutes = (whole + 59) // 60
    if minutes < 100:
        return f"{minutes} minutes"
    hours = (minutes + 59) // 60
    return f"{hours} hours" if hours < 48 else f"{(hours + 23) // 24} days"


_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(place: int) -> str:
    """``third``; from the eleventh on ``11th``."""
    if place < len(_ORDINALS):
        return _ORDINALS[place]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th") if place % 100 not in (11, 12, 13) else "th"
    return f"{place}{ending}"
