"""Text of a PDF."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bot.prompt.apart import decode_apart

_SECONDS = 20


@dataclass(frozen=True, slots=True)
class PdfText:
    """``text`` of the first ``read`` of ``pages`` pages. ``problem``: "", locked (a password), slow or broken."""

    text: str = ""
    read: int = 0
    pages: int = 0
    problem: str = ""


def read_pdf(data: bytes, *, pages: int, characters: int, seconds: float = _SECONDS) -> PdfText:
    """At most ``characters`` of the first ``pages`` pages. Blocks for up to ``seconds``: call it in a thread."""
    try:
        found = decode_apart("pdf", data, pages, characters, seconds=seconds)
    except TimeoutError:
        return PdfText(problem="slow")
    return PdfText(**json.loads(found)) if found else PdfText(problem="broken")
