"""What every ``Surface`` and ``Source`` must do: the fake and the real ones run this same suite.

A test class derives from ``SurfaceContract`` and gives a fixture ``place`` (see ``Place``) with a fresh platform.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from bot.errors import Gone, Superseded
from bot.events import Address, Author, File
from bot.ports import Platform, Surface, fenced
from bot.replies import Controls, Notice, Phase, Reply, Status, Write


class Place(Protocol):
    """A platform with one conversation, and how to look at it with a person's eyes."""

    @property
    def platform(self) -> Platform: ...

    def reply(self, mark: str, parts: Sequence[str] = ()) -> Reply:
        """A reply in the conversation, as the core would open it."""
        ...

    async def read(self, mark: str) -> Sequence[str]:
        """The texts of the reply's messages as people see them, in order, without notes and controls."""
        ...

    def written(self) -> int:
        """How often the platform was asked to make, change or take away a message."""
        ...

    async def remove_place(self) -> None:
        """Take the conversation's channel away."""
        ...


@dataclass
class Falling:
    """A fence that lets ``left`` calls out. ``written`` becomes what ``count`` gives at the moment it falls."""

    left: int
    count: Callable[[], int] = lambda: 0
    written: int | None = None

    def __call__(self) -> bool:
        self.left -= 1
        if self.left < 0 and self.written is None:
            self.written = self.count()
        return self.left >= 0


async def put(surface: Surface, part: int, text: str, final: bool = False, **more: object) -> str:
    """Write by the first way the surface offers, as the pacing would when nothing is short."""
    write = Write(part, text, final, **more)  # type: ignore[arg-type]  # keyword arguments of Write
    return await surface.show(write, surface.ways(write)[0])


class SurfaceContract:
    async def test_a_write_appears_and_a_later_one_takes_its_place(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        first = await put(surface, 0, "Hello", controls=Controls(stop=True))
        again = await put(surface, 0, "Hello, world.", final=True, controls=Controls(regenerate=True))
        assert first == again
        assert list(await place.read("m1")) == ["Hello, world."]

    async def test_repeating_a_write_makes_no_second_message(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        ids = [await put(surface, 0, "The same.", final=True) for _ in range(3)]
        assert len(set(ids)) == 1
        assert list(await place.read("m1")) == ["The same."]

    async def test_parts_stand_in_order(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        ids = [await put(surface, part, f"Part {part}.", final=True) for part in range(3)]
        assert len(set(ids)) == 3
        assert list(await place.read("m1")) == ["Part 0.", "Part 1.", "Part 2."]

    async def test_a_surface_opened_again_goes_on_with_the_same_messages(self, place: Place) -> None:
        before = place.platform.surface(place.reply("m1"))
        ids = [await put(before, 0, "Half"), await put(before, 1, "more")]
        after = place.platform.surface(place.reply("m1", ids))
        assert await put(after, 0, "Whole text.", final=True) == ids[0]
        await after.close(1)
        assert list(await place.read("m1")) == ["Whole text."]

    async def test_posted_finds_the_parts_of_a_mark(self, place: Place) -> None:
        reply = place.reply("m1")
        surface = place.platform.surface(reply)
        ids = [await put(surface, part, f"Part {part}.", final=True) for part in range(2)]
        source = place.platform.source(reply.address)
        assert list(await source.posted("m1")) == ids
        assert list(await source.posted("unknown")) == []

    async def test_closing_is_idempotent_and_keeps_what_stands(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        await put(surface, 0, "Stays.", final=True)
        await surface.close(1)
        await surface.close(1)
        assert list(await place.read("m1")) == ["Stays."]

    async def test_two_replies_do_not_touch_each_other(self, place: Place) -> None:
        one, two = (place.platform.surface(place.reply(mark)) for mark in ("m1", "m2"))
        await put(one, 0, "One.", final=True)
        await put(two, 0, "Two.", final=True)
        await two.close(0)
        assert list(await place.read("m1")) == ["One."]
        assert list(await place.read("m2")) == []

    async def test_notes_and_controls_change_nothing_about_the_text(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        await put(surface, 0, "Text.", final=True, notes=("A note.",), controls=Controls(feedback=True, versions=2))
        assert list(await place.read("m1")) == ["Text."]

    async def test_ways_are_never_empty_and_cost_something_known(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        for write in (Write(0, "a", False), Write(0, "a", True), Write(1, "b", True)):
            for way in surface.ways(write):
                assert all(toll.key and toll.budget.rate > 0 and toll.budget.burst >= 1 for toll in way.tolls)
            assert surface.ways(write)

    async def test_the_working_sign_can_be_set_and_cleared_at_any_time(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        for status in (Status(Phase.DONE), Status(Phase.THINKING, "thinking"), Status(Phase.DONE), Status(Phase.DONE)):
            await surface.status(status)

    async def test_a_notice_is_not_part_of_the_reply(self, place: Place) -> None:
        reply = place.reply("m1")
        await place.platform.surface(reply).tell(reply.asker.id, Notice("Only for you."))
        assert list(await place.read("m1")) == []

    async def test_a_place_that_is_gone_says_so(self, place: Place) -> None:
        surface = place.platform.surface(place.reply("m1"))
        await place.remove_place()
        with pytest.raises(Gone):
            await put(surface, 0, "Too late.", final=True)

    async def test_whenever_another_process_takes_the_reply_over_nothing_is_written_from_then_on(
        self, place: Place
    ) -> None:
        """Each time the fence falls one call later, until all that is written here goes out."""
        writes = 4
        for allowed in itertools.count():
            reply = place.reply(f"m{allowed}")
            ids = [await put(place.platform.surface(reply), 0, f"{allowed}: half")]
            before, fence = place.written(), Falling(allowed, place.written)
            surface = place.platform.surface(replace(reply, parts=tuple(ids), resumed=True))
            try:
                with fenced(fence):
                    await put(surface, 0, f"{allowed}: whole.")
                    await put(surface, 1, f"{allowed}: more")
                    await put(surface, 1, f"{allowed}: more.", final=True, controls=Controls(feedback=True))
                    await surface.close(1)
            except Superseded:
                assert place.written() == fence.written
                assert place.written() - before <= allowed
            else:
                assert place.written() - before <= allowed
                assert allowed >= writes
                break

    async def test_what_is_weighed_is_what_is_written(self, place: Place) -> None:
        dialect = place.platform.surface(place.reply("m1")).dialect
        assert dialect.weigh("ab") == dialect.weigh("a") + dialect.weigh("b") > 0
        full = "x" * dialect.part_limit
        assert dialect.weigh(full) == dialect.part_limit
        await put(place.platform.surface(place.reply("m2")), 0, full, final=True)
        assert list(await place.read("m2")) == [full]


class SourceContract:
    async def test_a_file_that_is_not_there_is_gone(self, place: Place) -> None:
        source = place.platform.source(place.reply("m1").address)
        with pytest.raises(Gone):
            await source.file(File("no-such-file", "x.txt", "text/plain", 1), 10)

    async def test_a_thread_without_a_past_has_no_earlier_messages(self, place: Place) -> None:
        source = place.platform.source(place.reply("m1").address)
        assert list(await source.earlier("nothing-before-this", 10)) == []


def sample_reply(address: Address, mark: str, parts: Sequence[str] = (), question: str = "q1") -> Reply:
    return Reply(address, mark, question, Author("U1", "Ada"), parts=tuple(parts))
