"""The kinds of value a setting can have: how text becomes a value and a value becomes text again.

``parse`` raises ``ValueError`` for a text that does not fit (the catalogue turns it into a sentence with the key's
name), and ``parse(show(value)) == value`` holds for every value of the kind. Values are JSON-able.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.settings.quoting import quote, split_words

OFF = ""
"""The stored value of a key that was switched off on purpose: nothing is sent, whatever other levels say."""

_YES = frozenset({"on", "yes", "true", "1"})
_NO = frozenset({"off", "no", "false", "0"})
_MODEL_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """``form``: text, long, number, choice or switch, as in ``FormField``. ``expects`` completes "takes …"."""

    form: str
    expects: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    choices: tuple[str, ...] = ()


def number(low: float, high: float) -> Kind:
    """A decimal number; a comma is read as the decimal point."""

    def parse(text: str) -> float:
        value = float(text.strip().replace(",", "."))
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(text)
        return value

    return Kind(
        "number", f"a number from {low:g} to {high:g}", parse, lambda value: f"{float(value)!r}".removesuffix(".0")
    )


def whole(low: int, high: int) -> Kind:
    """A whole number; thousands may be set apart."""

    def parse(text: str) -> int:
        value = int(text.strip().replace(",", "").replace(" ", "").replace("_", ""))
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return Kind("number", f"a whole number from {low:,} to {high:,}", parse, lambda value: str(int(value)))


def choice(*words: str) -> Kind:
    """One of ``words``, in any case."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(text)
        return word

    return Kind("choice", _one_of(words), parse, str, words)


def switch() -> Kind:
    """On or off, as a bool."""

    def parse(text: str) -> bool:
        word = text.strip().lower()
        if word not in _YES | _NO:
            raise ValueError(text)
        return word in _YES

    return Kind("switch", "`on` or `off`", parse, lambda value: "on" if value else "off", ("on", "off"))


def prose(limit: int, form: str = "long") -> Kind:
    """Free text of at most ``limit`` characters."""

    def parse(text: str) -> str:
        value = text.strip()
        if not value or len(value) > limit or "\0" in value:
            raise ValueError(text)
        return value

    return Kind(form, f"a text of at most {limit:,} characters", parse, str)


def model() -> Kind:
    """A model's id as the provider writes it."""

    def parse(text: str) -> str:
        value = text.strip().strip("`")
        if not value or len(value) > _MODEL_LENGTH or not value.isprintable() or any(c.isspace() for c in value):
            raise ValueError(text)
        return value

    return Kind("choice", "the id of a model", parse, str)


def sequences(most: int, longest: int) -> Kind:
    """A few exact texts: in quotes on one line, or one a line."""

    def parse(text: str) -> list[str]:
        lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
        if len(lines) == 1 or '"' in text:
            lines = [word for line in lines for word in split_words(line)]
        found = list(dict.fromkeys(lines))
        if not found or len(found) > most or any(not word or len(word) > longest for word in found):
            raise ValueError(text)
        return found

    return Kind(
        "text",
        f'up to {most} texts, in quotes when they hold spaces, such as `"END" "###"`',
        parse,
        lambda value: " ".join(quote(word) for word in value),
    )


def models(most: int) -> Kind:
    """Several model ids in the order they are tried, separated by commas or spaces."""
    single = model()

    def parse(text: str) -> list[str]:
        found = list(dict.fromkeys(single.parse(word) for word in text.replace(",", " ").split()))
        if not found or len(found) > most:
            raise ValueError(text)
        return found

    return Kind("text", f"up to {most} model ids, separated by commas", parse, ", ".join)


def _one_of(words: tuple[str, ...]) -> str:
    marked = [f"`{word}`" for word in words]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} or {marked[-1]}"
