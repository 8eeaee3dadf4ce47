"""The environment variables of the Slack adapter, read once at start. Wrong values name themselves and the fix."""

from __future__ import annotations

import re
from typing import Literal, Protocol
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.slack.seal import Seal
from bot.errors import ConfigurationError

SLACK_URL = "https://slack.com/api/"


class CoreConfig(Protocol):
    """What the adapter reads of the configuration it shares with the rest of the bot."""

    @property
    def command_name(self) -> str: ...
    @property
    def bot_name(self) -> str: ...


class SlackConfig(BaseSettings):
    """Slack, through an app of your own; docs/slack.md says how to make one."""

    model_config = SettingsConfigDict(
        env_prefix="SLACK_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    bot_token: SecretStr = Field(
        SecretStr(""), description="Bot token of the Slack app, xoxb-…, from its page Install App."
    )
    app_token: SecretStr = Field(
        SecretStr(""),
        description="App-level token, xapp-…, with the scope connections:write; needed for SLACK_MODE=socket.",
    )
    signing_secret: SecretStr = Field(
        SecretStr(""), description="Signing secret, from Basic Information; needed for SLACK_MODE=http."
    )
    mode: Literal["socket", "http"] = Field(
        "socket",
        description="How events come in: over a WebSocket that needs no public address, or by POST to /slack/events.",
    )
    api_url: str = Field(SLACK_URL, description="Address of Slack's Web API; another one for a proxy or an emulator.")
    agent: bool = Field(
        True, description="The app has Slack's Agents feature: each direct message opens a thread of its own."
    )
    native_stream: bool = Field(
        True, description="Show answers as Slack's own streams where the place and the rate limits allow it."
    )
    timeout: float = Field(10.0, ge=0.1, le=120, description="Seconds a call of Slack's Web API may take.")
    install: Literal["one", "many"] = Field(
        "one",
        description="one: the workspace of SLACK_BOT_TOKEN. many: each that installs the app at /slack/install.",
    )
    public_url: str = Field(
        "",
        description="Address at which browsers reach this bot; needed for SLACK_INSTALL=many.",
        examples=["https://parley.example.org"],
    )
    client_id: str = Field("", description="Client ID, from Basic Information; needed for SLACK_INSTALL=many.")
    client_secret: SecretStr = Field(
        SecretStr(""), description="Client secret, from Basic Information; needed for SLACK_INSTALL=many."
    )
    token_key: SecretStr = Field(
        SecretStr(""),
        description="Key that seals the workspaces' tokens in the database; needed for SLACK_INSTALL=many. To change "
        "it, put the new one in front of the old one, with a comma between them.",
    )

    config_token: SecretStr = Field(
        SecretStr(""),
        description="App configuration token, xoxe.xoxp-…, from the page Your Apps; with it `parley doctor` compares "
        "the app's settings and events with the manifest. Slack lets it work for 12 hours; nothing else uses it.",
    )

    @field_validator("bot_token", "app_token", "signing_secret", "config_token")
    @classmethod
    def _whole_secret(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value().strip()
        if re.search(r"[^\x21-\x7e]", secret):
            raise ValueError(
                "it has characters in it that no Slack secret has|Paste it alone, without blanks or quotes."
            )
        return SecretStr(secret)

    @field_validator("bot_token")
    @classmethod
    def _is_bot_token(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith("xoxb-"):
            raise ValueError("it is not a bot token|Set the Bot User OAuth Token, which starts with xoxb-.")
        return value

    @field_validator("app_token")
    @classmethod
    def _is_app_token(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith("xapp-"):
            raise ValueError("it is not an app-level token|Set the App-Level Token, which starts with xapp-.")
        return value

    @field_validator("mode", "install", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("api_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value.strip())
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise ValueError(f"it is not a web address|Leave it out, or set an address such as {SLACK_URL}")
        return value.strip().rstrip("/") + "/"


def read_config() -> SlackConfig:
    """The variables as they are now. Raises ``ConfigurationError`` for the first wrong one."""
    try:
        return SlackConfig()
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name = f"SLACK_{wrong['loc'][0]}".upper()
        if wrong["type"] == "value_error":
            problem, _, fix = str(wrong["ctx"]["error"]).partition("|")
            raise ConfigurationError(name, problem, fix) from None
        raise ConfigurationError(name, "its value cannot be used", _FIXES.get(name, "Leave it out.")) from None


_FIXES = {
    "SLACK_MODE": "Set it to socket or http.",
    "SLACK_AGENT": "Set it to true or false.",
    "SLACK_NATIVE_STREAM": "Set it to true or false.",
    "SLACK_INSTALL": "Set it to one or many.",
    "SLACK_TIMEOUT": "Set a number of seconds between 0.1 and 120.",
}


def is_meant(slack: SlackConfig) -> bool:
    """Whoever set one of the tokens, or wants it installed, wants Slack. A stray client ID says nothing."""
    return bool(slack.bot_token.get_secret_value() or slack.app_token.get_secret_value() or slack.install == "many")


def check_together(slack: SlackConfig) -> None:
    """Raises ``ConfigurationError`` when a variable is missing that the others call for."""
    if slack.install == "many":
        _check_installing(slack)
    elif not slack.bot_token.get_secret_value():
        raise ConfigurationError(
            "SLACK_BOT_TOKEN",
            "it is not set, but SLACK_APP_TOKEN is",
            "Install the app in your workspace and set the Bot User OAuth Token, which starts with xoxb-.",
        )
    if slack.mode == "socket" and not slack.app_token.get_secret_value():
        raise ConfigurationError(
            "SLACK_APP_TOKEN",
            "it is not set, but SLACK_MODE=socket needs it",
            "Make an App-Level Token with the scope connections:write, or set SLACK_MODE=http.",
        )
    if slack.mode == "http" and not slack.signing_secret.get_secret_value():
        raise ConfigurationError(
            "SLACK_SIGNING_SECRET",
            "it is not set, but SLACK_MODE=http needs it",
            "Set the Signing Secret of the app's page Basic Information, or set SLACK_MODE=socket.",
        )


def _check_installing(slack: SlackConfig) -> None:
    if slack.bot_token.get_secret_value():
        raise ConfigurationError(
            "SLACK_BOT_TOKEN",
            "it is set, but with SLACK_INSTALL=many each workspace brings its own",
            "Take it out, or set SLACK_INSTALL=one.",
        )
    secret = slack.client_secret.get_secret_value()
    for name, value in (("SLACK_CLIENT_ID", slack.client_id), ("SLACK_CLIENT_SECRET", secret)):
        if not re.fullmatch(r"[\x21-\x7e]+", value.strip()):
            problem = "it is not set, but SLACK_INSTALL=many needs it" if not value else "it has a strange character"
            raise ConfigurationError(name, problem, "Copy it from the app's page Basic Information.")
    parts = urlsplit(slack.public_url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(
            "SLACK_PUBLIC_URL",
            "it is not set to a web address, but SLACK_INSTALL=many needs one",
            "Set the address at which browsers reach this bot, such as https://parley.example.org.",
        )
    Seal(slack.token_key.get_secret_value())
