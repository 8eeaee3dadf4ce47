"""Where a process leaves its name for the next one that starts in the same data folder.

A process that finds the name of one before it, and the file let go, knows that it is dead: what it was answering is
taken over at once, and nobody waits for its lease to pass. The system lets go of the file at any death.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from bot.storage.lock import seize

_NAME = "replica"
_LONGEST = 1_000  # bytes


class Seat:
    """``former``: the name of the process that died here, "" when there was none or nobody can know."""

    def __init__(self, folder: Path) -> None:
        self.former = ""
        self._descriptor = -1
        try:
            self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
            seize(self._descriptor)
        except OSError:  # another process sits here, or the folder is not ours to write: then the lease has to do
            self.leave()
            return
        name, _, machine = os.read(self._descriptor, _LONGEST).decode(errors="replace").partition("\n")
        if machine == socket.gethostname():  # a copied folder tells nothing of a process elsewhere
            self.former = name

    def take(self, name: str) -> None:
        """Sit here under this name."""
        self.former = ""
        if self._descriptor >= 0:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.truncate(self._descriptor, 0)
            os.write(self._descriptor, f"{name}\n{socket.gethostname()}".encode())

    def leave(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
