"""Many workspaces install the app, are answered each with its own token, and leave without a trace."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from adapters.slack import run
from bot.ports import Check
from bot.storage import SqlShelf, open_store
from tests.adapters.slack.conversing import Talk, script
from tests.adapters.slack.installing import KEY, Browser, variables
from tests.adapters.slack.test_run import Core
from tests.emulators.slack import Channel, Limits, Message, Slack


@pytest.fixture
async def many(slack: Slack, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> Talk:
    for name, value in variables(slack).items():
        monkeypatch.setenv(name, value)
    talk.llm.default = script("Hello.")
    return talk


class Globex:
    """A second workspace, where the app is not installed yet."""

    def __init__(self, slack: Slack) -> None:
        self.slack = slack
        self.workspace = slack.add_workspace("globex", installed=False)
        self.hank = slack.add_person("hank", workspace=self.workspace)
        self.office: Channel = slack.add_channel("office", self.hank, workspace=self.workspace)

    def invite(self) -> None:
        bot = self.slack.state.bot(self.workspace.id)
        assert bot is not None
        self.office.members.add(bot.id)

    async def asks(self) -> Message:
        bot = self.slack.state.bot(self.workspace.id)
        assert bot is not None
        return await self.slack.says("hank", self.office, f"<@{bot.id}> hi")

    @property
    def token(self) -> str:
        assert self.workspace.installation is not None
        return self.workspace.installation.token.value


@pytest.fixture
def globex(slack: Slack) -> Globex:
    return Globex(slack)


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_each_workspace_is_answered_with_its_own_token(
    many: Talk, globex: Globex, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("SLACK_MODE", mode)
    hooks = many.slack.use_http("http://127.0.0.1:9/slack/events") if mode == "http" else None
    async with many.bot() as opened:
        if hooks is not None:
            hooks.url = f"{opened.url}/slack/events"
        for workspace in (many.slack.home, globex.workspace):
            page = await Browser(many).installs(workspace)
            assert page.status == 200, page.text
        globex.invite()
        here, there = await many.asks("hi"), await globex.asks()
        await many.answered(here, "Hello.")
        await many.answered(there, "Hello.")
        (reply,) = many.replies(there)
        await many.slack.presses("hank", reply, "parley_regenerate")
        await many.until(lambda: len(many.llm.seen) == 3)
        await many.answered(there, "Hello.")
        for call in many.slack.calls:
            if "channel" in call.args:
                assert call.team == many.slack.state.channels[call.args["channel"]].team, call.method
        tests = many.slack.calls_of("auth.test")
        assert len(tests) == 2, "once for each installation, and not once for each event"


async def test_the_token_is_never_readable_in_the_files_and_leaves_no_trace(many: Talk, globex: Globex) -> None:
    async with many.bot() as opened:
        await Browser(many).installs(globex.workspace)
        globex.invite()
        await many.answered(await globex.asks(), "Hello.")
        token = globex.token.encode()
        ((_, row),) = await opened.bot.shelf("slack").list("installation")
        assert not _holding(many.folder, token)
        assert _holding(many.folder, row["sealed"].encode()), "it is kept, sealed"
        many.slack.uninstall(globex.workspace)
        await many.settled()
        assert await opened.bot.shelf("slack").list("installation") == []
    assert not _holding(many.folder, token)
    assert not _holding(many.folder, row["sealed"].encode())


async def test_a_workspace_that_removes_the_app_leaves_nothing_behind_and_the_others_keep_theirs(
    many: Talk, globex: Globex
) -> None:
    async with many.bot() as opened:
        await Browser(many).installs(globex.workspace)
        globex.invite()
        await many.answered(await globex.asks(), "Hello.")
        assert _holding(many.folder, b"Hello.")
        many.slack.uninstall(globex.workspace)
        await many.settled()
        async with asyncio.timeout(60):
            while await opened.bot.shelf("slack").list("left"):
                await asyncio.sleep(0.01)
        assert (await opened.store.counts())["conversations"] == 0
    assert not _holding(many.folder, b"Hello.")


def _holding(folder: Path, wanted: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and wanted in path.read_bytes()]


@pytest.mark.parametrize("revoked_first", [True, False])
async def test_who_leaves_can_come_back(many: Talk, globex: Globex, revoked_first: bool) -> None:
    async with many.bot() as opened:
        await Browser(many).installs(globex.workspace)
        old = globex.token
        many.slack.uninstall(globex.workspace, revoked_first=revoked_first)
        await many.settled()
        assert await opened.bot.shelf("slack").list("installation") == []
        await Browser(many).installs(globex.workspace)
        globex.invite()
        assert globex.token != old
        await many.answered(await globex.asks(), "Hello.")


async def test_a_revoked_token_wipes_the_installation_and_a_persons_does_not(many: Talk, globex: Globex) -> None:
    async with many.bot() as opened:
        await Browser(many).installs(globex.workspace)
        team = globex.workspace.id
        many.slack._emit(team, {"type": "tokens_revoked", "tokens": {"oauth": [globex.hank.id], "bot": []}}, None)
        await many.settled()
        assert await opened.bot.shelf("slack").list("installation")
        many.slack.revoke(globex.workspace)
        await many.settled()
        assert await opened.bot.shelf("slack").list("installation") == []


async def test_late_news_of_an_earlier_token_does_not_close_a_new_installation(many: Talk, globex: Globex) -> None:
    async with many.bot():
        await Browser(many).installs(globex.workspace)
        globex.invite()
        bot = many.slack.state.bot(globex.workspace.id)
        assert bot is not None
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot.id]}}
        many.slack._emit(globex.workspace.id, revoked, None)
        many.slack.advance(-60)
        many.slack._emit(globex.workspace.id, {"type": "app_uninstalled"}, None)
        many.slack.advance(60)
        await many.settled()
        await many.answered(await globex.asks(), "Hello.")


async def test_whoever_asks_where_it_is_not_installed_is_told_how_to_install_it(many: Talk) -> None:
    async with many.bot():
        command = await many.slack.command("ada", many.slack.general, "/ai", "help")
        assert command.acked
        (told,) = many.slack.ephemerals("ada")
        assert "https://parley.example.org/slack/install" in many.slack.rendered(told)
        root = await many.asks("hi")
        await many.slack.settled()
        assert many.replies(root) == []
        assert all(delivery.acked for delivery in many.slack.deliveries.all)


async def test_a_state_is_good_once_in_one_browser_and_only_if_issued_here(many: Talk, globex: Globex) -> None:
    async with many.bot() as opened:
        thief, owner = Browser(many), Browser(many)
        await owner.consents(globex.workspace)
        thief.back, thief.cookie = owner.back, "slack-app-oauth-state=other"
        assert (await thief.comes_back()).status == 400
        forger = Browser(many, "slack-app-oauth-state=made-up", owner.back.partition("state=")[0] + "state=made-up")
        assert (await forger.comes_back()).status == 401
        assert (await owner.comes_back()).status == 200
        assert (await owner.comes_back()).status == 401
        assert len(await opened.bot.shelf("slack").list("installation")) == 1
        refused = Browser(many, "", f"{opened.url}/slack/oauth_redirect?error=access_denied")
        assert "access_denied" in (await refused.comes_back()).text


async def test_an_installation_that_slack_does_not_finish_says_so(many: Talk, globex: Globex) -> None:
    async with many.bot():
        browser = Browser(many)
        many.slack.fault("oauth.v2.access", 1, reset="before")
        assert (await browser.installs(globex.workspace)).status == 503
        assert (await browser.installs(globex.workspace)).status == 200


@pytest.mark.parametrize("lifetime", [7_000, 30])
async def test_a_token_is_renewed_before_it_ends(many: Talk, globex: Globex, lifetime: int) -> None:
    """Behind the scenes at the start of a process, and at the latest when it is needed."""
    many.slack.app.rotation = True
    many.slack.state.limits = Limits(token_lifetime=lifetime)
    async with many.bot():
        await Browser(many).installs(globex.workspace)
        first = globex.token
    many.slack.advance(lifetime)
    async with many.bot():
        await many.until(lambda: globex.token != first)
        globex.invite()
        await many.answered(await globex.asks(), "Hello.")
        assert not [call for call in many.slack.calls if call.outcome == "token_expired"]
    assert not _holding(many.folder, globex.token.encode())


async def test_the_key_can_be_changed_and_a_lost_one_is_told(
    many: Talk, globex: Globex, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with many.bot():
        await Browser(many).installs(globex.workspace)
    globex.invite()
    new = Fernet.generate_key().decode()
    monkeypatch.setenv("SLACK_TOKEN_KEY", f"{new},{KEY}")
    async with many.bot():
        await many.answered(await globex.asks(), "Hello.")
    monkeypatch.setenv("SLACK_TOKEN_KEY", new)
    async with many.bot():
        await many.answered(await globex.asks(), "Hello.")
    assert "installed in 1 workspace" in [line.found for line in await _doctor(many)]
    monkeypatch.setenv("SLACK_TOKEN_KEY", Fernet.generate_key().decode())
    assert "1 of 1 are sealed with another key" in [line.found for line in await _doctor(many) if not line.ok]


async def _doctor(talk: Talk) -> list[Check]:
    store, db = await open_store(f"sqlite+aiosqlite:///{talk.folder / 'parley.db'}", talk.folder)
    try:
        return list(await run.check(Core(), SqlShelf(db, "slack")))
    finally:
        await store.close()


async def test_an_unfinished_answer_of_an_installed_workspace_is_taken_up_after_a_restart(
    many: Talk, globex: Globex
) -> None:
    many.llm.default = script("word " * 200, rate=20)
    async with many.bot(shutdown_grace=0.0):
        await Browser(many).installs(globex.workspace)
        globex.invite()
        root = await globex.asks()
        await many.until(lambda: many.replies(root))
        (before,) = many.replies(root)
    many.llm.default = script("Answered after all.")
    async with many.bot():
        assert (await many.answered(root, "Answered after all.")).ts == before.ts


async def test_a_stray_client_id_changes_nothing(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "stray ä")
    monkeypatch.setenv("SLACK_TOKEN_KEY", "no key at all")
    talk.llm.default = script("Hello.")
    async with talk.bot() as opened:
        await talk.answered(await talk.asks("hi"), "Hello.")
        assert [route.path for adapter in opened.adapters for route in adapter.routes] == []
