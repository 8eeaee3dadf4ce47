"""The writer shows the first text at once, then only the newest state, and ends with exactly the model's text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Gone, SlowDown, Superseded, SurfaceError, Unsent
from bot.events import Address
from bot.replies import Budget, Controls
from bot.reply.delivery import LONGEST_BACKOFF, PATIENCE, Delivery
from bot.reply.draft import Part, rebuild
from bot.reply.pacing import Pacing
from tests.bot.reply.samples import drafted, texts
from tests.clock import run_virtual, virtual_time
from tests.contracts.surface import sample_reply
from tests.fakes.surface import FakePlatform, FakeSurface, fake_dialect

ADDRESS = Address("fake", "T1", "C1", "1.0")
DONE = Controls(regenerate=True)
TIGHT = Budget("tight", rate=1.0, burst=3, reserve=1)


class Stage:
    """A delivery on a fake surface, and what it kept."""

    def __init__(self, platform: FakePlatform | None = None, mark: str = "m1", pacing: Pacing | None = None) -> None:
        self.platform = platform or FakePlatform()
        self.surface: FakeSurface = self.platform.open(sample_reply(ADDRESS, mark))
        self.kept: list[Sequence[str]] = []
        self.pacing = pacing or Pacing()
        self.may_write = True
        self.delivery = Delivery(
            self.surface, self.pacing, mark, on_parts=self.keep, fence=lambda: self.may_write, metrics=self
        )
        self.metrics: list[tuple[str, str]] = []

    async def keep(self, ids: Sequence[str]) -> None:
        self.kept.append(ids)

    def wrote(self, platform: str, kind: str, result: str) -> None:
        self.metrics.append((kind, result))

    def slowed(self, platform: str) -> None:
        self.metrics.append(("slowed", platform))

    async def stream(self, deltas: Sequence[str], every: float = 0.04) -> None:
        self.delivery.start()
        for delta in deltas:
            self.delivery.feed(delta)
            await asyncio.sleep(every)


@virtual_time
async def test_the_first_text_goes_out_at_once_with_a_stop_button() -> None:
    stage = Stage()
    stage.delivery.start()
    stage.delivery.feed("Hel")
    await asyncio.sleep(0.001)
    (tried,) = stage.surface.writes
    assert (tried.at, tried.write.text, tried.write.final) == (0.0, "Hel", False)
    assert tried.write.controls == Controls(stop=True)
    await stage.delivery.abandon()


@virtual_time
async def test_between_two_previews_deltas_wake_nobody_and_only_the_newest_state_is_sent() -> None:
    stage = Stage(FakePlatform(dialect=fake_dialect(spacing=1.0)))
    await stage.stream(["word "] * 90)
    await stage.delivery.finish((), DONE)
    times = [tried.at for tried in stage.surface.writes]
    assert times == pytest.approx([0.0, 1.0, 2.0, 3.0, 3.6], abs=0.05)
    assert stage.surface.writes[1].write.text.count("word") in (25, 26)
    assert stage.surface.texts == [("word " * 90).strip()]


@virtual_time
async def test_the_final_write_goes_at_once_when_nothing_is_in_flight() -> None:
    stage = Stage(FakePlatform(dialect=fake_dialect(spacing=60.0)))
    await stage.stream(["one ", "two"])
    asked = asyncio.get_running_loop().time()
    await stage.delivery.finish(("A note.",), DONE)
    final = stage.surface.writes[-1]
    assert final.at == asked
    assert (final.write.text, final.write.final, final.write.notes) == ("one two", True, ("A note.",))
    assert final.write.controls == DONE
    assert stage.surface.closed == [1]


@virtual_time
async def test_the_final_write_waits_for_the_write_in_flight_and_no_longer() -> None:
    stage = Stage(FakePlatform(latency=0.5))
    stage.delivery.start()
    stage.delivery.feed("one ")
    await asyncio.sleep(0.1)
    stage.delivery.feed("two")
    await stage.delivery.finish((), DONE)
    assert [tried.at for tried in stage.surface.writes] == [0.5, 1.0]


@virtual_time
async def test_after_hold_no_preview_stands_in_the_way_of_the_final_write() -> None:
    stage = Stage(FakePlatform(latency=0.5, dialect=fake_dialect(spacing=1.0)))
    await stage.stream(["one ", "two "], every=0.4)
    stage.delivery.hold()
    await asyncio.sleep(5.0)
    assert len(stage.surface.writes) == 1
    await stage.delivery.finish((), DONE)
    assert stage.surface.texts == ["one two"]


@virtual_time
async def test_not_live_shows_only_the_final_text() -> None:
    stage = Stage()
    stage.delivery.start(live=False)
    for _ in range(50):
        stage.delivery.feed("word ")
        await asyncio.sleep(0.1)
    await stage.delivery.finish((), DONE)
    assert [tried.write.final for tried in stage.surface.writes] == [True]


@virtual_time
async def test_sealed_parts_are_written_before_later_ones_and_only_the_last_has_controls() -> None:
    stage = Stage(FakePlatform(dialect=fake_dialect(limit=100, spacing=0.2)))
    await stage.stream(["Some words here. "] * 60)
    await stage.delivery.finish((), DONE)
    writes = [tried.write for tried in stage.surface.writes]
    final_parts = [write.part for write in writes if write.final]
    assert final_parts == sorted(set(final_parts)) == list(range(len(stage.surface.messages)))
    assert [message.write.controls for message in stage.surface.messages[:-1]] == [None] * (len(final_parts) - 1)
    assert stage.surface.messages[-1].write.controls == DONE
    assert stage.kept[-1] == tuple(message.id for message in stage.surface.messages)
    assert [len(ids) for ids in stage.kept] == list(range(1, len(final_parts) + 1))


@virtual_time
async def test_a_preview_that_only_appends_never_takes_back_what_is_firm() -> None:
    stage = Stage(FakePlatform(dialect=fake_dialect(spacing=0.1)))
    text = "Some **bold words** and a [link](https://example.org/page) and `code`, then:\n\n```py\nx = 1\n```\nEnd."
    await stage.stream(list(text), every=0.05)
    await stage.delivery.finish((), DONE)
    firm = [tried.write.text[: tried.write.firm] for tried in stage.surface.writes]
    assert len(firm) > 30
    assert all(text.startswith(shown) for shown in firm)
    assert [len(shown) for shown in firm] == sorted(len(shown) for shown in firm)


@virtual_time
async def test_slow_down_rests_its_bucket_and_the_text_still_arrives() -> None:
    stage = Stage(FakePlatform(dialect=fake_dialect(spacing=0.5)))
    stage.platform.fail([None, SlowDown("fake:T1:edit", 3.0)])
    await stage.stream(["word "] * 50)
    await stage.delivery.finish((), DONE)
    times = [tried.at for tried in stage.surface.writes]
    assert times[2] - times[1] == pytest.approx(3.0, abs=0.1)
    assert stage.surface.texts == [("word " * 50).strip()]
    assert ("slowed", "fake") in stage.metrics


@virtual_time
async def test_a_slow_down_for_a_bucket_nobody_named_is_waited_for_too() -> None:
    stage = Stage()
    stage.platform.fail([SlowDown("elsewhere", 7.0)])
    await stage.delivery.replace("Text.", (), DONE)
    assert [tried.at for tried in stage.surface.writes] == [0.0, 7.0]


@virtual_time
async def test_a_final_write_is_repeated_until_it_is_through() -> None:
    stage = Stage()
    stage.surface.lost = True
    stage.platform.fail([Unsent("reset")] * 6)
    await stage.delivery.replace("Text.", (), DONE)
    assert len(stage.surface.writes) == 7
    assert stage.surface.texts == ["Text."]
    waits = [
        after.at - before.at for before, after in zip(stage.surface.writes, stage.surface.writes[1:], strict=False)
    ]
    assert waits == sorted(waits)
    assert max(waits) <= LONGEST_BACKOFF


@virtual_time
async def test_a_platform_that_stays_away_is_given_up_in_the_end() -> None:
    stage = Stage()
    stage.platform.fail([Unsent("away")] * 10_000)
    with pytest.raises(Unsent):
        await stage.delivery.replace("Text.")
    assert PATIENCE - 10 <= asyncio.get_running_loop().time() <= PATIENCE + 10


@virtual_time
async def test_a_place_that_is_gone_stops_the_writer_and_says_so() -> None:
    stage = Stage()
    stage.platform.gone.add(ADDRESS)
    await stage.stream(["word "] * 10)
    assert stage.delivery.gone
    assert len(stage.surface.writes) == 1
    with pytest.raises(Gone):
        await stage.delivery.finish((), DONE)
    assert len(stage.surface.writes) == 1


@virtual_time
async def test_whoever_lost_the_fence_writes_nothing_more() -> None:
    stage = Stage()
    await stage.stream(["one "])
    stage.may_write = False
    with pytest.raises(Superseded):
        await stage.delivery.finish((), DONE)
    assert stage.surface.texts == ["one"]


@virtual_time
async def test_a_defect_in_a_surface_is_not_swallowed() -> None:
    stage = Stage()
    stage.delivery.start()

    def broken(write: object) -> Sequence[object]:
        raise LookupError("a defect")

    stage.surface.ways = broken  # type: ignore[method-assign, assignment]  # a surface with a defect
    stage.delivery.feed("one ")
    with pytest.raises(LookupError):
        await stage.delivery.finish((), DONE)


@virtual_time
async def test_replacing_a_long_reply_by_a_sentence_takes_the_other_parts_away() -> None:
    stage = Stage(FakePlatform(dialect=fake_dialect(limit=100, spacing=0.1)))
    await stage.stream(["Some words here. "] * 30)
    await stage.delivery.replace("That did not work.", (), Controls(retry=True))
    assert stage.surface.texts == ["That did not work."]
    assert len(stage.kept[-1]) == 1


@virtual_time
async def test_a_reply_opened_again_is_completed_in_the_same_messages() -> None:
    first = Stage(FakePlatform(dialect=fake_dialect(limit=100, spacing=0.1)))
    await first.stream(["Some words here. "] * 30)
    await first.delivery.abandon()
    before = list(first.delivery.ids)
    surface = first.platform.open(sample_reply(ADDRESS, "m1", before))
    kept: list[Sequence[str]] = []

    async def keep(ids: Sequence[str]) -> None:
        kept.append(ids)

    again = Delivery(surface, Pacing(), "m1", parts=before, on_parts=keep)
    again.start()
    again.feed("Short now.")
    await again.finish((), DONE)
    assert surface.texts == ["Short now."]
    assert kept == [(before[0],)]


@virtual_time
async def test_finishing_after_replacing_nothing_new_sends_nothing_new() -> None:
    stage = Stage()
    await stage.delivery.replace("Text.", (), DONE)
    await stage.delivery.replace("Text.", (), DONE)
    assert len(stage.surface.writes) == 1


@virtual_time
async def test_blank_text_is_refused_not_sent() -> None:
    stage = Stage()
    await stage.stream([" ", "\n"])
    with pytest.raises(ValueError, match="visible"):
        await stage.delivery.finish((), DONE)
    assert stage.surface.writes == []


@virtual_time
async def test_an_abandoned_reply_leaves_its_bucket_to_others() -> None:
    stage = Stage(FakePlatform(budget=TIGHT, latency=0.2))
    stage.delivery.start()
    stage.delivery.feed("one")
    await asyncio.sleep(0.1)
    await stage.delivery.abandon()
    await stage.delivery.abandon()
    assert stage.surface.texts == ["one"]
    assert all(waiting == 0 for _, waiting, _ in stage.pacing.state(1.0).values())


@virtual_time
async def test_a_crowd_under_one_tight_budget_ends_whole_and_within_the_rate() -> None:
    platform, pacing = FakePlatform(budget=Budget("edits", rate=5.0, burst=5, reserve=2)), Pacing()
    stages = [Stage(platform, f"m{number}", pacing) for number in range(20)]

    async def one(stage: Stage) -> None:
        await stage.stream(["word "] * 100)
        await stage.delivery.finish((), DONE)

    await asyncio.gather(*(one(stage) for stage in stages))
    assert all(stage.surface.texts == [("word " * 100).strip()] for stage in stages)
    edits = sorted(tried.at for stage in stages for tried in stage.surface.writes if tried.way.name == "edit")
    for first in range(len(edits)):
        for last in range(first, len(edits)):
            assert last - first + 1 <= 5 + 5.0 * (edits[last] - edits[first]) + 1e-3
    assert edits[-1] <= 4.0 + 20 / 5.0 + 1.0


faults = st.lists(
    st.one_of(
        st.none(),
        st.builds(Unsent, st.just("reset")),
        st.builds(SlowDown, st.sampled_from(["fake:T1:edit", "fake:T1:create", "other"]), st.floats(0, 5)),
    ),
    max_size=12,
)


@given(texts.filter(str.strip), st.lists(st.integers(1, 40), max_size=20), faults, st.booleans(), st.floats(0, 2))
def test_whatever_fails_the_reply_ends_with_exactly_the_models_text(
    text: str, sizes: list[int], failures: list[SurfaceError | None], lost: bool, latency: float
) -> None:
    async def situation() -> None:
        stage = Stage(FakePlatform(dialect=fake_dialect(limit=100, spacing=0.5), latency=latency))
        stage.surface.lost = lost
        stage.platform.fail(failures)
        deltas, position = [], 0
        for size in sizes:
            deltas.append(text[position : position + size])
            position += size
        await stage.stream([*deltas, text[position:]], every=0.2)
        await stage.delivery.finish((), DONE)
        expected = drafted([text])
        assert stage.surface.texts == [part.text for part in expected.sealed]
        shown = [
            Part(message.write.text, part.head, part.tail, part.gap)
            for message, part in zip(stage.surface.messages, expected.sealed, strict=True)
        ]
        assert rebuild(shown, expected.trail) == text
        assert all(message.write.final for message in stage.surface.messages)

    run_virtual(situation())


async def test_a_delta_costs_microseconds() -> None:
    stages = [Stage(FakePlatform(dialect=fake_dialect(spacing=1.0))) for _ in range(20)]
    for stage in stages:
        stage.delivery.start()
        stage.delivery.feed("first ")
    await asyncio.sleep(0)
    start = time.process_time()
    for _ in range(500):
        for stage in stages:
            stage.delivery.feed("token ")
    spent = time.process_time() - start
    for stage in stages:
        await stage.delivery.abandon()
    assert spent / (20 * 500) < 100e-6  # a few microseconds; the bound is for slow machines


@virtual_time
async def test_what_is_to_be_removed_waits_for_the_word_that_it_may_be() -> None:
    stage = Stage()
    await stage.stream(["Some text."])
    answers: Iterator[Unsent | bool] = iter([Unsent("no word from the database"), Unsent("still none"), True])

    def may_write() -> bool:
        answer = next(answers)
        if isinstance(answer, Unsent):
            raise answer
        return answer

    delivery = Delivery(stage.surface, stage.pacing, "m1", parts=stage.delivery.ids, fence=may_write)
    await stage.delivery.abandon()
    await delivery.remove()
    assert stage.surface.texts == []
