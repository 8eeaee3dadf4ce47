"""Tokens that several processes may renew: Slack takes a refresh token once, and only one of them is the first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from slack_sdk.errors import SlackApiError, SlackTokenRotationError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

from adapters.slack.installations import Installations
from adapters.slack.rotation import Rotation
from adapters.slack.seal import Seal
from bot.ports import Shelf
from bot.storage import SqlShelf, open_store

KEY = Fernet.generate_key().decode()
LIFE = 43_200  # seconds


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class OnceOnly(AsyncTokenRotator):
    """Slack's side: each refresh token renews once."""

    def __init__(self, wall: Clock) -> None:
        super().__init__(client_id="1.2", client_secret="secret")
        self.wall, self.used = wall, set[str]()

    async def perform_bot_token_rotation(self, *, bot: Bot, minutes_before_expiration: int = 120) -> Bot | None:
        token = str(bot.bot_refresh_token)
        if token in self.used:
            refusal: Any = {"ok": False, "error": "invalid_refresh_token"}
            answer = type("Answer", (), {"data": refusal})()
            raise SlackTokenRotationError(SlackApiError("refused", answer))  # type: ignore[no-untyped-call]  # the SDK says so
        self.used.add(token)
        number = len(self.used) + 1
        bot.bot_token, bot.bot_refresh_token = f"xoxe.xoxb-{number}", f"xoxe-{number}"
        bot.bot_token_expires_at = int(self.wall() + LIFE)
        return bot


def installed(wall: Clock) -> Installation:
    return Installation(
        team_id="T1", user_id="U1", bot_id="B1", bot_user_id="UB",
        bot_token="xoxe.xoxb-1", bot_refresh_token="xoxe-1", bot_token_expires_at=int(wall() + LIFE),
    )  # fmt: skip


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    store, db = await open_store("", tmp_path)
    yield SqlShelf(db, "slack")
    await store.close()


async def test_a_token_that_another_process_has_renewed_is_used_and_the_workspace_stays(shelf: Shelf) -> None:
    wall = Clock()
    slack = OnceOnly(wall)
    one, two = (Installations(shelf, Seal(KEY), wall) for _ in range(2))
    await one.put(installed(wall))
    rotations = Rotation(one), Rotation(two)
    for rotation in rotations:
        rotation.open(slack)
        assert await rotation.usable("T1") is not None
    wall.now += LIFE - 3_600
    await rotations[0].renew_due()
    wall.now += 3_600  # what the second one remembers has come to its end
    found = await rotations[1].usable("T1")
    assert found is not None
    assert found.bot_token == "xoxe.xoxb-2"
    assert slack.used == {"xoxe-1"}


async def test_a_renewal_that_another_process_was_faster_with_is_theirs(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = Clock()
    slack = OnceOnly(wall)
    one, two = (Installations(shelf, Seal(KEY), wall) for _ in range(2))
    await one.put(installed(wall))
    faster, slower = Rotation(one), Rotation(two)
    faster.open(slack)
    slower.open(slack)
    ask = slack.perform_bot_token_rotation

    async def ask_after_the_other(**given: Any) -> Bot | None:
        monkeypatch.setattr(slack, "perform_bot_token_rotation", ask)
        assert await faster.usable("T1") is not None
        return await ask(**given)

    monkeypatch.setattr(slack, "perform_bot_token_rotation", ask_after_the_other)
    wall.now += LIFE
    found = await slower.usable("T1")
    assert found is not None
    assert found.bot_token == "xoxe.xoxb-2"
