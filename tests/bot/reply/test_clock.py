"""Virtual time passes at once and in order."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.clock import STUCK_AFTER, run_virtual, virtual_time


def test_hours_pass_at_once_in_the_order_of_their_ends() -> None:
    ended: list[tuple[float, str]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append((asyncio.get_running_loop().time(), name))

    async def main() -> None:
        await asyncio.gather(sleeper("late", 7_200.0), sleeper("early", 3_600.0))

    start = time.monotonic()
    run_virtual(main())
    assert ended == [(3_600.0, "early"), (7_200.0, "late")]
    assert time.monotonic() - start < STUCK_AFTER


@virtual_time
async def test_time_outs_come_when_they_are_due() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 30.0)
    assert asyncio.get_running_loop().time() == 30.0
