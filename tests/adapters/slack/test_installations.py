"""The installation store: sealed rows, renewed tokens that survive a failing database, whole organisations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.access import concerns_bot, installed_as
from adapters.slack.directory import profile_in
from adapters.slack.inbound import Me, Profile, author_in
from adapters.slack.installations import Installations
from adapters.slack.seal import Seal
from adapters.slack.states import States
from bot.errors import StoreBusy
from bot.ports import Shelf
from bot.storage import SqlShelf, open_store

KEY = Fernet.generate_key().decode()


class Fragile:
    """The real shelf, which refuses to write while ``broken``."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self.broken = shelf, False

    async def put(self, kind: str, id: str, value: Mapping[str, Any], position: int = 0) -> None:
        if self.broken:
            raise StoreBusy("locked")
        await self._shelf.put(kind, id, value, position)

    async def get(self, kind: str, id: str) -> Mapping[str, Any] | None:
        return await self._shelf.get(kind, id)

    async def remove(self, kind: str, id: str) -> None:
        await self._shelf.remove(kind, id)

    async def list(self, kind: str, after: int = -1, limit: int = 1_000) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return await self._shelf.list(kind, after, limit)


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Fragile]:
    store, db = await open_store(f"sqlite+aiosqlite:///{tmp_path / 'parley.db'}", tmp_path)
    yield Fragile(SqlShelf(db, "slack"))
    await store.close()


def installation(**more: Any) -> Installation:
    given: dict[str, Any] = {
        "team_id": "T1",
        "user_id": "U1",
        "bot_token": "xoxb-1",
        "bot_user_id": "UB",
        "bot_id": "B1",
    }
    return Installation(**given | more)


async def test_what_is_found_again_is_what_was_kept_but_for_the_tokens_of_people(shelf: Fragile) -> None:
    kept = installation(user_token="xoxp-person", bot_scopes="chat:write,commands", bot_refresh_token="xoxe-1")
    await Installations(shelf, Seal(KEY)).async_save(kept)
    fresh = Installations(shelf, Seal(KEY))
    found = await fresh.async_find_installation(enterprise_id=None, team_id="T1")
    assert found is not None
    assert (found.bot_token, found.bot_refresh_token, found.bot_scopes) == (
        "xoxb-1",
        "xoxe-1",
        ["chat:write", "commands"],
    )
    assert found.user_token is None
    assert await fresh.async_find_installation(enterprise_id=None, team_id="T1", user_id="U2") is None
    assert await fresh.async_find_bot(enterprise_id=None, team_id="T2") is None


async def test_an_organisations_installation_serves_all_its_workspaces_and_no_other(shelf: Fragile) -> None:
    store = Installations(shelf, Seal(KEY))
    await store.async_save(
        installation(team_id=None, enterprise_id="E1", is_enterprise_install=True, bot_token="xoxb-org")
    )
    await store.async_save(installation(team_id="T9", enterprise_id="E1"))
    for team in ("T1", "T2", None):
        bot = await store.async_find_bot(enterprise_id="E1", team_id=team, is_enterprise_install=True)
        assert bot is not None
        assert bot.bot_token == "xoxb-org"
    alone = await store.async_find_bot(enterprise_id="E1", team_id="T9", is_enterprise_install=False)
    assert alone is not None
    assert alone.bot_token == "xoxb-1"
    await store.async_delete_all(enterprise_id="E1", team_id=None)
    assert await store.at("E1") is None
    assert await store.at("T9") is not None


async def test_a_renewed_token_that_could_not_be_written_is_used_and_written_later(shelf: Fragile) -> None:
    store = Installations(shelf, Seal(KEY))
    await store.put(installation())
    shelf.broken = True
    with pytest.raises(StoreBusy):
        await store.put(installation(bot_token="xoxb-2"))
    with pytest.raises(BoltError):
        await store.async_save(installation(bot_token="xoxb-3"))
    found = await store.at("T1")
    assert found is not None
    assert found.bot_token == "xoxb-3"
    shelf.broken = False
    await store.write_late()
    again = await Installations(shelf, Seal(KEY)).at("T1")
    assert again is not None
    assert again.bot_token == "xoxb-3"


async def test_the_tokens_that_end_first_come_first(shelf: Fragile) -> None:
    store = Installations(shelf, Seal(KEY))
    for team, end in (("T1", None), ("T2", 2_000), ("T3", 1_000)):
        await store.put(installation(team_id=team, bot_token_expires_at=end))
    assert [found.team_id for found in await store.soonest()] == ["T3", "T2", "T1"]


async def test_used_states_are_forgotten_when_they_are_too_old_to_be_taken(shelf: Fragile) -> None:
    now = [1_000.0]
    states = States(shelf, Seal(KEY), wall=lambda: now[0])
    assert await states.async_consume(await states.async_issue())
    await states.tidy()
    assert len(await shelf.list("used_state")) == 1
    now[0] += 700
    await states.tidy()
    assert await shelf.list("used_state") == []
    assert not await states.async_consume(Seal(KEY).close(b"a token, and no state"))
    shelf.broken = True
    assert not await states.async_consume(await states.async_issue())


def test_people_of_an_organisation_are_its_own_and_strangers_are_not() -> None:
    member = {"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}, "is_admin": True}
    assert not profile_in(member, "E1").external
    assert profile_in({"team_id": "T7", "enterprise_user": {"enterprise_id": "E7"}}, "E1").external
    assert profile_in({"team_id": "T2"}, "T1").external
    everywhere = Me("E1", "UB", "B1", everywhere=True)
    people = {"U1": Profile("Ada"), "U2": Profile("Eve", external=True)}
    assert not author_in({"user": "U1", "user_team": "T2"}, everywhere, people).external
    assert author_in({"user": "U2", "user_team": "T7"}, everywhere, people).external


def test_an_installation_is_named_by_its_team_or_by_its_organisation() -> None:
    assert installed_as("E1", "T1", True) == "E1"
    assert installed_as("E1", "T1", False) == "T1"
    assert installed_as(None, None, None) == ""


@pytest.mark.parametrize(
    ("event", "concerned"),
    [
        ({"type": "app_uninstalled"}, True),
        ({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UB"]}}, True),
        ({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}, False),
        ({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}}, False),
    ],
)
def test_a_persons_token_is_not_the_bots(event: dict[str, Any], concerned: bool) -> None:
    assert concerns_bot(event) is concerned
