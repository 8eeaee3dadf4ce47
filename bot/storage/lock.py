"""One process per data folder: an advisory lock on a file beside the database, freed by the system at any death."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bot.errors import ConfigurationError, InUse

if sys.platform == "win32":
    import msvcrt

    def seize(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def seize(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held from construction until ``release``. Raises ``InUse`` when another process holds it."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                "DATABASE_URL",
                f"the folder {path.parent} cannot be written ({error.strerror})",
                "Choose a folder that this process may write to, or correct its permissions.",
            ) from error
        try:
            seize(self._descriptor)
        except OSError as error:
            self.release()
            raise InUse(
                "DATABASE_URL",
                f"another process has {database} open",
                "Stop the other one first, or give this one a data folder of its own.",
            ) from error

    def release(self) -> None:
        os.close(self._descriptor)
