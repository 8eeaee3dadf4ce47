"""Pages of other sites, foreign names and people without the token get nothing."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from adapters.web.config import WebConfig, check_access
from bot.errors import ConfigurationError
from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import Running, running

TOKEN = "correct horse battery staple"


def _bare(web: Running) -> httpx.AsyncClient:
    """A client that sends only what the test says."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", trust_env=False, verify=False)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "a b", "[::1"])
@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_a_foreign_host_name_is_refused(web: Running, host: str, path: str) -> None:
    async with _bare(web) as http:
        assert (await http.get(path, headers={"Host": host})).status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "LOCALHOST", "[::1]:{port}"])
async def test_every_name_of_this_machine_is_ours(web: Running, host: str) -> None:
    async with _bare(web) as http:
        answer = await http.get("/api/hello", headers={"Host": host.format(port=web.port)})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Parley": "0"},
        {"X-Parley": "1", "Origin": "http://evil.example"},
        {"X-Parley": "1", "Origin": "null"},
        {"X-Parley": "1", "Origin": "http://127.0.0.1:1"},
        {"X-Parley": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Parley": "1", "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_change_that_does_not_come_from_our_page_is_refused(web: Running, headers: dict[str, str]) -> None:
    async with _bare(web) as http:
        answer = await http.post("/api/people", json={"name": "Mallory"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]
    assert "Mallory" not in (await web.http.get("/api/hello")).text


async def test_another_site_cannot_read_the_api(web: Running) -> None:
    async with _bare(web) as http:
        assert (await http.get("/api/hello", headers={"Sec-Fetch-Site": "same-site"})).status_code == 403
        assert (await http.get("/", headers={"Sec-Fetch-Site": "cross-site"})).status_code != 403


async def test_another_site_cannot_listen(web: Running) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{web.port}/ws?person=p", proxy=None, additional_headers=headers)


async def test_every_answer_carries_the_security_headers(web: Running) -> None:
    for path in ("/", "/api/hello", "/static/nothing.js", "/api/messages/1"):
        headers = (await web.http.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_a_token_opens_the_workspace_once_and_for_this_browser_only(tmp_path: Path) -> None:
    async with running(FakeCore(), tmp_path, host="0.0.0.0", token=TOKEN) as web:
        locked = await web.http.get("/")
        assert locked.status_code == 401
        assert "WEB_TOKEN" in locked.text
        assert (await web.http.get("/api/hello")).status_code == 401
        assert (await web.http.get("/", params={"token": "wrong"})).status_code == 401
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{web.port}/ws?person=p", proxy=None)
        opened = await web.http.get("/", params={"token": TOKEN})
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
        cookie = opened.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert (await web.http.get("/api/hello")).status_code == 200
        assert (await web.http.get("/", params={"token": TOKEN})).headers["location"] == "/"


async def test_further_names_are_let_in_when_they_are_listed(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path, hosts=("chat.example.org",)) as web, _bare(web) as http:
        assert (await http.get("/api/hello", headers={"Host": "chat.example.org"})).status_code == 200
        assert (await http.get("/api/hello", headers={"Host": "other.example.org"})).status_code == 403


def test_other_machines_are_not_let_in_without_a_token() -> None:
    web = WebConfig(_env_file=None)
    check_access(web, "127.0.0.1")
    check_access(web, "::1")
    for host in ("0.0.0.0", "192.168.1.5", "chat.example.org"):
        with pytest.raises(ConfigurationError, match="WEB_TOKEN"):
            check_access(web, host)
