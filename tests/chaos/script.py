"""What the model says to what people ask. Pure.

Each question holds a token of its own, such as ``q00012``; its first letter says how long the answer is. The model
answers all questions since its last answer at once, and names their tokens first: so every answer tells which
questions it is for, and whether each of its words is there.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

ORDINARY, LONG, SLOW = "q", "l", "s"
TOKEN = re.compile(r"\b[qls]\d{5}(?:e\d+)?\b")
OPENING = "This is for "
_WORDS = (
    "river", "stone", "copper", "window", "garden", "winter", "letter", "candle", "harbour", "meadow", "silver",
    "thunder", "paper", "orchard", "lantern", "bridge", "feather", "mountain", "saddle", "velvet", "compass", "anchor",
    "barley", "cedar", "ember", "falcon", "granite", "hollow", "island", "jasmine", "kettle",
)  # fmt: skip
# Letter → (least and most words, tokens of some six characters a second).
_SIZES = {ORDINARY: (30, 240, 150.0), LONG: (1_450, 1_700, 2_500.0), SLOW: (450, 600, 60.0)}
_PARAGRAPH = 60  # words


def tokens_in(text: str) -> list[str]:
    return TOKEN.findall(text)


def answer_to(tokens: Sequence[str]) -> str:
    """The whole answer to these questions together; as long as the last one says."""
    rng = random.Random(" ".join(tokens))
    least, most, _ = _SIZES[tokens[-1][0]]
    words = [rng.choice(_WORDS) for _ in range(rng.randint(least, most))]
    paragraphs = [" ".join(words[at : at + _PARAGRAPH]) for at in range(0, len(words), _PARAGRAPH)]
    return f"{OPENING}{', '.join(tokens)}: " + ".\n\n".join(paragraphs) + "."


def pace_of(tokens: Sequence[str]) -> float:
    return _SIZES[tokens[-1][0]][2]


def claimed(text: str) -> list[str]:
    """The tokens that an answer names at its beginning; none for a sentence that is no answer of the model."""
    if not text.startswith(OPENING):
        return []
    return tokens_in(text.partition(":")[0])


def asked(body: Mapping[str, Any]) -> list[str]:
    """The tokens of the questions since the last answer in a request's messages."""
    found: list[str] = []
    for message in body["messages"]:
        if message["role"] == "assistant":
            found.clear()
        elif message["role"] == "user":
            content = message["content"]
            texts = [content] if isinstance(content, str) else [str(piece.get("text", "")) for piece in content]
            found += [token for text in texts for token in tokens_in(text)]
    return found


def squeezed(text: str) -> str:
    """For comparing: a split between two messages eats the white space where it is."""
    return " ".join(text.split())
