"""The fence of a reply: whether this process may still write it, asked at the last moment before a call goes out.

A surface makes several calls for one write and waits between them: for an answer, an allowance, a connection, a second
try. Meanwhile the process may have been frozen for longer than its lease, and another one may have finished the reply.
So it is not enough to ask before a write. The core puts up the fence around each call of a surface, and an adapter asks
``check_fence`` where its bytes leave, below every wait and every library: once for the adapter, and not once for each
thing it writes. ``tests/contracts/surface.py`` holds every surface to it.

The fence follows into tasks begun inside. What serves others too, or outlives the reply, steps out of it with
``fenced(None)``; what says something again later keeps ``current_fence()`` and puts it up then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from bot.errors import Superseded

Fence = Callable[[], bool]  # may raise ``Unsent``: not now, perhaps later

_FENCE: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextlib.contextmanager
def fenced(fence: Fence | None) -> Iterator[None]:
    """Inside, calls go out only as ``fence`` allows; ``None``: all of them."""
    token = _FENCE.set(fence)
    try:
        yield
    finally:
        _FENCE.reset(token)


def current_fence() -> Fence | None:
    return _FENCE.get()


def check_fence() -> None:
    """Raises ``Superseded`` where another process writes this reply now, and ``Unsent`` while that is not known.

    Outside of a reply nothing is raised.
    """
    fence = _FENCE.get()
    if fence is not None and not fence():
        raise Superseded("another process writes this reply now")
