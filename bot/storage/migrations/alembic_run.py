"""Running Alembic inside a transaction that is open already."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select, text

from bot.errors import ConfigurationError

_LOCK = 0x5061_726C_6579  # "Parley"


def scripts() -> Config:
    """Alembic's configuration; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str | None:
    """The newest revision among the scripts."""
    return ScriptDirectory.from_config(scripts()).get_current_head()


def migrate(connection: Connection) -> None:
    """Run what is missing. Raises ``ConfigurationError`` for tables made by a newer version of the program."""
    if connection.dialect.name == "postgresql":  # of several processes that start together, one migrates
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    config = scripts()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigurationError(
            "DATABASE_URL",
            "its tables were made by another version of this program",
            "Run the version that made them, or a newer one.",
        ) from error
