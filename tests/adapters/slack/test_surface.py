"""The surface and the source keep the contract, with real calls to a strict Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.config import read_config
from bot.events import Address, Author
from bot.ports import Platform, fenced
from bot.replies import Phase, Receipt, Reply, Status
from tests.adapters.slack.conversing import markdown
from tests.adapters.slack.test_run import Core
from tests.adapters.web.fakes import MemoryShelf
from tests.contracts.surface import Falling, SourceContract, SurfaceContract
from tests.emulators.slack import Message, Slack


class SlackPlace:
    def __init__(self, slack: Slack, platform: Platform, root: Message) -> None:
        self._slack, self.platform, self._root = slack, platform, root

    def reply(self, mark: str, parts: Sequence[str] = ()) -> Reply:
        address = Address("slack", self._slack.home.id, self._root.channel, self._root.ts)
        return Reply(address, mark, self._root.ts, Author(self._slack.ada.id, "Ada"), parts=tuple(parts))

    async def read(self, mark: str) -> Sequence[str]:
        found = []
        for message in self._slack.replies(self._root.channel, self._root.ts):
            payload = (message.metadata or {}).get("event_payload", {})
            if payload.get("mark") == mark:
                found.append(markdown(message))
        return found

    def written(self) -> int:
        return len([call for call in self._slack.calls if call.method.startswith("chat.")])

    async def remove_place(self) -> None:
        self._slack.general.archived = True


class _Core:
    async def receive(self, event: object) -> Receipt:
        return Receipt(False)

    async def form(self, *_: Any) -> Any:
        raise AssertionError("nobody asks for a form here")

    async def usage(self, *_: Any) -> Any:
        raise AssertionError("nobody asks for it here")

    async def forget_workspace(self, platform: str, workspace: str) -> int:
        raise AssertionError("nobody leaves here")

    async def lively(self, platform: str, since: float, limit: int) -> Any:
        raise AssertionError("nothing was missed here")

    async def standing(self, mark: str) -> Any:
        return None

    async def show_again(self, mark: str) -> None:
        raise AssertionError("nothing is settled here")

    def shelf(self, platform: str) -> MemoryShelf:
        return MemoryShelf()


@pytest.fixture
async def place(slack: Slack) -> AsyncIterator[SlackPlace]:
    slack.budgets.on = False
    adapter = SlackAdapter(_Core(), Core(), read_config())
    await adapter.start()
    root = await slack.says("ada", slack.general, "a thread")
    yield SlackPlace(slack, adapter.platform, root)
    await adapter.close()
    assert slack.sins == []


class TestSurface(SurfaceContract):
    pass


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs are said again every moment."""
    monkeypatch.setattr("adapters.slack.adapter._SWEEP", 0.05)
    monkeypatch.setattr("adapters.slack.signs._AGAIN", 0.05)


@pytest.mark.usefixtures("often")
async def test_once_another_process_writes_the_reply_its_sign_is_not_said_again(
    slack: Slack, place: SlackPlace
) -> None:
    fence = Falling(3)
    surface = place.platform.surface(place.reply("m1"))
    with fenced(fence):
        await surface.status(Status(Phase.THINKING, "thinking"))
    await slack.until(lambda: fence.left < -2)
    assert len(slack.calls_of("assistant.threads.setStatus")) == 3
    await surface.status(Status(Phase.LEFT))


class TestSource(SourceContract):
    pass
