"""What is read once from the environment: the frozen ``Config``.

Every variable is a field with its meaning, limits and an example, so that validation, `.env.example` and the
configuration page say the same (``bot.variables``). ``.env`` in the working directory is read too, but a line of it
never overrides the real environment. Wrong values are told all at once, one ``ConfigurationError`` each. Secrets are
``SecretStr`` and appear in no message. Adapters read their own variables in ``adapters/NAME/config.py``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.variables import explain, problem_in_env_file

GROQ_URL = "https://api.groq.com/openai/v1"
ENV_FILE = Path(".env")

_DATABASE_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}

Names = Annotated[tuple[str, ...], NoDecode]


class Config(BaseSettings):
    """The deployment's configuration. Raises pydantic's ``ValidationError``; use ``read_config`` to get plain ones."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    groq_api_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the Groq API. Without it, a local model server or the built-in guide answers.",
    )
    llm_base_url: str = Field(
        GROQ_URL,
        description="Address of an OpenAI-compatible chat completions API, up to and with its version part.",
        examples=["http://127.0.0.1:11434/v1"],
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="Key for LLM_BASE_URL. Left out, GROQ_API_KEY is used.")
    llm_model: str = Field(
        "openai/gpt-oss-20b", min_length=1, description="Model that answers unless a setting says otherwise."
    )
    llm_fallback_models: Names = Field(
        (),
        description="Models to try in this order when the first cannot answer, separated by commas.",
        examples=["openai/gpt-oss-120b,qwen/qwen3.8-27b"],
    )
    llm_transport: Literal["aiohttp", "httpx"] = Field(
        "aiohttp", description="What carries requests to the model: aiohttp (faster) or httpx alone."
    )
    llm_timeout: float = Field(
        60.0,
        ge=1,
        le=600,
        description="Seconds of silence from the model's server after which it counts as unreachable.",
    )
    system_prompt: str = Field(
        "", description="Instructions for the model in every conversation. Left out, a short one for team chat is used."
    )
    bot_name: str = Field("Parley", min_length=1, max_length=80, description="Name the bot goes by.")
    command_name: str = Field("ai", description="Slash command people type, without the slash.")
    data_dir: Path = Field(Path("data"), description="Folder for the database and uploaded files. Made when missing.")
    database_url: str = Field(
        "",
        repr=False,
        validate_default=True,
        description="Database. Left out, a SQLite file in DATA_DIR. PostgreSQL is needed for more than one process.",
        examples=["postgresql://parley:password@db.example.org/parley"],
    )
    retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Days for which messages, answers and the ledger are kept in the database; 0 keeps them for ever.",
    )
    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on for the web workspace, health and metrics."
    )
    port: int = Field(8765, ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Form of log lines: console for people, json for machines; auto looks for a terminal."
    )
    allowed_channels: Names = Field(
        (),
        description="Ids of the only channels where the bot answers, separated by commas. Left out: all.",
        examples=["C0123456789,C9876543210"],
    )
    blocked_users: Names = Field(
        (), description="Ids of people who get no answers, separated by commas.", examples=["U0123456789"]
    )
    admin_users: Names = Field(
        (),
        description="Ids of people who may change everybody's settings, besides the platform's own admins.",
        examples=["U0123456789"],
    )
    user_turns_per_minute: int = Field(
        0, ge=0, le=1_000, description="Questions one person may ask per minute; 0 sets no limit."
    )
    replica_lease: float = Field(
        15.0,
        ge=1,
        le=300,
        description="Seconds after which what a dead process was answering is taken over by another one, where several "
        "work on one PostgreSQL. A living one says so five times as often.",
    )
    shutdown_grace: float = Field(
        25.0, ge=0, le=600, description="Seconds that running answers get to finish when the process is asked to stop."
    )

    @property
    def key(self) -> str:
        """The provider's key, or "" when none is set. A secret: never print it."""
        return self.llm_api_key.get_secret_value() or self.groq_api_key.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _Lower(settings_cls, dotenv_settings)

    @field_validator("llm_fallback_models", "allowed_channels", "blocked_users", "admin_users", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("log_level", "log_format", "llm_transport", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("bot_name", "llm_model", "host", mode="before")
    @classmethod
    def _trim(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    @field_validator("groq_api_key", "llm_api_key")
    @classmethod
    def _whole_key(cls, value: SecretStr) -> SecretStr:
        return SecretStr(whole_key(value.get_secret_value()))

    @field_validator("llm_base_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        return web_address(value)

    @field_validator("data_dir")
    @classmethod
    def _folder(cls, value: Path) -> Path:
        if value.exists() and not value.is_dir():
            raise ValueError("it is a file|Set the path of a folder.")
        return value

    @field_validator("command_name")
    @classmethod
    def _command(cls, value: str) -> str:
        name = value.strip().removeprefix("/")
        if not re.fullmatch(r"[a-z0-9_-]{1,32}", name):
            raise ValueError("platforms do not allow it|Use at most 32 of a-z, 0-9, - and _, such as ai.")
        return name

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip():
            return f"sqlite+aiosqlite:///{info.data.get('data_dir', Path('data')) / 'parley.db'}"
        scheme, separator, rest = value.strip().partition("://")
        driver = _DATABASE_DRIVERS.get(scheme.lower())
        if not separator or driver is None or not rest.strip("/"):
            raise ValueError(
                "it names no database that can be used"
                "|Use sqlite:///path/to/file.db or postgresql://person:password@host/database."
            )
        return f"{driver}://{rest}"


class _Lower(PydanticBaseSettingsSource):
    """The lines of ``.env`` whose variable the real environment does not hold, not even empty."""

    def __init__(self, settings_cls: type[BaseSettings], lines: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._lines = lines

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._lines.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        held = {name.lower() for name in os.environ}
        return {name: value for name, value in self._lines().items() if name.lower() not in held}


def read_config() -> Config:
    """The configuration as the environment and ``.env`` have it now.

    Raises a group of ``ConfigurationError``, one for each wrong variable (catch it with ``except*``).
    """
    wrong = problem_in_env_file(ENV_FILE)
    if wrong is not None:
        raise ExceptionGroup("configuration", [wrong])
    try:
        return Config()
    except ValidationError as error:
        raise ExceptionGroup("configuration", explain(error, Config)) from None


def whole_key(value: str) -> str:
    """A provider's key as pasted, trimmed. Raises ``ValueError`` ("problem|fix") for what is none."""
    key = value.strip()
    if re.search(r"[^\x21-\x7e]", key):
        raise ValueError("it has characters in it that no key has|Paste the key alone, without blanks or quotes.")
    return key


def web_address(value: str) -> str:
    """A server's base address, trimmed. Raises ``ValueError`` ("problem|fix") for what is none."""
    parts = _split_url(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"it is not a web address|Set an address such as {GROQ_URL}.")
    if parts.username or parts.password:
        raise ValueError("it has a password in it|Put the key into LLM_API_KEY instead.")
    return value.strip().rstrip("/")


def _split_url(value: str) -> Any:
    try:
        return urlsplit(value.strip())
    except ValueError:
        return None
