"""The command line. Everything heavy is imported by the command that needs it, so that ``--help`` is instant.

Exit codes: 0 well, 1 something was found wrong or broke, 2 the configuration or the command line is wrong.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from bot.config import Config

Answer = TypeVar("Answer")

_EXAMPLES = """\
examples:
  parley run                        start the bot (web workspace on http://127.0.0.1:8765)
  PORT=9000 parley run              the same on another port
  GROQ_API_KEY=gsk_... parley run   answer with Groq's models
  parley doctor                     check the whole deployment; every red line says its fix
  parley manifest slack             print the manifest to make the Slack app from
  parley migrate                    bring the database's tables up to date
  parley migrate --to URL           move the SQLite file's content to PostgreSQL
  parley backup /backups/parley.db  copy the SQLite file while the bot works on it

Configuration comes from environment variables and a .env file: see .env.example and docs/configuration.md.
"""

_MANIFEST = "print a platform's app manifest, generated from the commands and events the bot knows"

_MIGRATION = (
    "Bring the database's tables up to date. With --to, move what the SQLite file holds to PostgreSQL instead: the bot "
    "must stand still, the file is only read, and a move that fails is undone as a whole. A password left out of URL "
    "is taken from PGPASSWORD or ~/.pgpass."
)
_BACKUP = (
    "Copy the SQLite file while the bot works on it: the state of one moment, looked through, readable by you alone."
)

_DOCUMENTS = {".env.example": "env_example", "docs/configuration.md": "configuration_page"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = chosen.command
    try:
        return command(chosen)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last gate: the operator reads sentences, and the log gets what broke
        return _told(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parley",
        description="An LLM teammate for Slack, Discord and the browser.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command, summary in (
        ("run", _run, "start the bot and serve until it is told to stop"),
        ("doctor", _doctor, "check configuration, database, provider and platforms, and say how to fix what is wrong"),
        ("version", _version, "print the version"),
    ):
        commands.add_parser(name, help=summary, description=summary).set_defaults(command=command)
    migrate = commands.add_parser(
        "migrate", help="bring the database's tables up to date (run does so too), or move to PostgreSQL",
        description=_MIGRATION,
    )  # fmt: skip
    migrate.add_argument("--to", metavar="URL", default="", help="move everything to this empty PostgreSQL database")
    migrate.set_defaults(command=_migrate)
    backup = commands.add_parser("backup", help="copy the SQLite file while the bot works on it", description=_BACKUP)
    backup.add_argument("file", metavar="FILE", type=Path, help="the copy; an older one is replaced")
    backup.set_defaults(command=_backup)
    rewriting = "rewrite the SQLite file without its free space; the bot must stand still"
    commands.add_parser("vacuum", help=rewriting, description=rewriting).set_defaults(command=_vacuum)
    manifest = commands.add_parser(
        "manifest", help="print a platform's app manifest, to paste where the app is made", description=_MANIFEST
    )
    manifest.add_argument("platform", help="the platform, such as slack")
    manifest.add_argument("--http", action="store_true", help="events come in by POST instead of over a socket")
    manifest.add_argument("--url", default="", help="the public address of this bot, for --http")
    manifest.set_defaults(command=_manifest)
    docs = commands.add_parser(
        "docs", help="write the generated documents", description="write the generated documents"
    )
    docs.add_argument("--check", action="store_true", help="change nothing; exit with 1 when one is out of date")
    docs.set_defaults(command=_docs)
    return parser


def _run(_: argparse.Namespace) -> int:
    # Most of a start is imports, with nothing open yet: ending there is a good end. The house has its own way later.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    gc.disable()  # imports make no garbage, and looking for it meanwhile costs a fifth of the start
    config = _ready()
    from bot.wiring import run

    gc.freeze()
    gc.enable()
    return _in_loop(lambda: run(config))


def _doctor(_: argparse.Namespace) -> int:
    from bot.config import read_config
    from bot.observe.logging import start_logging

    config = read_config()
    start_logging("error", "console")
    from bot.doctor import examine, told

    lines = _in_loop(lambda: examine(config))
    print(told(lines, sys.stdout.isatty()))
    return 0 if all(line.ok for line in lines) else 1


def _migrate(chosen: argparse.Namespace) -> int:
    config = _ready()
    if chosen.to:
        return _move(config, chosen.to)
    from bot.storage import open_store

    async def migrate() -> None:
        store, _ = await open_store(config.database_url, config.data_dir)
        await store.close()

    _in_loop(migrate)
    print("The database is up to date.")
    return 0


def _move(config: Config, target: str) -> int:
    from bot.storage.move import Moved, move

    def tell(moved: Moved) -> None:
        print(f"{moved.table:<14}{moved.rows:>10} rows  {moved.digest}")

    shown = _in_loop(lambda: move(config.database_url, target, tell))
    print(f"Everything is in {shown} now, read back and found the same. Set DATABASE_URL to it and start the bot.")
    return 0


def _backup(chosen: argparse.Namespace) -> int:
    config = _ready()
    from bot.storage.backup import back_up
    from bot.storage.files import existing_file

    size = back_up(existing_file(config.database_url, "Use pg_dump, as for any PostgreSQL database."), chosen.file)
    print(f"{chosen.file}: {size / 1024**2:.1f} MiB, whole.")
    return 0


def _vacuum(_: argparse.Namespace) -> int:
    config = _ready()
    from bot.storage.files import existing_file
    from bot.storage.vacuum import vacuum

    before, after = vacuum(existing_file(config.database_url, "PostgreSQL does this by itself."))
    print(f"{before / 1024**2:.1f} MiB before, {after / 1024**2:.1f} MiB now.")
    return 0


def _manifest(chosen: argparse.Namespace) -> int:
    import importlib
    import importlib.util
    import json

    from bot.commands.registry import command_helps
    from bot.config import read_config
    from bot.errors import ParleyError

    place = f"adapters.{chosen.platform}"
    if not chosen.platform.isidentifier() or not importlib.util.find_spec(place):
        raise ParleyError(user_text=f"There is no platform called {chosen.platform}.")
    if not importlib.util.find_spec(f"{place}.manifest"):
        raise ParleyError(user_text=f"{chosen.platform} needs no manifest.")
    write = importlib.import_module(f"{place}.manifest").manifest
    names = [command.name for command in command_helps()]
    where = {"url": chosen.url} if chosen.url else {}
    print(json.dumps(write(read_config(), "http" if chosen.http else "socket", commands=names, **where), indent=2))
    return 0


def _version(_: argparse.Namespace) -> int:
    from bot.version import VERSION

    print(f"parley {VERSION}")
    return 0


def _docs(chosen: argparse.Namespace) -> int:
    from bot import variables

    stale = []
    for name, function in _DOCUMENTS.items():
        path, text = Path(name), getattr(variables, function)()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not chosen.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is out of date: run `make docs`" if chosen.check else f"wrote {name}")
    return 1 if stale and chosen.check else 0


def _ready() -> Config:
    """The configuration, core's and adapters', with logging started. Raises a group of ``ConfigurationError``."""
    from bot.config import read_config
    from bot.errors import ConfigurationError
    from bot.observe.logging import start_logging
    from bot.variables import wrong_adapter_variables

    wrong: list[Exception] = []
    try:
        config = read_config()
    except ExceptionGroup as group:
        wrong += group.exceptions
    wrong += wrong_adapter_variables()
    if wrong:
        raise ExceptionGroup("configuration", wrong)
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            "DATA_DIR", f"{config.data_dir} cannot be made ({error.strerror})", "Set a folder you may write to."
        ) from error
    start_logging(config.log_level, config.log_format)
    return config


def _in_loop(work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Run ``work`` in an event loop, uvloop's where it is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.run(work())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


def _told(error: Exception) -> int:
    """Say on stderr what ended the command; returns the exit code."""
    from bot.errors import ConfigurationError, ParleyError

    found = list(_leaves(error))
    if all(isinstance(leaf, ParleyError) for leaf in found):
        for leaf in found:
            print(f"parley: {getattr(leaf, 'operator_text', leaf)}", file=sys.stderr)
        return 2 if any(isinstance(leaf, ConfigurationError) for leaf in found) else 1
    import structlog

    structlog.get_logger("cli").critical("command broke", exc_info=error)
    print("parley: something broke that should not; the log says where.", file=sys.stderr)
    return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside nested groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
