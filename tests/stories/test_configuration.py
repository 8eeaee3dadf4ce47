"""A wrong environment ends the process with 2 and one line that names the variable and the fix, and tells no secret."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from bot.variables import settings_documentation
from tests.stories.process import ended, running_cold

WRONG = [
    ("GROQ_API_KEY", "gsk_tulip and more", "it has characters in it that no key has."),
    ("LLM_API_KEY", "gsk_tulip\nü", "it has characters in it that no key has."),
    ("LLM_BASE_URL", "localhost:11434", "it is not a web address. Set an address such as"),
    ("LLM_BASE_URL", "https://ann:tulip@example.org/v1", "it has a password in it. Put the key into LLM_API_KEY"),
    ("LLM_TRANSPORT", "carrier pigeon", "Set aiohttp or httpx."),
    ("LLM_TIMEOUT", "soon", "Set a number from 1 to 600."),
    ("LLM_TIMEOUT", "nan", "Set a number from 1 to 600."),
    ("BOT_NAME", "x" * 81, "Set a text of 1 to 80 characters."),
    ("BOT_NAME", "   ", "its value '' cannot be used. Set a text of 1 to 80 characters."),
    ("COMMAND_NAME", "Ask Me", "Use at most 32 of a-z, 0-9, - and _, such as ai."),
    ("DATABASE_URL", "mysql://ann:tulip@db/parley", "it names no database that can be used."),
    ("DATABASE_URL", "postgresql://ann:tulip@127.0.0.1:1/parley", "See whether it runs, and check host and port"),
    ("DATABASE_URL", "sqlite:///taken/x.db", "taken"),
    ("DATA_DIR", "taken", "it is a file. Set the path of a folder."),
    ("HOST", "  ", "its value '' cannot be used."),
    ("PORT", "70000", "its value '70000' cannot be used. Set a whole number from 0 to 65535."),
    ("PORT", "http", "its value 'http' cannot be used. Set a whole number from 0 to 65535."),
    ("LOG_LEVEL", "loud", "Set debug, info, warning or error."),
    ("LOG_FORMAT", "xml", "Set auto, console or json."),
    ("USER_TURNS_PER_MINUTE", "-1", "Set a whole number from 0 to 1000."),
    ("SHUTDOWN_GRACE", "inf", "Set a number from 0 to 600."),
    ("REPLICA_LEASE", "0", "Set a number from 1 to 300."),
    ("RETENTION_DAYS", "-1", "Set a whole number from 0 to 36500."),
    ("WEB_ENABLED", "perhaps", "Set true or false."),
    ("WEB_ENABLED", "false", "it is off and no platform is configured. Set WEB_ENABLED=true, or a platform's tokens."),
    ("WEB_TOKEN", "tulip", "it is too short"),
    ("WEB_BEHAVE", "irc", "Set web, slack or discord."),
    ("WEB_FILE_LIMIT", "20MB", "Set a whole number from 1 to 1000000000."),
]
ANY_TEXT = {
    "LLM_MODEL", "LLM_FALLBACK_MODELS", "SYSTEM_PROMPT",
    "ALLOWED_CHANNELS", "BLOCKED_USERS", "ADMIN_USERS", "WEB_HOSTS",
}  # fmt: skip


@pytest.mark.parametrize(("variable", "value", "fix"), WRONG, ids=[f"{name}={value[:20]}" for name, value, _ in WRONG])
async def test_a_wrong_variable_ends_the_process_with_2_and_one_line_that_says_how_to_fix_it(
    tmp_path: Path, variable: str, value: str, fix: str
) -> None:
    (tmp_path / "taken").write_text("")
    end = await ended(tmp_path, **{variable: value})
    assert (end.code, len(end.lines)) == (2, 1), end.told
    assert end.lines[0].startswith("parley: ")
    assert variable in end.lines[0]
    assert fix in end.lines[0]
    assert "tulip" not in end.told + end.said
    assert "ready" not in end.said


def test_every_variable_of_the_core_and_the_workspace_was_tried_or_takes_any_text() -> None:
    groups = [group for group in settings_documentation() if group.title in ("Parley", "Web")]
    known = {variable.name for group in groups for variable in group.variables}
    assert known - {name for name, _, _ in WRONG} == ANY_TEXT
    assert {name for name, _, _ in WRONG} <= known


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "1.2.3.4.5"])
async def test_an_address_that_is_not_this_machines_is_named_with_what_to_do(tmp_path: Path, host: str) -> None:
    end = await ended(tmp_path, HOST=host, WEB_TOKEN="tulip-tulip-tulip-tulip")
    assert (end.code, len(end.lines)) == (2, 1), end.told
    assert end.lines[0].startswith(f"parley: HOST: cannot listen on {host}:0 (")
    assert "tulip" not in end.told


async def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        end = await ended(tmp_path, PORT=str(port))
    assert end.code == 2
    assert end.lines[-1] == (
        f"parley: PORT: cannot listen on 127.0.0.1:{port} (Address already in use). "
        "Stop what uses it, or choose another."
    )


async def test_two_bots_on_one_database_are_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with running_cold(tmp_path) as first:
        end = await ended(tmp_path)
        assert end.code == 2
        assert len(end.lines) == 1
        assert "another process" in end.lines[0]
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{first.url}/readyz")).status_code == 200


async def test_open_to_other_machines_without_a_token_is_refused(tmp_path: Path) -> None:
    end = await ended(tmp_path, HOST="0.0.0.0")
    assert end.code == 2
    sentence = "WEB_TOKEN: it is not set, but HOST=0.0.0.0 lets other machines in."
    assert end.lines == [f"parley: {sentence} Set WEB_TOKEN to a long random text, or HOST=127.0.0.1."]


async def test_open_to_other_machines_with_a_token_nobody_comes_in_without_it(tmp_path: Path) -> None:
    token = "tulip-tulip-tulip-tulip"
    async with running_cold(tmp_path, HOST="0.0.0.0", WEB_TOKEN=token) as process:
        url = f"http://127.0.0.1:{process.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/api/hello")).status_code == 401
            assert (await http.get("/")).status_code == 401
            assert (await http.get("/", params={"token": "guess"})).status_code == 401
            assert (await http.get("/", params={"token": token})).status_code == 303
            assert (await http.get("/api/hello")).status_code == 200


async def test_several_wrong_variables_are_told_together(tmp_path: Path) -> None:
    end = await ended(tmp_path, PORT="x", LOG_LEVEL="loud", WEB_BEHAVE="irc")
    assert end.code == 2
    assert [line.split(": ")[1] for line in end.lines] == ["PORT", "LOG_LEVEL", "WEB_BEHAVE"]


async def test_an_env_file_with_a_broken_line_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=0\nGROQ_API_KEY='gsk_tulip\n")
    end = await ended(tmp_path)
    assert end.code == 2
    assert end.lines == ["parley: .env: line 2 cannot be understood. Write NAME=value on it."]
