from __future__ import annotations

import asyncio
from contextlib import aclosing

from bot.llm import Guide, Switchable
from bot.ports import Piece
from tests.bot.llm.conftest import ask
from tests.contracts.completions import collect, text_of


class Closable(Guide):
    """A guide that remembers being closed."""

    def __init__(self, name: str) -> None:
        super().__init__({f"{name}.md": f"# {name}\nAll about {name} and nothing else here."}, pace=0)
        self.closed = asyncio.Event()

    async def close(self) -> None:
        self.closed.set()


async def test_a_running_answer_finishes_where_it_began_and_then_the_old_one_is_closed() -> None:
    old, new = Closable("apples"), Closable("bananas")
    switch = Switchable(old)
    pieces: list[Piece] = []
    async with aclosing(switch.stream(ask("apples?"))) as batches:
        async for batch in batches:
            if not pieces:
                switch.use(new)
                assert "bananas" in text_of(await collect(switch, ask("bananas?")))
            assert not old.closed.is_set()
            pieces.extend(batch)
    assert "All about apples" in text_of(pieces)
    await asyncio.wait_for(old.closed.wait(), 30)
    assert not new.closed.is_set()
    await switch.close()
    assert new.closed.is_set()


async def test_an_idle_backend_is_closed_as_soon_as_it_is_replaced() -> None:
    old = Closable("apples")
    switch = Switchable(old)
    switch.use(Closable("bananas"))
    await asyncio.wait_for(old.closed.wait(), 30)
    await switch.close()


async def test_leaving_an_answer_early_releases_the_old_backend() -> None:
    old = Closable("apples")
    switch = Switchable(old)
    async with aclosing(switch.stream(ask())) as batches:
        async for _ in batches:
            switch.use(Closable("bananas"))
            break
    await asyncio.wait_for(old.closed.wait(), 30)
    await switch.close()
