"""The environment variables of the web workspace, read once at start. Wrong values name themselves and the fix."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import ConfigurationError

_SHORTEST_TOKEN = 16
_FIXES = {
    "enabled": "Set it to true or false, or leave it out.",
    "token": f"Set at least {_SHORTEST_TOKEN} characters that nobody can guess.",
    "behave": "Set it to web, slack or discord.",
    "hosts": "Set host names separated by commas, such as chat.example.org.",
    "file_limit": "Set a number of bytes between 1 and 1000000000.",
}


class CoreConfig(Protocol):
    """What the workspace reads of the configuration it shares with the rest of the bot."""

    @property
    def host(self) -> str: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def command_name(self) -> str: ...
    @property
    def bot_name(self) -> str: ...


class WebConfig(BaseSettings):
    """The web workspace: a browser page with channels, threads and direct conversations."""

    model_config = SettingsConfigDict(
        env_prefix="WEB_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    enabled: bool | None = Field(
        default=None, description="Serve the web workspace. Left out: only when no other surface is configured."
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        description="Secret that opens the workspace in a browser. Required when HOST is not a loopback address.",
    )
    behave: Literal["web", "slack", "discord"] = Field(
        default="web", description="Limits the workspace imitates: its own (web), or those of slack or discord."
    )
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Further host names, separated by commas, under which browsers may open the workspace."
    )
    file_limit: int = Field(
        default=20_000_000, ge=1, le=1_000_000_000, description="Largest file a person may send, in bytes."
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip().lower() for name in value.split(",") if name.strip())
        return value

    @field_validator("token")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _SHORTEST_TOKEN:
            raise ValueError("it is too short")
        return value


def is_loopback(host: str) -> bool:
    """Only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_config() -> WebConfig:
    """The variables as they are now. Raises ``ConfigurationError`` for the first wrong one."""
    try:
        return WebConfig()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0]) if wrong["loc"] else "enabled"
        raise ConfigurationError(f"WEB_{name.upper()}", "its value cannot be used", _FIXES[name]) from None


def check_access(web: WebConfig, host: str) -> None:
    """Raises ``ConfigurationError`` when the workspace would be open to other machines without a token."""
    if not is_loopback(host) and not web.token.get_secret_value():
        raise ConfigurationError(
            "WEB_TOKEN",
            f"it is not set, but HOST={host} lets other machines in",
            "Set WEB_TOKEN to a long random text, or HOST=127.0.0.1.",
        )
