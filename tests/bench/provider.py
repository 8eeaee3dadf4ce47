"""The emulated provider beside the bot (``tests.bench.beside``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.bench.beside import Beside, obey, serve
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.llm_script import split_tokens

KEY = "gsk_emulator"
PLENTY = 10**12  # tokens a minute: the bench measures the bot, not the provider's limits


@dataclass(frozen=True, slots=True)
class Request:
    """One request, by the number in its question (``#17``). Times of the monotonic clock, shared by all processes."""

    number: int
    at: float
    first_token_at: float
    last_token_at: float


class Provider(Beside):
    """A running provider."""

    MODULE = "tests.bench.provider"

    @property
    def url(self) -> str:
        """Its base address, as an OpenAI-compatible client wants it."""
        return str(self.greeting)

    async def answers(self, text: str, rate: float, ttft: float = 0.02) -> int:
        """Every question is answered with ``text`` at ``rate`` tokens a second; returns how many tokens that is."""
        await self.order("answer", text=text, rate=rate, ttft=ttft)
        return len(split_tokens(text))

    async def seen(self) -> dict[int, Request]:
        """The requests since the last time, by number."""
        found = [Request(*row) for row in await self.order("tell")]
        return {request.number: request for request in found}


provider = Provider.running


class _Orders:
    def __init__(self, emulator: LlmEmulator) -> None:
        self._emulator = emulator

    async def answer(self, text: str, rate: float, ttft: float) -> None:
        self._emulator.default = Script(text=text, rate=rate, ttft=ttft)

    async def tell(self) -> list[tuple[int, float, float, float]]:
        found = []
        for seen in self._emulator.seen:
            number = re.search(r"#(\d+)", seen.body["messages"][-1]["content"])
            found.append((int(number[1]) if number else 0, seen.at, seen.first_token_at, seen.last_token_at))
        self._emulator.seen.clear()
        return found


async def _serve() -> None:
    async with LlmEmulator(key=KEY, tpm=PLENTY, rpd=PLENTY) as emulator:
        await obey(_Orders(emulator), emulator.url)


if __name__ == "__main__":
    serve(_serve())
