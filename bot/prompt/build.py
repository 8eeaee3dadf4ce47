"""From history to prompt: who said what, in which order, byte for byte the same every time.

Providers give a discount and speed for a prompt that begins like an earlier one. So nothing volatile enters it (no
clock, no counters), a message is written the same way in every turn, and what the newest question adds comes last:
when turn n was answered, the prompt of turn n+1 begins with all messages of turn n's. Two things break this on
purpose: an edited or deleted message, and images that are too many or too large together, because providers take three
and a few megabytes at most, and the newest count.

In shared places every message of a person begins with the writer's name and a colon. Names are tidied so that they
cannot pass for several lines. Messages that follow each other from people become one user message, because some
models want roles to alternate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from bot.ports import ChatMessage, Image, StoredMessage
from bot.prompt.estimate import IMAGE, MESSAGE, estimate_tokens

MOST_IMAGES = 3

IMAGES_TOGETHER = 2_900_000
"""Bytes of all images of one request: encoded they have to stay below the 4 MB that providers take, with the text."""

_LONGEST_NAME = 60
_NAMELESS = "Somebody"
_LEFT_OUT_IMAGE = "[image left out]"


@dataclass(frozen=True, slots=True)
class Attached:
    """What was read of the files of one message: excerpts as texts, images, and sentences for people.

    For the prompt to keep its beginning, the same message must be given the same excerpts in every turn.
    """

    blocks: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One message as the model reads it. ``tokens`` is the estimate of what it costs."""

    seq: int
    role: str
    text: str
    images: tuple[Image, ...] = ()
    tokens: int = 0


def write_lines(
    messages: Sequence[StoredMessage], *, shared: bool, attached: Mapping[int, Attached] | None = None
) -> tuple[Line, ...]:
    """The messages as lines, empty ones left out. ``shared``: several people may write. ``attached``: by ``seq``."""
    found = attached or {}
    lines = (_write(message, shared, found.get(message.seq, Attached())) for message in messages)
    return tuple(line for line in lines if line.text or line.images)


def limit_images(lines: Sequence[Line], most: int = MOST_IMAGES, together: int = IMAGES_TOGETHER) -> tuple[Line, ...]:
    """The newest ``most`` images of all lines, with ``together`` bytes at most; where others were, it says so."""
    if not any(line.images for line in lines):
        return tuple(lines)
    newest = [image for line in reversed(lines) for image in reversed(line.images)]
    sizes = accumulate(len(image.data) for image in newest[:most])
    left = sum(size <= together for size in sizes)
    kept: list[Line] = []
    for line in reversed(lines):
        images = line.images[-left:] if left else ()
        gone = len(line.images) - len(images)
        left -= len(images)
        text = "\n".join([line.text, *[_LEFT_OUT_IMAGE] * gone]).strip() if gone else line.text
        kept.append(replace(line, text=text, images=images, tokens=_cost(text, images)))
    return tuple(reversed(kept))


def compose(system: str, lines: Sequence[Line]) -> tuple[ChatMessage, ...]:
    """The prompt: the system prompt (if any), then the lines with roles that alternate, beginning with a person."""
    messages = [ChatMessage("system", system)] if system else []
    first = next((at for at, line in enumerate(lines) if line.role == "user"), len(lines))
    for line in lines[first:]:
        last = messages[-1] if messages else None
        if last is not None and last.role == line.role:
            messages[-1] = ChatMessage(line.role, f"{last.text}\n{line.text}".strip("\n"), last.images + line.images)
        else:
            messages.append(ChatMessage(line.role, line.text, line.images))
    return tuple(messages)


def tidy_name(name: str) -> str:
    """A display name as a speaker label: one line, no colon, not too long."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in name.replace(":", " ")).split())
    return plain[:_LONGEST_NAME].rstrip() or _NAMELESS


def reline(line: Line, text: str) -> Line:
    """``line`` with another text."""
    return replace(line, text=text, tokens=_cost(text, line.images))


def _write(message: StoredMessage, shared: bool, attached: Attached) -> Line:
    said = "\n".join(part for part in (message.text.strip(), *attached.blocks) if part)
    if message.role == "assistant":
        return Line(message.seq, "assistant", said, (), _cost(said, ()))
    if shared and (said or attached.images):
        said = f"{tidy_name(message.author_name)}: {said}".rstrip()
    return Line(message.seq, "user", said, attached.images, _cost(said, attached.images))


def _cost(text: str, images: Sequence[Image]) -> int:
    return MESSAGE + estimate_tokens(text) + IMAGE * len(images)
