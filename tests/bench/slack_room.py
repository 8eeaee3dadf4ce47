"""The emulated Slack beside the bot (``tests.bench.beside``), and what people do and see there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.beside import Room, obey, serve, trouble
from tests.emulators.slack import Message, Slack

_WRITES = ("chat.startStream", "chat.appendStream", "chat.stopStream", "chat.postMessage", "chat.update")


@dataclass(frozen=True, slots=True)
class Seen:
    """What people saw of the answer to one question; 0: nothing yet. ``sign_at``: when the working sign came."""

    number: int
    asked_at: float
    first_at: float
    whole_at: float
    sign_at: float
    writes: int
    text: str

    @property
    def hint_at(self) -> float:
        """When people knew that something is being done."""
        return min(at for at in (self.first_at or float("inf"), self.sign_at or float("inf")))


class SlackRoom(Room):
    MODULE = "tests.bench.slack_room"

    async def found(self, count: int) -> list[dict[str, str]]:
        """Found workspaces that have the app; from now on questions are asked in each of them in turn."""
        made: list[dict[str, str]] = await self.order("found", count=count)
        return made

    async def ask(self, numbers: Sequence[int]) -> None:
        """Mention the bot once for each number, each in a thread of its own, all at once."""
        await self.order("ask", numbers=list(numbers))

    async def chat(self, count: int, seconds: float) -> list[float]:
        """People talk to each other, ``count`` messages over ``seconds``; how long each acknowledgement took."""
        found: list[float] = await self.order("chat", count=count, seconds=seconds)
        return found

    async def answered(self, numbers: Sequence[int], within: float) -> dict[int, Seen]:
        """Wait until each has its whole answer, at most ``within`` seconds."""
        rows = await self.order("answered", numbers=list(numbers), within=within)
        return {row[0]: Seen(*row) for row in rows}


class _Orders:
    """The orders, carried out on the emulator."""

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._roots: dict[int, tuple[Message, float]] = {}
        self._places = [(slack.ada, slack.general, slack.bot)]

    async def set(self, latency: float, limits: bool) -> None:
        self._slack.latency(latency)
        self._slack.budgets.on = limits
        self._slack.advance(120)

    async def connected(self) -> None:
        await self._slack.connected()

    async def found(self, count: int) -> list[dict[str, str]]:
        self._places, made = [], []
        for number in range(count):
            workspace = self._slack.add_workspace(f"w{number}")
            person = self._slack.add_person(f"p{number}", workspace=workspace)
            channel = self._slack.add_channel(f"c{number}", person, workspace=workspace)
            assert workspace.installation is not None
            robot = workspace.installation.bot
            self._places.append((person, channel, robot))
            made.append(
                {
                    "team": workspace.id,
                    "token": workspace.installation.token.value,
                    "user": robot.id,
                    "bot": robot.bot_id,
                }
            )
        return made

    async def ask(self, numbers: list[int]) -> None:
        for number in numbers:
            at = self._slack.clock.now()
            person, channel, robot = self._places[number % len(self._places)]
            text = f"<@{robot.id}> please tell me #{number}"
            self._roots[number] = await self._slack.says(person, channel, text), at

    async def chat(self, count: int, seconds: float) -> list[float]:
        before = len(self._slack.deliveries.all)
        for number in range(count):
            person, channel, _ = self._places[number % len(self._places)]
            await self._slack.says(person, channel, f"just talking {number}")
            await asyncio.sleep(seconds / count)
        sent = [it for it in self._slack.deliveries.all[before:] if "just talking" in str(it.event.get("text"))]
        await asyncio.gather(*(delivery.done.wait() for delivery in sent))
        return [attempt.ended - attempt.at for delivery in sent for attempt in delivery.attempts]

    async def answered(self, numbers: list[int], within: float) -> list[list[Any]]:
        def all_are() -> bool:
            return all(self._is_whole(number) for number in numbers)

        with contextlib.suppress(TimeoutError):
            await self._slack.until(all_are, within)
        skipped = self._slack.clock.now() - asyncio.get_running_loop().time()
        return [self._row(number, skipped) for number in numbers]

    async def trouble(self) -> tuple[int, Sequence[str]]:
        return trouble(self._slack)

    def _replies(self, number: int) -> list[Message]:
        root, _ = self._roots[number]
        return self._slack.replies(root.channel, root.ts)

    def _is_whole(self, number: int) -> bool:
        replies = self._replies(number)
        return bool(replies) and not replies[-1].streaming and "parley_why" in str(_blocks(replies[-1]))

    def _row(self, number: int, skipped: float) -> list[Any]:
        root, at = self._roots[number]
        replies = self._replies(number)
        stamps = {reply.ts for reply in replies}
        sights = [sight.at for reply in replies for sight in reply.sights]
        line = self._slack.state.statuses.get((root.channel, root.ts))
        signs = [when for when, text in line.history if text] if line is not None else []
        writes = sum(
            1
            for call in self._slack.calls
            if call.method in _WRITES and (call.args.get("ts") in stamps or (call.answer or {}).get("ts") in stamps)
        )
        whole = max(sights) - skipped if self._is_whole(number) else 0.0
        first = min(sights) - skipped if sights else 0.0
        sign = min(signs) - skipped if signs else 0.0
        return [number, at - skipped, first, whole, sign, writes, "".join(_text(reply) for reply in replies)]


def _blocks(message: Message) -> list[dict[str, Any]]:
    return message.blocks or (message.stream.blocks if message.stream is not None else [])


def _text(message: Message) -> str:
    """The reply's own text, without notes and buttons."""
    if message.stream is not None and not message.blocks:
        return message.stream.markdown
    found = [str(block["text"]) for block in message.blocks if block["type"] == "markdown"]
    return "\n".join(found) if found else message.text


async def _serve() -> None:
    async with Slack() as slack:
        await obey(_Orders(slack), slack.environment())


if __name__ == "__main__":
    serve(_serve())
