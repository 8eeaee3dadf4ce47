"""Files from anybody, decoded in a process of its own.

A crafted or merely odd file can keep a decoder busy for hours or eat all memory, and a thread cannot be ended. So
the decoding happens in a child with limits on time and memory: ``decode_apart`` starts this very file as a program,
which takes the file on stdin and writes what it made of it on stdout. The child imports nothing of the bot and
inherits no environment; only the child loads the decoders.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable

_PROCESSOR_SECONDS = 40
_MEMORY = {"pdf": 1 << 30, "picture": 1 << 29}
_MOST_PIXELS = 26_000_000  # to hold at once; of a JPEG less than all of it is decoded
_SIZES = ((1_600, 85), (1_600, 60), (1_024, 60))  # the longer side, the quality


def decode_apart(task: str, data: bytes, *numbers: int, seconds: float) -> bytes:
    """What the child made of ``data``, b"" when it failed. Blocks: call it in a thread.

    ``task`` is ``pdf`` (``numbers``: the most pages and characters; JSON comes back) or ``picture`` (the most bytes; a
    JPEG). Raises ``TimeoutError`` after ``seconds``.
    """
    command = [sys.executable, "-I", __file__, task, *map(str, numbers)]
    try:
        done = subprocess.run(  # noqa: S603  # this interpreter, this file, a word of ours and numbers
            command, input=data, capture_output=True, timeout=seconds, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return done.stdout if done.returncode == 0 else b""


def _extract(data: bytes, pages: int, characters: int) -> bytes:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return json.dumps({"text": "", "read": 0, "pages": 0, "problem": "locked"}).encode()
    texts: list[str] = []
    size = 0
    for page in reader.pages[:pages]:
        text = page.extract_text().strip()
        texts.append(text)
        size += len(text)
        if size >= characters:
            break
    whole = "\n\n".join(text for text in texts if text)[:characters]
    return json.dumps({"text": whole, "read": len(texts), "pages": len(reader.pages), "problem": ""}).encode("ascii")


def _shrink(data: bytes, most: int) -> bytes:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as opened:
        side = _SIZES[0][0]
        opened.draft("RGB", (side, side))
        if opened.width * opened.height > _MOST_PIXELS:
            return b""
        picture: Image.Image = opened.convert("RGBA") if opened.mode == "P" else opened  # a palette has no shades
        picture.thumbnail((side, side), reducing_gap=2.0)
        picture = ImageOps.exif_transpose(picture)  # what is written has no mark any more of how it was held
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        picture = Image.new("RGB", seen.size, "white")
        picture.paste(seen, mask=seen.getchannel("A"))
    picture = picture.convert("RGB")
    for side, quality in _SIZES:
        picture.thumbnail((side, side))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        if out.tell() <= most:
            return out.getvalue()
    return b""


def _limit_self(memory: int) -> None:
    try:
        import resource  # absent on Windows
    except ImportError:
        return
    for what, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, _PROCESSOR_SECONDS)):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some limits; the parent's time limit remains
            resource.setrlimit(what, (limit, limit))


def _main(task: str, *numbers: str) -> None:
    _limit_self(_MEMORY[task])
    work: Callable[..., bytes] = _extract if task == "pdf" else _shrink
    sys.stdout.buffer.write(work(sys.stdin.buffer.read(), *map(int, numbers)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
