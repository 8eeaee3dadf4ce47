"""The adapter opens where it is meant to, and says exactly what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.slack import adapter as slack_adapter
from adapters.slack import run
from adapters.slack.config import check_together, read_config
from adapters.slack.manifest import EVENTS, SCOPES, manifest
from bot.errors import ConfigurationError
from bot.ports import Check
from bot.wiring import house
from tests.adapters.slack.conversing import Talk, script
from tests.emulators.slack import BOT_SCOPES, Slack


@dataclass(frozen=True)
class Core:
    command_name: str = "ai"
    bot_name: str = "Parley"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


def test_it_is_configured_by_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not run.configured(Core())
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    assert run.configured(Core())


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"SLACK_BOT_TOKEN": "xoxp-hidden"}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xoxb- hidden"}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN"),
        ({"SLACK_APP_TOKEN": "xoxb-hidden"}, "SLACK_APP_TOKEN"),
        ({"SLACK_APP_TOKEN": ""}, "SLACK_APP_TOKEN"),
        ({"SLACK_MODE": "http"}, "SLACK_SIGNING_SECRET"),
        ({"SLACK_MODE": "carrier pigeon"}, "SLACK_MODE"),
        ({"SLACK_API_URL": "slack.com"}, "SLACK_API_URL"),
        ({"SLACK_TIMEOUT": "0"}, "SLACK_TIMEOUT"),
    ],
)
def test_a_wrong_variable_names_itself_and_its_fix_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], variable: str
) -> None:
    for name, value in (TOKENS | changes).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as wrong:
        check_together(read_config())
    assert wrong.value.variable == variable
    assert wrong.value.fix
    assert "hidden" not in str(wrong.value)


MANY = {
    "SLACK_INSTALL": "many",
    "SLACK_APP_TOKEN": "xapp-1",
    "SLACK_CLIENT_ID": "1.2",
    "SLACK_CLIENT_SECRET": "hidden",
    "SLACK_PUBLIC_URL": "https://parley.example.org",
    "SLACK_TOKEN_KEY": "k" * 43 + "=",
}


@pytest.mark.parametrize(
    ("changes", "variable", "words"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-hidden"}, "SLACK_BOT_TOKEN", "SLACK_INSTALL=one"),
        ({"SLACK_CLIENT_ID": ""}, "SLACK_CLIENT_ID", "Basic Information"),
        ({"SLACK_CLIENT_SECRET": "hid den"}, "SLACK_CLIENT_SECRET", "Basic Information"),
        ({"SLACK_PUBLIC_URL": "parley.example.org"}, "SLACK_PUBLIC_URL", "https://"),
        ({"SLACK_TOKEN_KEY": ""}, "SLACK_TOKEN_KEY", "python -c"),
        ({"SLACK_TOKEN_KEY": MANY["SLACK_TOKEN_KEY"] + ",hidden"}, "SLACK_TOKEN_KEY", "python -c"),
        ({"SLACK_APP_TOKEN": ""}, "SLACK_APP_TOKEN", "connections:write"),
        ({"SLACK_INSTALL": "several"}, "SLACK_INSTALL", "one or many"),
    ],
)
def test_what_many_workspaces_need_is_named_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], variable: str, words: str
) -> None:
    for name, value in MANY.items():
        monkeypatch.setenv(name, value)
    check_together(read_config())
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as wrong:
        check_together(read_config())
    assert wrong.value.variable == variable
    assert words in wrong.value.problem + wrong.value.fix
    assert "hid" not in str(wrong.value)


async def test_the_doctor_finds_everything_well(slack: Slack) -> None:
    lines = await run.check(Core())
    assert [line.name for line in lines if not line.ok] == []
    assert [line.name for line in lines] == [
        "Slack bot token",
        "Slack scopes",
        "Slack connection",
        "Slack app settings",
    ]


async def test_the_doctor_names_each_event_and_setting_that_the_app_lacks(
    slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settings() -> Check:
        return next(line for line in await run.check(Core()) if line.name == "Slack app settings")

    slack.app.manifest = manifest(Core())
    monkeypatch.setenv("SLACK_CONFIG_TOKEN", slack.app.config_token)
    assert (await settings()).ok
    for event in slack.app.manifest["settings"]["event_subscriptions"]["bot_events"]:
        slack.app.subscriptions -= {event}
        line = await settings()
        assert not line.ok
        assert event in line.found
        slack.app.subscriptions |= {event}
    slack.app.manifest["features"] = {}
    slack.app.manifest["settings"] = {}
    lacks = (await settings()).found
    for name in ("/ai", "parley_ask", "interactivity", "Socket Mode", "home tab", "agent view", "messages"):
        assert name in lacks
    monkeypatch.setenv("SLACK_CONFIG_TOKEN", "xoxe.xoxp-old")
    assert "SLACK_CONFIG_TOKEN" in (await settings()).fix
    monkeypatch.setenv("SLACK_MODE", "http")
    monkeypatch.setenv("SLACK_APP_TOKEN", "")
    monkeypatch.setenv("SLACK_CONFIG_TOKEN", slack.app.config_token)
    assert "/ai" in (await settings()).found


async def test_the_doctor_names_each_missing_scope(slack: Slack) -> None:
    slack.install(slack.home, token="xoxb-few", scopes=frozenset({"chat:write", "app_mentions:read"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLACK_BOT_TOKEN", "xoxb-few")
        lines = {line.name: line for line in await run.check(Core())}
    assert not lines["Slack scopes"].ok
    assert "files:read" in lines["Slack scopes"].fix
    assert "chat:write" not in lines["Slack scopes"].found


async def test_the_doctor_says_what_a_token_of_fewer_scopes_does_without(slack: Slack) -> None:
    spared = {"channels:read", "groups:read", "mpim:read"}
    slack.install(slack.home, token="xoxb-older", scopes=frozenset(BOT_SCOPES - spared))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLACK_BOT_TOKEN", "xoxb-older")
        (line,) = [line for line in await run.check(Core()) if line.name == "Slack scopes"]
    assert line.ok
    assert "channels:read, groups:read, mpim:read" in line.found


@pytest.mark.parametrize(
    ("variable", "line"), [("SLACK_BOT_TOKEN", "Slack bot token"), ("SLACK_APP_TOKEN", "Slack app token")]
)
async def test_the_doctor_says_which_token_is_refused(
    slack: Slack, monkeypatch: pytest.MonkeyPatch, variable: str, line: str
) -> None:
    monkeypatch.setenv(variable, TOKENS[variable] + "-wrong")
    red = [found for found in await run.check(Core()) if not found.ok]
    assert [found.name for found in red] == [line]
    assert red[0].fix


async def test_a_refused_token_ends_the_start_with_the_fix(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-wrong")
    with pytest.raises(ConfigurationError) as wrong:
        async with talk.bot():
            pass
    assert wrong.value.variable == "SLACK_BOT_TOKEN"


async def test_health_tells_of_a_connection_that_cannot_be_made(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_adapter, "_START_PATIENCE", 0.3)
    talk.slack.fault("apps.connections.open", 1, error="internal_error")
    async with talk.bot() as opened:
        (adapter,) = opened.adapters
        await talk.until(lambda: not adapter.healthy())
        fault = talk.slack.fault("apps.connections.open", 1_000, status=500)
        talk.slack.sockets.drop()
        await talk.until(adapter.healthy)
        assert "Slack" in adapter.healthy()
        fault.left = 0
        await talk.until(lambda: not adapter.healthy())
        talk.llm.default = script("Back.")
        root = await talk.asks("hi")
        await talk.answered(root, "Back.")


@pytest.mark.parametrize("act", ["uninstall", "revoke"])
async def test_health_tells_that_the_app_was_removed(talk: Talk, act: str) -> None:
    async with talk.bot() as opened:
        (adapter,) = opened.adapters
        gone = {"type": "tokens_revoked", "tokens": {"oauth": [talk.slack.ada.id], "bot": []}}
        talk.slack._emit(talk.slack.home.id, gone, None)
        await talk.settled()
        assert adapter.healthy() == "", "a person's token is not the bot's"
        getattr(talk.slack, act)(talk.slack.home)
        await talk.settled()
        assert "removed" in adapter.healthy()
        assert all(delivery.acked for delivery in talk.slack.deliveries.all)


async def test_an_adapter_that_was_never_started_leaves_nothing_open(talk: Talk) -> None:
    from bot.config import Config

    config = Config(_env_file=None, data_dir=talk.folder, groq_api_key=talk.llm.key, llm_base_url=talk.llm.url)
    async with house(config) as opened:
        assert [adapter.name for adapter in opened.adapters] == ["slack"]


def test_the_manifest_asks_for_what_the_adapter_uses_and_no_more() -> None:
    socket, http = manifest(Core()), manifest(Core(), "http", url="https://bot.example.org/", commands=("ask", "model"))
    assert socket["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in socket["settings"]["event_subscriptions"]
    assert http["settings"]["event_subscriptions"]["request_url"] == "https://bot.example.org/slack/events"
    assert http["features"]["slash_commands"][0]["usage_hint"] == "[ask|model]"
    assert set(EVENTS) < set(socket["settings"]["event_subscriptions"]["bot_events"])
    assert socket["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    plain = manifest(Core(), agent=False)
    assert "agent_view" not in plain["features"]
    assert "assistant:write" not in plain["oauth_config"]["scopes"]["bot"]


async def test_the_manifests_scopes_and_events_are_enough(slack: Slack, talk: Talk) -> None:
    given = manifest(Core())
    slack.app.subscriptions = frozenset(given["settings"]["event_subscriptions"]["bot_events"])
    slack.install(slack.home, token=slack.bot_token, scopes=frozenset(given["oauth_config"]["scopes"]["bot"]))
    talk.llm.default = script("Enough.")
    async with talk.bot():
        root = await talk.asks("hi", files=[slack.file("ada", "a.txt", "text/plain", b"text")])
        await talk.answered(root, "Enough.")
        room = slack.dm(slack.ada)
        direct = await slack.says("ada", room, "hi")
        await talk.answered(direct, "Enough.")
    assert not [call for call in slack.calls if call.outcome == "missing_scope"]
