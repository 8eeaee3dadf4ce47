"""A disk that is full or read-only: what cannot be saved is said plainly, nothing is half accepted, and when there is
room again everything goes on by itself."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from sqlalchemy import Engine, event

from bot.errors import StoreDamaged, StoreError, StoreFull, StoreReadOnly
from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import Person, person
from tests.stories.process import ended, environment, running

LONG = "One sentence after another, calmly. " * 300
"""A text that needs new pages: a full database still has some room in those it has."""


class Disk:
    """What the disk does to writing transactions from now on: ``full``, ``read-only`` or, after ``mend``, nothing."""

    sentences: ClassVar = {"full": StoreFull.default_text, "read-only": StoreReadOnly.default_text}
    _pragmas: ClassVar = {"full": "max_page_count = 1", "read-only": "query_only = ON"}
    _mended = ("max_page_count = 1000000", "query_only = OFF")

    def __init__(self) -> None:
        self._now: tuple[str, ...] = ()

    def fail(self, kind: str) -> None:
        self._now = (self._pragmas[kind],)

    def mend(self) -> None:
        self._now = self._mended

    def before(self, _: object, cursor: Any, statement: str, *__: object) -> None:
        """Called by SQLAlchemy before each statement."""
        if statement == "BEGIN IMMEDIATE":
            for pragma in self._now:
                cursor.execute(f"PRAGMA {pragma}")


@pytest.fixture
def disk() -> Iterator[Disk]:
    it = Disk()
    event.listen(Engine, "before_cursor_execute", it.before)
    yield it
    event.remove(Engine, "before_cursor_execute", it.before)


async def sends(someone: Person, text: str) -> httpx.Response:
    """The page's request, the same one each time it is sent again."""
    body: dict[str, Any] = {
        "channel": await someone.general(),
        "thread": None,
        "text": text,
        "files": [],
        "client_id": "the same",
    }
    return await someone.post("/api/messages", body)


async def is_ready(url: str, wanted: bool) -> list[str]:
    """Wait until /readyz says so; the reasons it gives."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(60):
        while (found := (await http.get("/readyz")).json())["ready"] is not wanted:
            await asyncio.sleep(0.1)
    reasons: list[str] = found["reasons"]
    return reasons


@contextmanager
def no_room(pid: int) -> Iterator[None]:
    """Every write of the process to a file fails, as on a disk that has no room left."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["full", "read-only"])
async def test_what_cannot_be_saved_is_said_and_not_shown_and_goes_through_when_sent_again_later(
    disk: Disk, opened: House, ana: Person, llm: LlmEmulator, kind: str
) -> None:
    disk.fail(kind)
    answer = await sends(ana, f"@Parley {LONG}")
    assert (answer.status_code, answer.json()) == (503, {"error": disk.sentences[kind]})
    assert ana.messages == {}
    assert llm.seen == []
    disk.mend()
    sent = await sends(ana, f"@Parley {LONG}")
    assert sent.status_code == 200
    assert (await ana.answer(sent.json()["message"]))["text"] == llm.default.text
    assert len(llm.seen) == 1


@pytest.mark.parametrize("kind", ["full", "read-only"])
async def test_an_answer_that_cannot_be_saved_is_shown_whole_and_says_that_it_will_not_be_remembered(
    disk: Disk, opened: House, ana: Person, llm: LlmEmulator, kind: str
) -> None:
    llm.default = Script(text=LONG, rate=2_500)
    root = await ana.says("@Parley tell me")
    await ana.begins(root)
    disk.fail(kind)
    await ana.until(lambda: ana.replies(root)[0]["notes"])
    shown = ana.replies(root)[0]
    assert shown["text"] == LONG.strip()
    assert shown["notes"] == ["I could not save this answer, so I will not remember it."]
    disk.mend()
    await ana.until(lambda: ana.statuses[-1] is None)
    llm.default = Script(text="Here I am again.")
    await ana.says("and now?", thread=root["id"])
    assert (await ana.answer(root, 2))["text"] == "Here I am again."
    assert (await ana.thread(root))[0]["text"] == LONG.strip()


async def test_a_read_only_database_shows_in_readyz_and_no_longer_when_it_can_be_written(
    disk: Disk, opened: House
) -> None:
    disk.fail("read-only")
    assert await is_ready(opened.url, wanted=False) == [f"database failing: {StoreReadOnly.default_text}"]
    disk.mend()
    assert await is_ready(opened.url, wanted=True) == []


