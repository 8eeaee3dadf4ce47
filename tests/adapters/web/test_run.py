"""The workspace is opened when it should be, serves its page, and the doctor says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.web import run
from adapters.web.pages import PageFiles
from bot.errors import ConfigurationError
from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import CoreSettings, Running


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ENABLED", "TOKEN", "BEHAVE", "HOSTS", "FILE_LIMIT"):
        monkeypatch.delenv(f"WEB_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_switch_decides_whether_the_workspace_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEB_ENABLED", "false")
    assert not run.configured(CoreSettings(tmp_path))
    monkeypatch.setenv("WEB_ENABLED", "true")
    assert run.configured(CoreSettings(tmp_path))


def test_left_out_it_runs_only_when_nothing_else_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for another in (True, False):
        monkeypatch.setattr(run, "_is_another_configured", lambda config, found=another: found)
        assert run.configured(CoreSettings(tmp_path)) is not another


@pytest.mark.parametrize(
    ("name", "value"),
    [("ENABLED", "perhaps"), ("BEHAVE", "irc"), ("TOKEN", "short"), ("FILE_LIMIT", "0"), ("FILE_LIMIT", "big")],
)
def test_a_wrong_variable_names_itself_and_never_its_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv(f"WEB_{name}", value)
    with pytest.raises(ConfigurationError) as wrong:
        run.open(FakeCore(), CoreSettings(tmp_path))
    assert wrong.value.variable == f"WEB_{name}"
    assert value not in wrong.value.problem


async def test_the_doctor_says_when_other_machines_would_get_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEB_ENABLED", "true")
    assert (await run.check(CoreSettings(tmp_path)))[0].ok
    (line,) = await run.check(CoreSettings(tmp_path, host="0.0.0.0"))
    assert not line.ok
    assert "WEB_TOKEN" in line.fix


async def test_static_files_have_their_type_and_are_always_revalidated(web: Running) -> None:
    answer = await web.http.get("/static/room.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    again = await web.http.get("/static/room.js", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["../run.py", "%2e%2e/run.py", "vendor/../../run.py", ".hidden.js", "vendor/README.md", "x"]
)
async def test_nothing_but_page_files_can_be_fetched(web: Running, path: str) -> None:
    assert (await web.http.get(f"/static/{path}")).status_code == 404


async def test_the_page_itself_is_served(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>Parley</title>")
    files = PageFiles(tmp_path)
    scope = {"type": "http", "method": "GET", "headers": [], "path": "/", "root_path": ""}
    answer = await files.get_response("index.html", scope)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
