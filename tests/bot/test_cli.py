"""The command line says what is wrong in sentences, and how it ended by its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot import cli
from bot.errors import ConfigurationError, StoreFull
from bot.version import VERSION
from tests.postgres import Server

ROOT = Path(__file__).resolve().parent.parent.parent


def command(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """``python -m bot`` as somebody would type it, in ``folder``."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def test_help_names_every_command_with_examples(tmp_path: Path) -> None:
    shown = command("--help", folder=tmp_path)
    assert shown.returncode == 0
    assert all(
        word in shown.stdout
        for word in ("run", "doctor", "migrate", "backup", "vacuum", "docs", "version", "examples:", "PORT=9000")
    )


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    script = "import sys; from bot.cli import _parser; _parser().format_help(); print(*sorted(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180, check=True
    )
    heavy = {"asyncio", "pydantic", "sqlalchemy", "structlog", "httpx", "aiohttp", "starlette", "bot.wiring"}
    assert heavy & set(shown.stdout.split()) == set()


_HELD = """
import sys, time
from bot.cli import main

class Slow:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            print("loading", flush=True)
            time.sleep(180)

sys.meta_path.insert(0, Slow())
sys.exit(main(["run"]))
"""


@pytest.mark.parametrize("module", ["bot.config", "bot.wiring"])
def test_asked_to_end_while_it_still_loads_it_ends_at_once_and_well(tmp_path: Path, module: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", _HELD, module],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, told) == (0, "")


def test_version_says_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out == f"parley {VERSION}\n"


def test_an_unknown_command_ends_with_2() -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["dance"])
    assert ended.value.code == 2


@pytest.mark.parametrize("word", ["run", "migrate"])
def test_wrong_variables_are_told_in_one_line_each_and_end_with_2(tmp_path: Path, word: str) -> None:
    ended = command(word, folder=tmp_path, PORT="x", WEB_BEHAVE="irc", GROQ_API_KEY="gsk secret")
    assert ended.returncode == 2
    assert [line.split(": ")[1] for line in ended.stderr.splitlines()] == ["GROQ_API_KEY", "PORT", "WEB_BEHAVE"]
    assert "secret" not in ended.stderr
    assert ended.stdout == ""


def test_a_data_folder_that_cannot_be_made_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    ended = command("migrate", folder=tmp_path, DATA_DIR="taken/data")
    assert ended.returncode == 2
    assert ended.stderr.startswith("parley: DATA_DIR: taken/data cannot be made")
    assert len(ended.stderr.splitlines()) == 1