async def test_on_a_disk_without_room_everything_that_must_be_saved_is_refused_in_words_and_nothing_changes(
    tmp_path: Path, llm: LlmEmulator
) -> None:
    async with running(tmp_path, GROQ_API_KEY=llm.key, LLM_BASE_URL=llm.url) as process, person(process) as ana:
        root = await ana.says("@Parley first")
        await ana.answer(root)
        where: dict[str, Any] = {"channel": root["channel"], "thread": root["id"]}
        with no_room(process.pid):
            told = [
                await sends(ana, "@Parley second"),
                await ana.http.patch(f"/api/messages/{root['id']}", json={"person": ana.id, "text": "@Parley other"}),
                await ana.http.request("DELETE", f"/api/messages/{root['id']}", json={"person": ana.id}),
                await ana.post("/api/commands", {**where, "line": "set temperature 1"}),
                await ana.post("/api/people", {"name": "Cleo"}),
                await ana.post("/api/channels", {"name": "ideas"}),
                await ana.http.post("/api/files", params={"person": ana.id}, files={"file": ("a.txt", b"hello")}),
            ]
            assert [answer.status_code for answer in told] == [503] * len(told)
            assert {answer.json()["error"] for answer in told[:-1]} == {StoreError.default_text}
            assert "could not be saved" in told[-1].json()["error"]
            assert (await is_ready(process.url, wanted=False))[0].startswith("database failing")
            assert (await ana.http.get("/healthz")).status_code == 200
            assert [m["text"] for m in await ana.thread(root)] == [llm.default.text]
        assert await is_ready(process.url, wanted=True) == []
        hello = (await ana.http.get("/api/hello", params={"person": ana.id})).json()
        assert [one["name"] for one in hello["people"]] == ["Ana"]
        assert "ideas" not in [one["name"] for one in hello["channels"]]
        assert ana.messages[root["id"]]["text"] == "@Parley first"
        sent = await sends(ana, "@Parley second")
        await ana.answer(sent.json()["message"])
        assert len(llm.seen) == 2
    assert not list((tmp_path / "data" / "web-files").glob("*"))


async def test_what_was_answered_before_the_disk_was_full_is_there_after_a_restart_and_what_was_refused_is_not(
    tmp_path: Path, llm: LlmEmulator
) -> None:
    async with running(tmp_path, GROQ_API_KEY=llm.key, LLM_BASE_URL=llm.url) as process, person(process) as ana:
        root = await ana.says("@Parley first")
        await ana.answer(root)
        with no_room(process.pid):
            assert (await sends(ana, "@Parley refused")).status_code == 503
    async with running(tmp_path, GROQ_API_KEY=llm.key, LLM_BASE_URL=llm.url) as process, person(process) as ana:
        found = await ana.http.get("/api/messages", params={"person": ana.id, "channel": root["channel"]})
        assert [m["text"] for m in found.json()["messages"]] == ["@Parley first"]
        assert [m["text"] for m in await ana.thread(root)] == [llm.default.text]
    assert len(llm.seen) == 1


async def test_a_data_folder_that_cannot_be_written_ends_the_start_with_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o555)
    end = await ended(tmp_path)
    assert (end.code, len(end.lines)) == (2, 1), end.told
    assert "DATA_DIR" in end.lines[0] or "DATABASE_URL" in end.lines[0]
    assert str(folder.name) in end.lines[0]


@pytest.mark.parametrize("modes", [(0o755, 0o444), (0o555, 0o444), (0o555, 0o644), (0o755, 0o000)])
async def test_a_database_that_cannot_be_written_ends_the_start_with_its_name(
    tmp_path: Path, modes: tuple[int, int]
) -> None:
    async with running(tmp_path):
        pass
    folder, file = tmp_path / "data", tmp_path / "data" / "parley.db"
    file.chmod(modes[1])
    folder.chmod(modes[0])
    try:
        end = await ended(tmp_path)
    finally:
        folder.chmod(0o755)
    assert (end.code, len(end.lines)) == (2, 1), end.told
    assert "parley.db" in end.lines[0]


async def test_a_database_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "data" / "parley.db"
    file.parent.mkdir()
    file.write_bytes(b"my diary, not a database\n" * 400)
    end = await ended(tmp_path)
    assert (end.code, len(end.lines)) == (2, 1), end.told
    assert "parley.db" in end.lines[0]
    assert file.read_bytes() == b"my diary, not a database\n" * 400


def damage(file: Path, table: str) -> None:
    """Overwrite the page where the table begins, as a broken disk does."""
    with closing(sqlite3.connect(file)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with file.open("r+b") as opened:
        opened.seek((root - 1) * size)
        opened.write(b"\xa7" * size)


@pytest.mark.parametrize("table", ["turns", "messages", "conversations"])
async def test_a_damaged_database_is_told_to_people_to_readyz_and_by_the_doctor(
    tmp_path: Path, llm: LlmEmulator, table: str
) -> None:
    given = {"GROQ_API_KEY": llm.key, "LLM_BASE_URL": llm.url}
    async with running(tmp_path, **given) as process, person(process) as ana:
        await ana.answer(await ana.says("@Parley first"))
    damage(tmp_path / "data" / "parley.db", table)
    async with running(tmp_path, **given) as process, person(process) as ana:
        answer = await sends(ana, "@Parley second")
        assert (answer.status_code, answer.json()) == (503, {"error": StoreDamaged.default_text})
        (reason,) = await is_ready(process.url, wanted=False)
        assert reason == f"database failing: {StoreDamaged().operator_text}"
    doctor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "doctor", cwd=tmp_path, env=environment(given), stdout=asyncio.subprocess.PIPE
    )
    said = (await doctor.communicate())[0].decode()
    assert f"BAD database: {StoreDamaged.problem}\n    fix: {StoreDamaged.fix}" in said
