"""Files are streamed to disk under random names, within the limit, and believed nothing."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.web.files import media_type
from bot.errors import Gone
from bot.events import File
from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import Running, post_body, running

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100


async def _upload(web: Running, person: str, name: str, data: bytes, kind: str = "text/html") -> dict[str, Any]:
    answer = await web.http.post(f"/api/files?person={person}", files={"file": (name, data, kind)})
    assert answer.status_code == 200, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


async def test_a_file_comes_with_its_message_and_its_bytes_can_be_read_by_the_core(web: Running) -> None:
    ann = await web.person("Ann")
    sent = await _upload(web, ann, "notes.md", b"# Notes\n" * 100)
    message = await web.says(ann, "@Parley read this", files=[sent["id"]])
    assert message["files"] == [sent]
    (file,) = web.question().files
    assert (file.name, file.media_type, file.size) == ("notes.md", "text/markdown", 800)
    source = web.adapter.platform.source(web.question().address)
    assert await source.file(file, 10) == b"# Notes\n# "
    with pytest.raises(Gone):
        await source.file(File("../../etc/passwd", "x", "text/plain", 1), 10)


async def test_names_and_types_from_the_browser_are_not_believed(web: Running, tmp_path: Path) -> None:
    ann = await web.person("Ann")
    sent = await _upload(web, ann, "../../evil\r\n.html", PNG)
    assert sent["media_type"] == "image/png"
    assert "/" not in sent["name"]
    assert [path.name for path in (tmp_path / "web-files").iterdir()] == [sent["id"]]
    page = await _upload(web, ann, "page.html", b"<script>alert(1)</script>")
    answer = await web.http.get(f"/api/files/{page['id']}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("head", "name", "found"),
    [
        (PNG, "a.txt", "image/png"),
        (b"%PDF-1.7", "a", "application/pdf"),
        (b"hello", "a.py", "text/x-python"),
        ("é".encode() * 3000, "a", "text/plain"),
        (("x" + "é" * 3000).encode(), "a", "text/plain"),
        (b"\xff\xfe\x00\x01", "a.txt", "application/octet-stream"),
        (b"a\x00b", "a.txt", "application/octet-stream"),
        (b"", "empty.txt", "text/plain"),
    ],
)
def test_the_first_bytes_say_what_a_file_is(head: bytes, name: str, found: str) -> None:
    assert media_type(head[:4096], name) == found


async def test_fifty_megabytes_are_refused_in_words_without_being_held_in_memory(web: Running, tmp_path: Path) -> None:
    ann = await web.person("Ann")
    piece = b"x" * 65_536

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
        for _ in range(50 * 16):
            yield piece
        yield b"\r\n--b--\r\n"

    tracemalloc.start()
    try:
        answer = await web.http.post(
            f"/api/files?person={ann}", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert answer.json() == {"error": "This file is too large: 20 MB is the most."}
    assert peak < 10_000_000
    assert list((tmp_path / "web-files").iterdir()) == []


async def test_a_file_of_exactly_the_limit_is_taken(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path, file_limit=1_000) as web:
        ann = await web.person("Ann")
        assert (await _upload(web, ann, "a.txt", b"x" * 1_000))["size"] == 1_000
        answer = await web.http.post(f"/api/files?person={ann}", files={"file": ("a.txt", b"x" * 1_001)})
        assert answer.status_code == 413


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"--b\r\n\r\nx", b'--b\r\nContent-Disposition: form-data; name="x"']
)
async def test_a_broken_upload_is_refused_and_leaves_nothing(web: Running, tmp_path: Path, content: bytes) -> None:
    ann = await web.person("Ann")
    answer = await web.http.post(
        f"/api/files?person={ann}", content=content, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert list((tmp_path / "web-files").iterdir()) == []


async def test_somebody_elses_upload_cannot_be_sent(web: Running) -> None:
    ann, bob = await web.person("Ann"), await web.person("Bob")
    sent = await _upload(web, ann, "a.txt", b"a")
    body = post_body(bob, "mine", files=[sent["id"]])
    await web.call("POST", "/api/messages", body, status=404)


async def test_a_deleted_message_takes_its_files_with_it(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path) as web:
        ann = await web.person("Ann")
        sent = await _upload(web, ann, "a.txt", b"a")
        message = await web.says(ann, "", files=[sent["id"]])
        await web.call("DELETE", f"/api/messages/{message['id']}", {"person": ann})
        assert (await web.http.get(f"/api/files/{sent['id']}")).status_code == 404
        assert list((tmp_path / "web-files").iterdir()) == []
    assert not [key for key in core.rows.rows if key[0] == "file"]
