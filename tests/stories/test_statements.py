"""What a turn asks of the database: a dozen statements, however long the answer streams.

Trades for writes that processes share go by time and not by turn (``tests/bot/test_budgets.py`` counts them); this
platform is in the process, and nobody shares it.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.bench.durability import counted, settled
from tests.bench.room import FakeRoom
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import BOTH, home

ENGINES = BOTH
MOST = 12


async def test_a_turn_takes_a_dozen_statements_at_most_and_none_for_a_delta(
    tmp_path: Path, llm: LlmEmulator, database_url: str
) -> None:
    async with home(tmp_path, llm, database_url=database_url, replica_lease=300) as opened:
        room, numbers = FakeRoom(opened), itertools.count(1)

        async def turn(thread: str = "") -> int:
            with counted() as statements:
                await (await room.ask(next(numbers), thread)).done.wait()
                await settled(opened)
            return statements.total()

        # What is looked at every few seconds beside the turns may fall into one of them, not into all.
        first = min([await turn() for _ in range(3)])
        short = min([await turn(f"m{number}") for number in (1, 2, 3)])
        llm.default = Script(text="One sentence after another, calmly. " * 40, rate=400)
        long = min([await turn(f"m{number}") for number in (1, 2, 3)])
    assert first <= MOST
    assert short == long <= MOST
