"""Files that people send: streamed to the data folder under random names, and read back within limits.

What a browser says of a file is not believed: its size is counted, its name is only shown, and its type counts
only when its first bytes or its text agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from adapters.web.record import KeptFile, Record
from adapters.web.refusals import NOT_UNDERSTOOD, Refusal
from bot.errors import Gone, Unsent
from bot.events import File

_ENVELOPE = 16_384  # bytes that multipart may add around a file
_LONGEST_HEADER = 8_192
_DRAIN = 8  # times the limit that is read and thrown away, so that the browser hears the refusal
_LONGEST_NAME = 200
_SNIFF = 4_096
_ORPHAN = 24 * 3600 * 1000  # milliseconds an unsent upload is kept
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), "audio/mpeg"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "video/mp4"),
)
_TEXTS = {
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".xml": "application/xml",
    ".py": "text/x-python",
    ".js": "text/javascript",
}
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class Uploads:
    """The files of one workspace. ``limit``: the largest, in bytes."""

    def __init__(self, folder: Path, limit: int, record: Record, new_number: Callable[[], int]) -> None:
        self._folder, self.limit, self._record, self._new_number = folder, limit, record, new_number
        self._kept: dict[str, KeptFile] = {}

    def load(self, files: Iterable[KeptFile], used: set[str], now: float) -> None:
        """Take what was kept; uploads of more than a day ago that no message holds are removed. Unix seconds."""
        for file in files:
            self._kept[file.id] = file
            if file.id not in used and file.number < now * 1000 - _ORPHAN:
                self.remove(file.id)

    def find(self, id: str) -> KeptFile | None:
        return self._kept.get(id)

    def path(self, file: KeptFile) -> Path:
        return self._folder / file.id

    def take(self, ids: Iterable[str], person: str) -> tuple[File, ...]:
        """The files with these ids that ``person`` sent. Raises ``Refusal`` when one is not there."""
        files = []
        for id in ids:
            kept = self._kept.get(id)
            if kept is None or kept.person != person:
                raise Refusal(404, "A file of this message is no longer there. Please attach it again.")
            files.append(File(kept.id, kept.name, kept.media_type, kept.size))
        return tuple(files)

    async def receive(self, content_type: str, body: AsyncIterator[bytes], person: str) -> KeptFile:
        """Store the first file of a multipart body. Raises ``Refusal`` (413 over the limit) or ``StoreError``."""
        id = secrets.token_urlsafe(18)
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        path = self._folder / id
        form = _Form(content_type)
        try:
            await self._spool(form, body, path)
            head = await asyncio.to_thread(_head, path)
            name = _shown_name(form.file_name)
            kept = KeptFile(id, name, media_type(head, name), form.size, person, self._new_number())
            await self._record.keep_file(kept)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._kept[id] = kept
        return kept

    async def read(self, id: str, limit: int) -> bytes:
        """At most ``limit`` bytes. Raises ``Gone`` or ``Unsent``."""
        kept = self._kept.get(id)
        if kept is None:
            raise Gone("no such file")
        try:
            return await asyncio.to_thread(_head, self.path(kept), limit)
        except FileNotFoundError as error:
            raise Gone("the file is no longer on disk") from error
        except OSError as error:
            raise Unsent("the file cannot be read now") from error

    def remove(self, id: str) -> None:
        """Remove a file and what is known of it."""
        if self._kept.pop(id, None) is not None:
            with contextlib.suppress(OSError):
                (self._folder / id).unlink(missing_ok=True)
            self._record.note_no_file(id)

    async def _spool(self, form: _Form, body: AsyncIterator[bytes], path: Path) -> None:
        came = 0
        try:
            with await asyncio.to_thread(path.open, "wb") as target:
                async for chunk in body:
                    came += len(chunk)
                    if came > self.limit * _DRAIN + _ENVELOPE:
                        break
                    if came > self.limit + _ENVELOPE or form.size > self.limit:
                        continue
                    if data := form.feed(chunk):
                        await asyncio.to_thread(target.write, data)
        except OSError as error:
            raise Refusal(
                503, "The file could not be saved. Whoever runs this bot needs to look at the disk."
            ) from error
        if form.size > self.limit or came > self.limit + _ENVELOPE:
            raise Refusal(413, f"This file is too large: {_in_words(self.limit)} is the most.")
        if not form.whole:
            raise Refusal(400, "The file did not arrive whole. Please send it again.")


class _Form:
    """Reads a multipart body piece by piece and gives out the bytes of its first file."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise Refusal(400, NOT_UNDERSTOOD)
        self.size, self.file_name, self.whole = 0, "", False
        self._state = "before"
        self._name, self._value, self._disposition = b"", b"", b""
        self._data: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
            },
        )

    def feed(self, chunk: bytes) -> bytes:
        """The bytes of the file that came with this piece."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Refusal(400, NOT_UNDERSTOOD) from error
        data = b"".join(self._data)
        self._data.clear()
        return data

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start : min(end, start + _LONGEST_HEADER)]
        if len(self._name) > _LONGEST_HEADER:
            raise Refusal(400, NOT_UNDERSTOOD)

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        if len(self._value) > _LONGEST_HEADER:
            raise Refusal(400, NOT_UNDERSTOOD)

    def _on_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _on_headers(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if self._state == "before" and options.get(b"name") == b"file" and b"filename" in options:
            self._state, self.file_name = "inside", options[b"filename"].decode("utf-8", "replace")
        self._disposition = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._state == "inside":
            self.size += end - start
            self._data.append(data[start:end])

    def _on_part_end(self) -> None:
        if self._state == "inside":
            self._state, self.whole = "after", True


def media_type(head: bytes, name: str) -> str:
    """What the first bytes are: a known signature, a text by its name, or just bytes."""
    for signature, found in _SIGNATURES:
        if signature.match(head):
            return found
    try:
        head[:_SNIFF].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head[:_SNIFF]) - 3:  # a character cut by the end of the head is no sign of binary data
            return "application/octet-stream"
    if b"\x00" in head:
        return "application/octet-stream"
    return _TEXTS.get(Path(name).suffix.lower(), "text/plain")


def _shown_name(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(char for char in last if char.isprintable()).strip(" .")
    return clean[-_LONGEST_NAME:] or "file"


def _in_words(size: int) -> str:
    return f"{size / 1_000_000:g} MB" if size >= 1_000_000 else f"{size:,} bytes"


def _head(path: Path, limit: int = _SNIFF) -> bytes:
    with path.open("rb") as source:
        return source.read(limit)
