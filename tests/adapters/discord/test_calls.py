"""One call of the REST API: what it may not wait for in silence, and what every answer means."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from adapters.discord.calls import Calls, Refused, Shut, Unauthorized
from bot.errors import SlowDown, Unsent
from tests.emulators.discord import Discord


@pytest.fixture
async def calls(discord: Discord) -> AsyncIterator[Calls]:
    async with aiohttp.ClientSession() as session:
        made = Calls(discord.token, discord.api_url, 5.0)
        made.open(session)
        yield made


async def test_the_call_that_empties_a_bucket_returns_at_once_and_the_next_one_says_how_long_to_wait(
    discord: Discord, calls: Calls
) -> None:
    path = f"/channels/{discord.general.id}/messages"
    for number in range(5):
        began = time.monotonic()
        await calls.call("POST", path, {"content": f"message {number}"}, key="here")
        assert time.monotonic() - began < 2.5, "it waited for the bucket of five seconds"
    with pytest.raises(SlowDown) as slow:
        await calls.call("POST", path, {"content": "one more"}, key="here")
    assert (slow.value.key, 0 < slow.value.retry_after <= 5) == ("here", True)
    assert len(discord.calls_of("create_message")) == 5, "what is known to be refused is not sent"
    other = discord.add_channel("other")
    await calls.call("POST", f"/channels/{other.id}/messages", {"content": "elsewhere"}, key="there")


async def test_calls_that_discord_counts_together_rest_together(
    discord: Discord, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = discord._api._headers
    monkeypatch.setattr(discord._api, "_headers", lambda *its: headers(*its) | {"X-RateLimit-Bucket": "one"})
    path = f"/channels/{discord.general.id}/messages"
    made = await calls.call("POST", path, {"content": "hello"}, key="create:here")
    edit = f"{path}/{made['id']}", {"content": "hello!"}
    await calls.call("PATCH", *edit, key="edit:here")
    await calls.call("PATCH", *edit, key="edit:there")
    for number in range(4):
        await calls.call("POST", path, {"content": f"message {number}"}, key="create:here")
    with pytest.raises(SlowDown) as slow:
        await calls.call("PATCH", *edit, key="edit:here")
    assert slow.value.key == "edit:here"
    await calls.call("PATCH", *edit, key="edit:there")


async def test_a_global_rest_counts_for_every_bucket_and_one_of_a_bucket_for_itself(
    discord: Discord, calls: Calls
) -> None:
    path = f"/channels/{discord.general.id}/messages"
    discord.fault("create_message", status=429, retry_after=2.0, scope="shared")
    with pytest.raises(SlowDown):
        await calls.call("POST", path, {"content": "hello"}, key="here")
    await calls.call("GET", "/users/@me", key="there")
    discord.fault("me", status=429, retry_after=2.0, scope="global")
    with pytest.raises(SlowDown):
        await calls.call("GET", "/users/@me")
    with pytest.raises(SlowDown) as slow:
        await calls.call("GET", f"/channels/{discord.general.id}", key="elsewhere")
    assert slow.value.key == "discord:global"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (500, 0, Unsent),
        (502, 0, Unsent),
        (503, 0, Unsent),
        (404, 10003, Shut),
        (404, 10008, Shut),
        (404, 10062, Shut),
        (403, 50001, Shut),
        (403, 50013, Shut),
        (400, 160005, Shut),
        (400, 50083, Refused),
        (400, 40060, Refused),
        (400, 20028, Refused),
    ],
)
async def test_an_answer_means_try_again_or_never_or_no(
    discord: Discord, calls: Calls, status: int, code: int, error: type[Exception]
) -> None:
    discord.fault("get_channel", status=status, code=code)
    with pytest.raises(error):
        await calls.call("GET", f"/channels/{discord.general.id}")


async def test_after_a_refused_token_nothing_is_called(discord: Discord, calls: Calls) -> None:
    discord.app.token = "a-new-one"
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await calls.call("GET", "/users/@me")
    assert len(discord.calls) == 1


async def test_what_nobody_waits_for_is_left_out_when_there_is_much_to_do(discord: Discord, calls: Calls) -> None:
    path = f"/channels/{discord.general.id}/typing"
    discord.buckets.on = False
    assert [await calls.spend("POST", path) for _ in range(8)].count(True) == 5
