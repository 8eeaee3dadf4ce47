"""What every ``Shelf`` must do. Subclass ``ShelfContract`` and give the fixtures ``shelf`` and ``other_shelf``,
the shelf of another platform in the same place."""

from __future__ import annotations

from bot.ports import Shelf


class ShelfContract:
    async def test_what_was_put_can_be_had_again(self, shelf: Shelf) -> None:
        value = {"name": "general", "count": 3, "nested": {"a": [1, None, "ü"]}}
        await shelf.put("channel", "c1", value)
        assert await shelf.get("channel", "c1") == value
        assert await shelf.get("channel", "c2") is None
        assert await shelf.get("thread", "c1") is None

    async def test_putting_again_replaces_value_and_position(self, shelf: Shelf) -> None:
        await shelf.put("channel", "c1", {"n": 1}, position=5)
        await shelf.put("channel", "c2", {"n": 2}, position=6)
        await shelf.put("channel", "c1", {"n": 3}, position=7)
        assert list(await shelf.list("channel")) == [("c2", {"n": 2}), ("c1", {"n": 3})]

    async def test_rows_are_listed_by_rising_position_after_a_place(self, shelf: Shelf) -> None:
        for position in (3, 1, 2, 0):
            await shelf.put("message", f"m{position}", {}, position=position)
        assert [id for id, _ in await shelf.list("message")] == ["m0", "m1", "m2", "m3"]
        assert [id for id, _ in await shelf.list("message", after=1)] == ["m2", "m3"]
        assert [id for id, _ in await shelf.list("message", after=0, limit=2)] == ["m1", "m2"]

    async def test_removing_is_for_good_and_harmless_twice(self, shelf: Shelf) -> None:
        await shelf.put("channel", "c1", {})
        await shelf.remove("channel", "c1")
        await shelf.remove("channel", "c1")
        assert await shelf.get("channel", "c1") is None
        assert list(await shelf.list("channel")) == []

    async def test_platforms_do_not_see_each_others_rows(self, shelf: Shelf, other_shelf: Shelf) -> None:
        await shelf.put("channel", "c1", {"mine": True})
        assert await other_shelf.get("channel", "c1") is None
        await other_shelf.put("channel", "c1", {"mine": False})
        await other_shelf.remove("channel", "c1")
        assert await shelf.get("channel", "c1") == {"mine": True}
