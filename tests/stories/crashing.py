"""The bot with a cable to pull: ``python -m tests.stories.crashing POINT`` dies by SIGKILL at that point of a turn.

Nothing is different but the end: the real command line, the real store, and no cleaning up.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from adapters.web.record import Record
from bot.cli import main
from bot.storage.store import SqlStore

# point: the method at whose end (or, with False, at whose beginning) the process dies
POINTS: dict[str, tuple[type, str, bool]] = {
    "question kept by the room": (SqlStore, "accept", False),
    "question accepted": (SqlStore, "accept", True),
    "first message posted": (SqlStore, "shown", False),
    "answer stored": (SqlStore, "answered", True),
    "last write made": (SqlStore, "settle", False),
    "turn settled": (SqlStore, "settle", True),
    "room about to keep the question": (Record, "keep_message", False),
}


def pull(owner: type, name: str, at_the_end: bool) -> None:
    """Have the process die there."""
    whole = getattr(owner, name)

    async def cut(*arguments: Any, **named: Any) -> None:
        if at_the_end:
            await whole(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, cut)


if __name__ == "__main__":
    pull(*POINTS[sys.argv[1]])
    sys.exit(main(["run"]))
