from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.suggest import MOST, suggest
from bot.settings.catalogue import KEYS
from tests.bot.commands.conftest import Room


async def lines(room: Room, line: str) -> list[str]:
    return [suggestion.line for suggestion in await suggest(line, room.context())]


async def test_an_empty_line_offers_every_command(room: Room) -> None:
    found = await suggest("", room.context())
    assert ("model ", "model [ID]") in [(each.line, each.label) for each in found]
    assert all(each.hint for each in found)


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("mo", "model "),
        ("!st", "stop"),
        ("cle", "new"),
        ("help se", "help set"),
        ("model 120", "model openai/gpt-oss-120b"),
        ("set temp", "set temperature "),
        ("set stream f", "set stream final"),
        ("set tools ", "set tools on"),
        ("set seed o", "set seed off"),
        ("set reasoning_effort h", "set reasoning_effort high"),
        ("set service_tier f", "set service_tier flex"),
        ("set model qwen", "set model qwen/qwen3.8-27b"),
        ("set temperature 0.", "set temperature 0."),
        ("reset-settings w", "reset-settings workspace"),
        ("json o", "json on"),
        ("set temperature 1 --w", "set temperature 1 --workspace"),
        ("system o", "system off"),
    ],
)
async def test_a_partial_line_is_completed(room: Room, line: str, first: str) -> None:
    assert (await lines(room, line))[0] == first


async def test_the_value_and_the_model_that_count_now_are_marked(room: Room) -> None:
    hints = {each.line: each.hint for each in await suggest("set stream ", room.context())}
    assert hints["set stream progressive"] == "now"
    hints = {each.line: each.hint for each in await suggest("model ", room.context())}
    assert hints["model openai/gpt-oss-20b"] == "answers here now"


async def test_a_number_gets_the_hint_what_fits(room: Room) -> None:
    (found,) = await suggest("set top_p 0.3", room.context())
    assert "a number from 0 to 1" in found.hint


async def test_saved_schemas_are_offered(room: Room) -> None:
    await room.say('json ticket {"type": "object"}')
    assert "json ticket" in await lines(room, "json t")


async def test_without_the_provider_the_present_model_is_offered(room: Room) -> None:
    room.models.away = True
    assert await lines(room, "model ") == ["model openai/gpt-oss-20b"]


@pytest.mark.parametrize("line", ["nonsense x", "stop now", "set nonsense x"])
async def test_where_nothing_fits_nothing_is_offered(room: Room, line: str) -> None:
    assert await lines(room, line) == []


async def test_all_keys_fit_into_what_discord_shows(room: Room) -> None:
    assert len(await lines(room, "set ")) == len(KEYS) <= MOST


@given(line=st.one_of(st.text(max_size=30), st.text(max_size=20).map("set {}".format)))
async def test_any_line_can_be_completed(line: str) -> None:
    found = await suggest(line, Room().context())
    assert len(found) <= MOST
    assert len({each.line for each in found}) == len(found)
