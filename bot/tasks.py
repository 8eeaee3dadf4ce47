"""Ending tasks, and the whole process, for good.

One cancellation may be lost on the way, and whoever waits for its task would wait for ever. Python's own
``asyncio.wait_for`` loses it, up to 3.11, when what it waits for ends in the same moment (python/cpython 86296); pools
and drivers are built on that, and others turn a cancellation into an error of their own while they clean up.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import inspect
import os
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from bot.errors import ParleyError

log = structlog.get_logger("tasks")

WITHIN = 5.0  # seconds
_AGAIN = 0.5  # seconds until a task that goes on is cancelled again; what ends in good order mostly needs less
_DEEPEST = 4  # places told of each task
_BLOCKED = 2.0  # seconds until it is certain that the event loop itself stands still


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], within: float = WITHIN) -> bool:
    """Cancel until all have ended, for ``within`` seconds at most; returns whether they have.

    Raises nothing of theirs. Not to be waited for by one of such tasks, which are cancelled while they wait.
    """
    pending = set()
    for task in tasks:
        if not task.done():
            pending.add(task)
        elif not (task.cancelled() or isinstance(broken := task.exception(), ParleyError | None)):
            log.error("a task had broken", exc_info=broken)  # nobody else asks for it; errors of ours have been told
    clock = asyncio.get_running_loop().time
    until = clock() + within
    while pending and (left := until - clock()) > 0:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=min(left, _AGAIN))
        for task in done:
            if not task.cancelled():
                task.exception()  # it was to end, and has
    if pending:
        log.warning("tasks go on although they were cancelled", at=_places(pending))
    return not pending


def end_within(seconds: float) -> None:
    """Whatever this process still does after so many seconds, it ends then, as in a crash, with exit code 1. The log
    says where it stood; for an event loop that stands still, the stack does, on stderr."""

    def end() -> None:
        try:
            log.critical("the end takes too long: the process is given up", at=_places(asyncio.all_tasks()))
        finally:
            os._exit(1)

    asyncio.get_running_loop().call_later(seconds, end)
    faulthandler.dump_traceback_later(seconds + _BLOCKED, exit=True)


def _places(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """``name folder/file:line > …`` of each: the innermost places that are known."""
    found = []
    for task in tasks:
        places: list[str] = []
        waiting: Any = task.get_coro()
        while (frame := _frame(waiting)) is not None:
            path = Path(frame.f_code.co_filename)
            places.append(f"{path.parent.name}/{path.name}:{frame.f_lineno}")
            waiting = waiting.ag_await if inspect.isasyncgen(waiting) else waiting.cr_await
            if not inspect.iscoroutine(waiting):  # what awaits a step of a generator does not say of which
                waiting = next(filter(inspect.isasyncgen, gc.get_referents(waiting)), None)
        found.append(f"{task.get_name()} {' > '.join(places[-_DEEPEST:])}")
    return sorted(found)


def _frame(waiting: Any) -> FrameType | None:
    found: FrameType | None = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
    return found
