"""The bot with a cable to pull: ``python -m tests.stories.crashing POINT`` dies by SIGKILL at that point of a turn.

Nothing is different but the end: the real command line, the real store, and no cleaning up.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.web.record import Record
from bot.cli import main
from bot.reply.delivery import Delivery
from bot.storage.store import SqlStore


@dataclass(frozen=True, slots=True)
class Cable:
    """The process dies at the end of this method (else at its beginning), once its arguments are as ``when`` says."""

    owner: type
    name: str
    at_the_end: bool = False
    when: Callable[..., bool] = lambda *_: True


POINTS = {
    "room about to keep the question": Cable(Record, "keep_message"),
    "event about to be committed": Cable(SqlStore, "accept"),
    "event committed": Cable(SqlStore, "accept", at_the_end=True),
    "first write about to be made": Cable(Delivery, "_send"),
    "first write made": Cable(SqlStore, "shown"),
    "second part kept": Cable(SqlStore, "shown", at_the_end=True, when=lambda _self, _claim, ids: len(ids) == 2),
    "answer complete": Cable(SqlStore, "answered"),
    "answer stored": Cable(SqlStore, "answered", at_the_end=True),
    "last write made": Cable(SqlStore, "settle"),
    "turn settled": Cable(SqlStore, "settle", at_the_end=True),
    "edit committed": Cable(SqlStore, "edit_message", at_the_end=True),
    "deletion committed": Cable(SqlStore, "delete_message", at_the_end=True),
    "stop committed": Cable(SqlStore, "ask_stop", at_the_end=True),
}


def pull(cable: Cable) -> None:
    """Have the process die there."""
    whole = getattr(cable.owner, cable.name)

    async def cut(*arguments: Any, **named: Any) -> Any:
        found = await whole(*arguments, **named) if cable.at_the_end else None
        if cable.when(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        return found if cable.at_the_end else await whole(*arguments, **named)

    setattr(cable.owner, cable.name, cut)


if __name__ == "__main__":
    pull(POINTS[sys.argv[1]])
    sys.exit(main(["run"]))
