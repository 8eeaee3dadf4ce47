"""Files that came with a message, as the model can read them: excerpts of text and PDF, images for models that see.

What a file is is told by its bytes, never by its name or declared type. Excerpts share a budget of tokens, small
files leaving what they do not need to the others; what was shortened or could not be read is told in a notice. Large
images are made smaller. The same bytes with the same budget give the same excerpts and images. Reading a PDF or a
large image takes time: call ``read_files`` in a thread.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from bot.events import File
from bot.ports import Image
from bot.prompt.build import IMAGES_TOGETHER, MOST_IMAGES, Attached
from bot.prompt.estimate import cut_middle, estimate_tokens
from bot.prompt.pdf import read_pdf
from bot.prompt.pictures import shrink

LARGEST = 10 * 1024 * 1024
"""Bytes to fetch of a file; of a longer text only its beginning is read, other kinds are then refused."""

_PDF_PAGES = 100
_MOST_CHARACTERS = 400_000
_LEAST_TOKENS = 100
_CONTROL_SHARE = 0.02
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLANKS = frozenset("\n\r\t\f\b\x1b")
_UNREADABLE = "I cannot read {name}: text, code, PDF and images work."


@dataclass(frozen=True, slots=True)
class _Text:
    file: File
    text: str
    notice: str = ""


def read_files(files: Sequence[tuple[File, bytes | None]], *, vision: bool, budget: int) -> Attached:
    """What the model gets of the files (each with its first ``LARGEST`` bytes, or ``None`` when they could not be
    fetched) in about ``budget`` tokens, images not counted. ``vision``: the model sees images."""
    texts: list[_Text] = []
    images: list[Image] = []
    notices: list[str] = []
    for file, data in files:
        found = _read(file, data)
        if isinstance(found, _Text):
            texts.append(found)
        elif isinstance(found, Image):
            taken = _take_image(file, found, images, vision)
            if isinstance(taken, Image):
                images.append(taken)
            else:
                notices.append(taken)
        else:
            notices.append(found)
    blocks, shortened = _excerpt(texts, budget)
    return Attached(blocks, tuple(images), (*notices, *shortened))


def detect_image(data: bytes) -> str:
    """The media type of an image that models take, by its first bytes; "" for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return ""


def decode_text(data: bytes) -> str | None:
    """``data`` as text, or ``None`` when it is not text. A character cut off at the end is left out."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _tidy(codecs.getincrementaldecoder(encoding)("replace").decode(data))
    if b"\0" in data:
        return None
    try:
        return _tidy(codecs.getincrementaldecoder("utf-8")().decode(data))
    except UnicodeDecodeError:
        return _tidy(data.decode("cp1252", "replace"))


def _read(file: File, data: bytes | None) -> _Text | Image | str:
    name = _quote_name(file)
    if data is None:
        return f"I could not fetch {name}."
    if not data:
        return f"{name} is empty."
    whole = file.size <= len(data)
    media_type = detect_image(data)
    if media_type:
        return Image(media_type, data) if whole else f"{name} is too large an image for me."
    if b"%PDF-" in data[:1024]:
        return _read_pdf(file, data) if whole else f"{name} is too large a PDF for me."
    text = decode_text(data[:LARGEST])
    if text is None or _pretends(file):
        return _UNREADABLE.format(name=name)
    return _Text(file, text, "" if whole else f"Of {name} I read only the beginning.")


def _pretends(file: File) -> bool:
    """Text that is declared to be an image or a PDF is a sign-in page or an error page in its place."""
    declared = file.media_type
    return declared == "application/pdf" or (declared.startswith("image/") and "svg" not in declared)


def _read_pdf(file: File, data: bytes) -> _Text | str:
    name = _quote_name(file)
    found = read_pdf(data, pages=_PDF_PAGES, characters=_MOST_CHARACTERS)
    if found.problem == "locked":
        return f"{name} is protected by a password, so I cannot read it."
    if found.problem == "slow":
        return f"{name} took too long to read, so I left it out."
    if found.problem:
        return f"{name} is damaged or not a PDF I can read."
    if not found.text:
        return f"{name} holds no text, perhaps scanned pages."
    short = f"Of {name} I read {found.read} of {found.pages} pages." if found.read < found.pages else ""
    return _Text(file, found.text, short)


def _take_image(file: File, image: Image, taken: Sequence[Image], vision: bool) -> Image | str:
    """``image`` in a size of which as many as may be sent fit together, or why it is not sent."""
    name = _quote_name(file)
    if not vision:
        return f"I cannot see {name}: this model does not take images."
    if len(taken) >= MOST_IMAGES:
        return f"I left out {name}: at most {MOST_IMAGES} images can be looked at together."
    smaller = shrink(image, IMAGES_TOGETHER // MOST_IMAGES)
    if sum(len(other.data) for other in taken) + len(smaller.data) > IMAGES_TOGETHER:
        return f"{name} is too large an image for me."
    return smaller


def _excerpt(texts: Sequence[_Text], budget: int) -> tuple[tuple[str, ...], list[str]]:
    """Each text in its share of the budget, in the order given, and what to tell about it."""
    shares: dict[int, int] = {}
    left, waiting = budget, sorted(range(len(texts)), key=lambda at: len(texts[at].text))
    for done, at in enumerate(waiting):
        fair = left // (len(waiting) - done)
        shares[at] = min(fair, estimate_tokens(texts[at].text[:_MOST_CHARACTERS]))
        left -= shares[at]
    blocks, notices = [], []
    for at, found in enumerate(texts):
        excerpt = found.text[:_MOST_CHARACTERS]
        if shares[at] < min(_LEAST_TOKENS, estimate_tokens(excerpt)):
            notices.append(f"There was no room left for {_quote_name(found.file)}.")
            continue
        shown = cut_middle(excerpt, shares[at])
        if found.notice:
            notices.append(found.notice)
        if shown != excerpt or len(excerpt) < len(found.text):
            notices.append(f"{_quote_name(found.file)} is long: I read its beginning and its end, not its middle.")
        blocks.append(_fence(found.file, shown))
    return tuple(blocks), notices


def _fence(file: File, text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"File {_quote_name(file)}:\n{fence}\n{text.strip(chr(10))}\n{fence}"


def _quote_name(file: File) -> str:
    name = "".join(char for char in file.name if char.isprintable() and char != "`").strip()[:100]
    return f"`{name or 'file'}`"


def _tidy(text: str) -> str | None:
    """Line ends as one character; ``None`` when too many control characters say that this was never text."""
    controls = sum(1 for char in text[:20_000] if char < " " and char not in _BLANKS) + text[:20_000].count("\ufffd")
    if controls > len(text[:20_000]) * _CONTROL_SHARE:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
