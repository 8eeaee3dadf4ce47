"""Text of a PDF, read in a process of its own.

A crafted or merely odd PDF can keep a reader busy for hours or eat all memory, and a thread cannot be ended. So the
reading happens in a child with limits on time and memory: ``read_pdf`` starts this very file as a program, which
takes the PDF on stdin and writes JSON on stdout. The child imports nothing of the bot and inherits no environment.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass

_SECONDS = 20
_MEMORY = 1 << 30


@dataclass(frozen=True, slots=True)
class PdfText:
    """``text`` of the first ``read`` of ``pages`` pages. ``problem``: "", locked (a password), slow or broken."""

    text: str = ""
    read: int = 0
    pages: int = 0
    problem: str = ""


def read_pdf(data: bytes, *, pages: int, characters: int, seconds: float = _SECONDS) -> PdfText:
    """At most ``characters`` of the first ``pages`` pages. Blocks for up to ``seconds``: call it in a thread."""
    command = [sys.executable, "-I", __file__, str(pages), str(characters)]
    try:
        done = subprocess.run(  # noqa: S603  # this interpreter, this file, two numbers
            command, input=data, capture_output=True, timeout=seconds, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        return PdfText(problem="slow")
    if done.returncode != 0:
        return PdfText(problem="broken")
    found = json.loads(done.stdout)
    return PdfText(found["text"], found["read"], found["pages"], found["problem"])


def _extract(data: bytes, pages: int, characters: int) -> dict[str, object]:
    # Only the child reads PDFs; the bot itself never loads the library.
    from pypdf import PdfReader  # see above

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"text": "", "read": 0, "pages": 0, "problem": "locked"}
    texts: list[str] = []
    size = 0
    for page in reader.pages[:pages]:
        text = page.extract_text().strip()
        texts.append(text)
        size += len(text)
        if size >= characters:
            break
    whole = "\n\n".join(text for text in texts if text)
    return {"text": whole[:characters], "read": len(texts), "pages": len(reader.pages), "problem": ""}


def _limit_self() -> None:
    try:
        import resource  # absent on Windows
    except ImportError:
        return
    for what, limit in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, 2 * _SECONDS)):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some limits; the parent's time limit remains
            resource.setrlimit(what, (limit, limit))


def _main(arguments: list[str]) -> None:
    _limit_self()
    found = _extract(sys.stdin.buffer.read(), int(arguments[0]), int(arguments[1]))
    sys.stdout.buffer.write(json.dumps(found).encode("ascii"))


if __name__ == "__main__":
    _main(sys.argv[1:])
