"""The environment variables of the Discord adapter, read once at start. Wrong values name themselves and the fix."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import ConfigurationError

API_URL = "https://discord.com/api/v10"
GATEWAY_URL = "wss://gateway.discord.gg/"

Numbers = Annotated[tuple[int, ...], NoDecode]


class CoreConfig(Protocol):
    """What the adapter reads of the configuration it shares with the rest of the bot."""

    @property
    def command_name(self) -> str: ...
    @property
    def bot_name(self) -> str: ...


class DiscordConfig(BaseSettings):
    """Discord, through an application of your own; docs/discord.md says how to make one."""

    model_config = SettingsConfigDict(
        env_prefix="DISCORD_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    token: SecretStr = Field(SecretStr(""), description="Token of the bot, from the application's page Bot.")
    replies: Literal["thread", "reply"] = Field(
        "thread",
        description="Where a mention in a channel is answered: in a thread of its own, or as a reply in the channel.",
    )
    shard_count: int = Field(
        0, ge=0, le=100_000, description="Shards of all processes together; 0 takes the number Discord recommends."
    )
    shard_ids: Numbers = Field(
        (), description="Shards of this process, where several share them. Left out: all.", examples=["0,1"]
    )
    api_url: str = Field(API_URL, description="Address of Discord's REST API; another one for a proxy or an emulator.")
    gateway_url: str = Field(GATEWAY_URL, description="Address of Discord's gateway.")
    timeout: float = Field(10.0, ge=0.1, le=120, description="Seconds a call of Discord's REST API may take.")

    @field_validator("token")
    @classmethod
    def _whole_token(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value().strip()
        if re.search(r"[^\x21-\x7e]", secret):
            raise ValueError(
                "it has characters in it that no token has|Paste it alone, without blanks, quotes or the word Bot."
            )
        return SecretStr(secret)

    @field_validator("replies", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("shard_ids", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        if not all(re.fullmatch(r"[0-9]{1,6}", word) for word in words):
            raise ValueError("it is not a list of numbers|Set numbers separated by commas, such as 0,1.")
        return tuple(dict.fromkeys(int(word) for word in words))

    @field_validator("api_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        return _address(value, {"http", "https"}, API_URL).rstrip("/")

    @field_validator("gateway_url")
    @classmethod
    def _socket_address(cls, value: str) -> str:
        return _address(value, {"ws", "wss"}, GATEWAY_URL)


def _address(value: str, schemes: set[str], usual: str) -> str:
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in schemes or not parts.hostname or parts.username or parts.password:
        raise ValueError(f"it is not an address that can be used|Leave it out, or set an address such as {usual}")
    return value.strip()


_FIXES = {
    "DISCORD_REPLIES": "Set it to thread or reply.",
    "DISCORD_SHARD_COUNT": "Set a whole number, 0 for the one Discord recommends.",
    "DISCORD_TIMEOUT": "Set a number of seconds between 0.1 and 120.",
}


def read_config() -> DiscordConfig:
    """The variables as they are now. Raises ``ConfigurationError`` for the first wrong one."""
    try:
        return DiscordConfig()
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name = f"DISCORD_{wrong['loc'][0]}".upper()
        if wrong["type"] == "value_error":
            problem, _, fix = str(wrong["ctx"]["error"]).partition("|")
            raise ConfigurationError(name, problem, fix) from None
        raise ConfigurationError(name, "its value cannot be used", _FIXES.get(name, "Leave it out.")) from None


def is_meant(discord: DiscordConfig) -> bool:
    """Whoever set the token wants Discord."""
    return bool(discord.token.get_secret_value())


def check_together(discord: DiscordConfig) -> None:
    """Raises ``ConfigurationError`` when variables do not fit together."""
    if discord.shard_ids and not discord.shard_count:
        raise ConfigurationError(
            "DISCORD_SHARD_COUNT",
            "it is not set, but DISCORD_SHARD_IDS is",
            "Set the number of shards of all processes together.",
        )
    beyond = [number for number in discord.shard_ids if number >= discord.shard_count]
    if beyond:
        raise ConfigurationError(
            "DISCORD_SHARD_IDS",
            f"there is no shard {beyond[0]} when DISCORD_SHARD_COUNT is {discord.shard_count}",
            f"Set numbers from 0 to {discord.shard_count - 1}.",
        )
