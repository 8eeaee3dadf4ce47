"""Tasks that do not end when they are told to, and processes that do not."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from bot.errors import StoreError
from bot.tasks import end_tasks

_NEVER = """
import asyncio, time
from bot.tasks import end_within

async def main():
    end_within({seconds})
    {hang}

asyncio.run(main())
"""


class Deaf:
    """Swallows so many cancellations."""

    def __init__(self, times: int) -> None:
        self.heard, self.times = 0, times

    async def run(self) -> None:
        while self.heard <= self.times:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.heard += 1
        raise KeyError("its last word")


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_tasks_are_cancelled_until_they_have_ended(times: int) -> None:
    deaf = Deaf(times)
    task = asyncio.create_task(deaf.run())
    calm = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    assert await end_tasks({task, calm})
    assert (deaf.heard, calm.cancelled()) == (times + 1, True)


async def test_nobody_waits_longer_for_tasks_that_go_on() -> None:
    deaf = Deaf(1_000)
    task = asyncio.create_task(deaf.run())
    await asyncio.sleep(0)
    clock = asyncio.get_running_loop().time
    began = clock()
    assert not await end_tasks({task}, within=0.2)
    assert 0.2 <= clock() - began < 5
    deaf.times = 0
    assert await end_tasks({task})


@pytest.mark.parametrize(("error", "told"), [(KeyError("its last word"), True), (StoreError("full"), False)])
async def test_a_task_that_had_broken_before_is_told_of_unless_it_said_so_itself(
    error: Exception, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def breaks() -> None:
        raise error

    task = asyncio.create_task(breaks())
    await asyncio.wait({task})
    assert await end_tasks({task})
    assert ("a task had broken" in "".join(capsys.readouterr())) is told


async def test_there_may_be_nothing_to_end() -> None:
    assert await end_tasks(())


async def test_a_cancellation_that_python_itself_loses_comes_again() -> None:
    """Up to 3.11, ``wait_for`` gives its result instead when that came in the same moment."""
    ready = asyncio.Event()

    async def waiting() -> None:
        while True:
            await asyncio.wait_for(ready.wait(), 60)
            ready.clear()

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0.01)
    ready.set()
    await asyncio.sleep(0)  # what it waits for has ended, and it does not know yet
    assert await end_tasks({task})


@pytest.mark.parametrize(
    ("hang", "told"),
    [
        ("await asyncio.create_task(asyncio.sleep(60), name='nap')", "nap asyncio/tasks.py:"),
        ("time.sleep(60)", 'File "<string>", line 7 in main'),
    ],
    ids=["a task waits for ever", "the event loop stands still"],
)
def test_a_process_that_does_not_end_gives_itself_up_and_tells_where_it_stood(hang: str, told: str) -> None:
    program = _NEVER.format(seconds=0.2, hang=hang)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 1
    assert told in ended.stderr + ended.stdout
