"""The working sign is set only by the process whose turn it is, and cleared by whoever ends it."""

from __future__ import annotations

from bot.errors import Unsent
from bot.events import Address
from bot.replies import Phase, Status
from bot.reply.status import StatusLine
from tests.contracts.surface import sample_reply
from tests.fakes.surface import FakePlatform

THINKING = Status(Phase.THINKING, "thinking")


async def test_a_process_that_lost_the_turn_sets_no_sign() -> None:
    surface = FakePlatform().open(sample_reply(Address("fake", "T1", "C1", "1.0"), "m1"))
    await StatusLine(surface, fence=lambda: False).set(THINKING)
    assert surface.statuses == []


async def test_nor_does_one_that_cannot_know_and_what_it_ends_it_clears() -> None:
    def unknown() -> bool:
        raise Unsent("no word from the database")

    surface = FakePlatform().open(sample_reply(Address("fake", "T1", "C1", "1.0"), "m1"))
    line = StatusLine(surface, fence=unknown)
    await line.set(THINKING)
    assert surface.statuses == []
    await line.clear()
    assert [status.phase for status in surface.statuses] == [Phase.DONE]
