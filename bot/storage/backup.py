"""A copy of the SQLite file while the bot works on it.

The copy is of one moment, is looked through before it counts, and takes the place of an older one in one step: a
backup that failed leaves the older one as it was. Only its owner may read it, for it holds what people wrote.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bot.errors import ConfigurationError, StoreError
from bot.storage.failures import code_of
from bot.storage.files import snapshot

_STEP = 512  # pages (2 MiB) after which the copy is put on the disk: the bot's next commit waits for no more than that
_PAUSE = 0.005  # seconds after each step, for the bot


def back_up(source: Path, target: Path) -> int:
    """Copy the database ``source`` to ``target``; returns its size in bytes.

    Raises ``ConfigurationError`` when ``target`` cannot be that, ``StoreError`` when the copy failed.
    """
    if target.is_dir():
        raise ConfigurationError("FILE", f"{target} is a folder", "Name a file in it.")
    if target.exists() and target.samefile(source):
        raise ConfigurationError("FILE", "it is the database itself", "Name another file.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # made with mode 0600
    except OSError as error:
        raise ConfigurationError(
            "FILE", f"the folder {target.parent} cannot be written ({error.strerror})", "Name a file in another one."
        ) from error
    os.close(descriptor)
    copy = Path(name)
    try:
        _copy(source, copy)
        _sync(copy)
        copy.replace(target)
        _sync(target.parent)
        return target.stat().st_size
    except (sqlite3.Error, OSError) as error:
        code = code_of(error) or getattr(error, "strerror", None) or type(error).__name__
        older = f" The older {target} is as it was." if target.exists() else ""
        raise StoreError(str(code), user_text=f"The backup failed ({code}).{older}") from error
    finally:
        for leftover in (copy, Path(f"{copy}-wal"), Path(f"{copy}-shm")):
            leftover.unlink(missing_ok=True)


def _copy(source: Path, copy: Path) -> None:
    with snapshot(source) as database, closing(sqlite3.connect(copy, isolation_level=None)) as made:
        database.backup(made, pages=_STEP, progress=lambda *_: _rest(copy))
        found = made.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            raise sqlite3.DatabaseError("damaged")


def _rest(copy: Path) -> None:
    _sync(copy)
    time.sleep(_PAUSE)


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
