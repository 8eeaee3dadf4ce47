"""What is looked at again after a reply's end, when and by whom, and what is never touched.

Whole stories of it: ``test_killed``, and on Discord ``test_taking_up``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.slack.late import LateOnSlack
from adapters.slack.search import Found, Marked
from bot.errors import Gone, SlowDown, StoreError, SurfaceError
from bot.events import Address, Author
from bot.late import GAPS, KIND
from bot.ports import check_fence
from bot.replies import Reply, Standing
from tests.adapters.web.fakes import MemoryShelf

PLACE = Address("slack", "T1", "C1", "1.0")
ONE = Standing(("1.1",), shown=True, quiet=True)


@dataclass
class Thread:
    """A workspace with one thread, and a core that knows one reply in it. ``trouble``: what reading it raises."""

    standing: Standing | None = ONE
    found: Found = field(default_factory=Found)
    open: list[str] = field(default_factory=list)
    writes_here: list[str] = field(default_factory=list)
    trouble: list[SurfaceError] = field(default_factory=list)
    reads: int = 0
    removed: list[str] = field(default_factory=list)
    shown_again: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    @property
    def calls(self) -> Any:
        return self

    search = streams = calls

    async def parts(self, address: Address, mark: str, question: str) -> Found:
        assert (address, mark, question) == (PLACE, "m1", "1.0")
        self.reads += 1
        self.meanwhile()
        if self.trouble:
            raise self.trouble.pop(0)
        return self.found

    async def call(self, method: str, **given: Any) -> None:
        check_fence()
        assert (method, given["channel"]) == ("chat.delete", "C1")
        self.removed.append(given["ts"])

    async def end_message(self, channel: str, id: str) -> bool:
        return id in self.open

    def find(self, channel: str, id: str) -> object:
        return object() if id in self.writes_here else None


@dataclass
class Core:
    thread: Thread

    async def standing(self, mark: str) -> Standing | None:
        return self.thread.standing

    async def show_again(self, mark: str) -> None:
        self.thread.shown_again.append(mark)


class Stage:
    """Looks that are made, and a clock that runs ahead."""

    def __init__(self) -> None:
        self.thread, self.shelf, self.now = Thread(), MemoryShelf(), 1_000.0
        self.reply = Reply(PLACE, "m1", "1.0", Author("U1", "Ada"), resumed=True)
        self.ids = ["1.1"]
        self.late = self.another()

    def another(self) -> LateOnSlack:
        return LateOnSlack(Core(self.thread), self.shelf, lambda workspace: self.thread, wall=lambda: self.now)

    async def passes(self, seconds: float, late: LateOnSlack | None = None) -> None:
        """Let so much time pass, and what is due then be done."""
        self.now += seconds
        listening = asyncio.create_task((late or self.late).looks.listen())
        await asyncio.sleep(0.02)
        listening.cancel()
        await asyncio.wait({listening})

    async def looks(self) -> None:
        for gap in GAPS:
            await self.passes(gap)


@pytest.fixture
async def stage() -> Stage:
    return Stage()


def marked(*ids: str, number: int = 0, grows: bool = False) -> list[Marked]:
    return [Marked(number, id, grows) for id in ids]


async def test_a_reply_that_was_begun_here_and_lost_nothing_is_not_looked_at(stage: Stage) -> None:
    stage.late.looks.opened(replace(stage.reply, resumed=False), lambda: stage.ids)
    await stage.looks()
    assert stage.thread.reads == 0
    assert stage.shelf.writes == []


async def test_a_reply_that_was_taken_over_is_looked_at_some_times_and_then_forgotten(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found(marked("1.1"), strays=["1.4"])
    await stage.looks()
    await stage.passes(1_000.0)
    assert stage.thread.reads == len(GAPS)
    assert stage.thread.removed == []
    assert stage.thread.shown_again == []
    assert await stage.shelf.list(KIND) == []


async def test_what_bears_the_mark_and_is_no_part_is_taken_away(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found(marked("1.0001", "1.1", "1.2"))
    await stage.passes(GAPS[0])
    assert sorted(stage.thread.removed) == ["1.0001", "1.2"]


async def test_a_part_that_the_store_could_not_note_is_left_alone(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found([*marked("1.1"), *marked("1.2", number=1)])
    await stage.looks()
    assert stage.thread.removed == []


async def test_a_part_that_still_grows_and_is_none_is_taken_away(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found([*marked("1.1"), *marked("1.2", number=1, grows=True)])
    await stage.passes(GAPS[0])
    assert stage.thread.removed == ["1.2"]


async def test_a_part_whose_surface_alone_knows_its_place_is_a_part(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.ids.append("1.2")
    stage.thread.found = Found(marked("1.1", "1.2"))
    await stage.looks()
    assert stage.thread.removed == []


async def test_where_none_of_its_parts_stands_nothing_is_taken_away(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found(marked("1.7"))
    await stage.looks()
    assert stage.thread.removed == []


async def test_of_a_reply_that_was_taken_away_nothing_may_appear(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.standing = Standing((), shown=False, quiet=True)
    stage.thread.found = Found(marked("1.7"))
    await stage.passes(GAPS[0])
    assert stage.thread.removed == ["1.7"]


async def test_while_the_reply_is_being_written_nothing_is_read(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.standing = None
    for _ in range(20):
        await stage.passes(5.0)
    assert stage.thread.reads == 0
    stage.thread.standing = ONE
    await stage.passes(12.0)
    assert stage.thread.reads == 1


async def test_a_stream_of_the_answer_being_written_now_is_left_alone(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found, stage.thread.open = Found(marked("1.1"), strays=["1.5", "1.6"]), ["1.5", "1.6"]
    stage.thread.writes_here = ["1.5"]
    stage.thread.standing = replace(ONE, quiet=False)  # 1.6 may be one whose beginning is not answered yet
    await stage.looks()
    assert stage.thread.removed == []
    stage.thread.standing = ONE
    await stage.passes(12.0)
    assert stage.thread.removed == ["1.6"]


async def test_a_part_that_looks_as_if_it_grew_is_shown_again_whoever_looks(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    await stage.passes(0.0)
    stage.thread.found = Found(marked("1.1", grows=True))
    await stage.passes(GAPS[0])
    assert stage.thread.shown_again == ["m1"]
    await stage.passes(30.0, stage.another())
    assert stage.thread.shown_again == ["m1", "m1"]


@pytest.mark.parametrize(("message", "reads"), [("1.1", 0), ("1.9", 1)])
async def test_a_message_that_was_not_expected_is_looked_at_soon(stage: Stage, message: str, reads: int) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.late.heard("C1", {"ts": message, "thread_ts": "1.0"})
    stage.late.heard("C1", {"ts": "1.9", "thread_ts": "7.0"})
    stage.late.heard("C1", {"ts": "1.9", "thread_ts": "1.0", "metadata": {"event_type": "another"}})
    await stage.passes(1.5)
    assert stage.thread.reads == reads
    await stage.passes(1.5)
    assert stage.thread.reads == reads + 1  # the planned look is made all the same


@pytest.mark.parametrize(
    ("trouble", "wait"), [(SurfaceError("no"), 3.1), (SlowDown("conversations.replies", 30.0), 30.1)]
)
async def test_when_slack_does_not_tell_it_is_asked_again(stage: Stage, trouble: SurfaceError, wait: float) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found, stage.thread.trouble = Found(marked("1.1", "1.2")), [trouble]
    await stage.passes(GAPS[0])
    await stage.passes(wait - 0.2)
    assert stage.thread.removed == []
    await stage.passes(0.2)
    assert stage.thread.removed == ["1.2"]


async def test_a_place_that_is_gone_is_forgotten(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.trouble = [Gone("left")]
    await stage.looks()
    assert stage.thread.reads == 1
    assert await stage.shelf.list(KIND) == []


@pytest.mark.parametrize(("after", "removed"), [(10.0, []), (30.0, ["1.2"])])
async def test_another_process_goes_on_with_what_nobody_looks_at_any_more(
    stage: Stage, after: float, removed: list[str]
) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    await stage.passes(0.0)
    stage.thread.found = Found(marked("1.1", "1.2"))
    await stage.passes(after, stage.another())
    assert stage.thread.removed == removed


async def test_a_database_that_is_away_delays_the_looks_and_loses_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.late._AGAIN", 0.001)
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found(marked("1.1", "1.2"))
    stage.shelf.trouble = StoreError("away")
    await stage.passes(GAPS[0])
    assert stage.thread.removed == []
    stage.shelf.trouble = None
    await stage.passes(0.0)
    assert stage.thread.removed == ["1.2"]
    assert len(await stage.shelf.list(KIND)) == 1


async def test_a_reply_that_cannot_be_looked_at_keeps_no_other_waiting_and_is_given_up(stage: Stage) -> None:
    stage.late.looks.opened(replace(stage.reply, mark="m0"), lambda: stage.ids)  # the thread refuses to know it
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    await stage.shelf.put(KIND, "m2", {"written": "by another version"}, 1)
    await stage.looks()
    assert stage.thread.reads == len(GAPS)
    await stage.passes(4_000.0)
    assert await stage.shelf.list(KIND) == []


async def test_what_cannot_be_looked_at_is_tried_more_and_more_seldom(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found, stage.thread.standing = Found(marked("1.1"), strays=["1.5"]), replace(ONE, quiet=False)
    for _ in range(300):
        await stage.passes(1.0)
    assert 20 <= stage.thread.reads <= 30


async def test_a_reply_that_is_taken_over_anew_is_looked_at_anew(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found(marked("1.1"))
    await stage.passes(GAPS[0])
    await stage.passes(GAPS[1])
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    await stage.looks()
    assert stage.thread.reads == 2 + len(GAPS)


async def test_doubted_during_the_last_look_it_is_looked_at_on(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.found = Found(marked("1.1"))
    for gap in GAPS[:-1]:
        await stage.passes(gap)
    stage.thread.meanwhile = lambda: stage.late.looks.doubt(stage.reply, lambda: stage.ids)
    await stage.passes(GAPS[-1])
    stage.thread.meanwhile = lambda: None
    await stage.looks()
    assert stage.thread.reads == 2 * len(GAPS)


async def test_a_process_that_may_not_write_any_more_takes_nothing_away(stage: Stage) -> None:
    stage.late.looks.opened(stage.reply, lambda: stage.ids)
    stage.thread.standing = replace(ONE, fence=lambda: False)
    stage.thread.found = Found(marked("1.1", "1.2"))
    await stage.passes(GAPS[0])
    assert stage.thread.removed == []
