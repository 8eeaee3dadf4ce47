"""An event loop whose time is virtual: sleeps pass at once, and in the order they would have ended.

``run_virtual(coroutine)`` runs one; ``@virtual_time`` makes an async test run on one. Time moves only when nothing
else is ready, to the next timer. Real sockets and threads still work, but time does not wait for them.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

Result = TypeVar("Result")
Given = ParamSpec("Given")

STUCK_AFTER = 30.0  # real seconds without any timer before the loop is taken to wait for nothing


class Stuck(RuntimeError):
    """Everything waits and no timer is set: nothing would ever happen again."""


class _Selector(selectors.DefaultSelector):
    """Looks at real sockets without waiting, then lets the loop's time jump to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = super().select(STUCK_AFTER)
            if not ready:
                raise Stuck("no timer is set and nothing came for a while")
            return ready
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` starts at 0 and counts virtual seconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[Given, Coroutine[Any, Any, Result]]) -> Callable[Given, Result]:
    """Make an async test (fixtures and Hypothesis arguments included) run in virtual time."""

    @functools.wraps(test)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        return run_virtual(test(*args, **kwargs))

    return run