def test_migrate_makes_the_database_and_may_be_said_again(tmp_path: Path) -> None:
    for _ in range(2):
        ended = command("migrate", folder=tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "The database is up to date.\n"
    assert (tmp_path / "data" / "parley.db").is_file()


def test_an_installation_is_moved_to_postgresql_once(tmp_path: Path, postgresql: Server) -> None:
    command("migrate", folder=tmp_path)
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        database = postgresql.database(empty=True)
        url = runner.run(database.__aenter__())
        stack.callback(lambda: runner.run(database.__aexit__(None, None, None)))
        moved = command("migrate", "--to", url, folder=tmp_path)
        assert (moved.returncode, moved.stderr) == (0, "")
        *tables, last = moved.stdout.splitlines()
        assert {line.split()[0] for line in tables} >= {"conversations", "messages", "turns"}
        assert f"parley:***@127.0.0.1:{postgresql.port}/" in last
        assert "Set DATABASE_URL" in last
        assert command("migrate", folder=tmp_path, DATABASE_URL=url).stdout == "The database is up to date.\n"
        backup = command("backup", "copy.db", folder=tmp_path, DATABASE_URL=url)
        assert (backup.returncode, "pg_dump" in backup.stderr) == (2, True)
        assert command("migrate", "--to", url, folder=tmp_path, DATABASE_URL=url).returncode == 2
        everything = [*tables, last, backup.stderr]
    assert [line for line in everything if postgresql.password in line] == []


def test_a_move_that_cannot_begin_ends_with_2_and_one_that_fails_with_1(tmp_path: Path) -> None:
    missing = command("migrate", "--to", "postgresql://u:hunter2@127.0.0.1:1/d", folder=tmp_path)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith("parley: DATABASE_URL: there is no file data/parley.db")
    command("migrate", folder=tmp_path)
    closed = command("migrate", "--to", "postgresql://u:hunter2@127.0.0.1:1/d", folder=tmp_path)
    assert closed.returncode == 2
    assert closed.stderr.startswith("parley: --to: no database server can be reached at 127.0.0.1:1")
    file = tmp_path / "data" / "parley.db"
    file.write_bytes(file.read_bytes()[:8192] + b"\xff" * 8192)
    damaged = command("migrate", "--to", "postgresql://u:hunter2@127.0.0.1:1/d", folder=tmp_path)
    assert (damaged.returncode, len(damaged.stderr.splitlines())) == (1, 1)
    assert "hunter2" not in missing.stderr + closed.stderr + damaged.stderr


def test_backup_and_vacuum_tell_what_they_did(tmp_path: Path) -> None:
    command("migrate", folder=tmp_path)
    copied = command("backup", "copy.db", folder=tmp_path)
    assert (copied.returncode, copied.stderr) == (0, "")
    assert copied.stdout.startswith("copy.db: 0.")
    assert (tmp_path / "copy.db").is_file()
    rewritten = command("vacuum", folder=tmp_path)
    assert (rewritten.returncode, rewritten.stderr) == (0, "")
    assert rewritten.stdout.endswith("MiB now.\n")
    nowhere = command("backup", "no/copy.db", folder=tmp_path)
    assert (nowhere.returncode, nowhere.stderr.split(":")[1]) == (2, " FILE")


def test_docs_writes_what_is_out_of_date_and_check_only_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["docs", "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        ".env.example is out of date: run `make docs`",
        "docs/configuration.md is out of date: run `make docs`",
    ]
    assert not (tmp_path / ".env.example").exists()
    assert cli.main(["docs"]) == 0
    assert cli.main(["docs", "--check"]) == 0


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (
            ConfigurationError("PORT", "it is taken", "Choose another."),
            2,
            "parley: PORT: it is taken. Choose another.\n",
        ),
        (ExceptionGroup("two", [ExceptionGroup("one", [ConfigurationError("A", "b", "C.")])]), 2, "parley: A: b. C.\n"),
        (StoreFull("raw detail"), 1, f"parley: {StoreFull.default_text}\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_ends_a_command_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int, said: str
) -> None:
    def broken(_: object) -> int:
        raise raised

    monkeypatch.setattr(cli, "_version", broken)
    assert cli.main(["version"]) == code
    assert capsys.readouterr().err == said


def test_something_unforeseen_ends_with_1_without_its_words(tmp_path: Path) -> None:
    script = (
        "from bot import cli\n"
        "from bot.observe.logging import start_logging\n"
        "def broken(_):\n    start_logging()\n    raise RuntimeError('what Alice wrote')\n"
        "cli._version = broken\n"
        "raise SystemExit(cli.main(['version']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError" in ended.stderr
    assert "Alice" not in ended.stderr


def test_the_manifest_of_a_platform_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["manifest", "slack", "--http", "--url", "https://bot.example.org"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (command,) = printed["features"]["slash_commands"]
    assert (command["command"], command["url"]) == ("/ai", "https://bot.example.org/slack/events")
    assert "model" in command["usage_hint"]


@pytest.mark.parametrize("platform", ["nowhere", "web", "../web"])
def test_a_platform_without_a_manifest_is_told_in_a_sentence(platform: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["manifest", platform]) == 1
    assert platform in capsys.readouterr().err
