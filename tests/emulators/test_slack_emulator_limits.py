"""Rate limits, faults and latency of the Slack emulator: what goes wrong, and how it is recorded."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulators.slack import Rates, Slack

QUIET: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False}


def plain_client(slack: Slack) -> AsyncWebClient:
    """A client that does not retry by itself."""
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])


async def test_a_method_s_budget_is_shared_by_the_workspace_and_comes_back() -> None:
    async with Slack(rates=Rates(tier_3=3)) as slack:
        client, other = plain_client(slack), slack.add_workspace("other")
        ts = (await client.chat_postMessage(channel=slack.general.id, text="x"))["ts"]
        for _ in range(3):
            await client.chat_update(channel=slack.general.id, ts=ts, text="y")
        with pytest.raises(SlackApiError) as caught:
            await client.chat_update(channel=slack.general.id, ts=ts, text="z")
        response = caught.value.response
        assert (response.status_code, response["error"]) == (429, "ratelimited")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert other.installation is not None
        with pytest.raises(SlackApiError) as elsewhere:
            await client.chat_update(channel="C0", ts=ts, text="z", token=other.installation.token.value)
        assert elsewhere.value.response["error"] == "channel_not_found"
        slack.advance(60)
        assert (await client.chat_update(channel=slack.general.id, ts=ts, text="z"))["ok"]


async def test_posts_are_one_a_second_per_channel_with_a_short_burst() -> None:
    async with Slack(rates=Rates(post_burst=2)) as slack:
        client, second = plain_client(slack), slack.add_channel("second", slack.ada)
        for channel in (slack.general, slack.general, second):
            await client.chat_postMessage(channel=channel.id, text="x")
        with pytest.raises(SlackApiError, match="ratelimited"):
            await client.chat_postMessage(channel=slack.general.id, text="x")
        slack.advance(1)
        assert (await client.chat_postMessage(channel=slack.general.id, text="x"))["ok"]


async def test_the_guaranteed_rates_are_slack_s() -> None:
    rates = Rates()
    asked = [("chat.startStream", 2), ("chat.appendStream", 4), ("chat.stopStream", 2), ("chat.update", 3)]
    assert [rates.per_minute(*one) for one in asked] == [20, 100, 20, 50]


async def test_calling_while_told_to_wait_is_a_sin() -> None:
    async with Slack() as slack:
        client = plain_client(slack)
        slack.fault("auth.test", status=429, retry_after=30)
        with pytest.raises(SlackApiError) as caught:
            await client.auth_test()
        assert caught.value.response.headers["Retry-After"] == "30"
        slack.advance(10)
        await client.auth_test()
        slack.advance(30)
        await client.auth_test()
        assert slack.sin_names == ["called_while_limited"]


async def test_faults_strike_the_calls_they_were_made_for() -> None:
    async with Slack() as slack:
        client = plain_client(slack)
        slack.fault("auth.test", 2, error="fatal_error", skip=1)
        outcomes = []
        for _ in range(4):
            try:
                await client.auth_test()
                outcomes.append("ok")
            except SlackApiError as error:
                outcomes.append(error.response["error"])
        assert outcomes == ["ok", "fatal_error", "fatal_error", "ok"]
        assert [call.outcome for call in slack.calls_of("auth.test")] == outcomes


async def test_a_server_error_is_html() -> None:
    async with Slack() as slack:
        slack.fault("auth.test", status=500)
        with pytest.raises(SlackApiError) as caught:
            await plain_client(slack).auth_test()
        assert caught.value.response.status_code == 500


@pytest.mark.parametrize(("moment", "there"), [("before", 0), ("after", 1)])
async def test_a_reset_loses_the_call_or_only_its_answer(moment: str, there: int) -> None:
    async with Slack() as slack:
        slack.fault("chat.postMessage", reset="before" if moment == "before" else "after")
        with pytest.raises(aiohttp.ClientError):
            await plain_client(slack).chat_postMessage(channel=slack.general.id, text="x", **QUIET)
        assert len(slack.messages("general")) == there
        [call] = slack.calls
        assert (call.status, call.carried_out) == (0, bool(there))


async def test_the_sdk_s_own_retry_posts_twice_after_a_lost_answer_and_is_noted() -> None:
    async with Slack() as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        slack.fault("chat.postMessage", reset="after")
        mark: dict[str, Any] = {"event_type": "reply", "event_payload": {"mark": "m"}}
        await client.chat_postMessage(channel=slack.general.id, text="x", metadata=mark, **QUIET)
        assert len(slack.messages("general")) == 2
        assert slack.sin_names == ["posted_twice"]


async def test_a_hanging_call_is_given_up_by_the_client() -> None:
    async with Slack() as slack:
        slack.fault("chat.postMessage", hang="after")
        call = plain_client(slack).chat_postMessage(channel=slack.general.id, text="x", **QUIET)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, 2.0)
        assert len(slack.messages("general")) == 1


async def test_latency_can_be_set_for_one_method() -> None:
    async with Slack() as slack:
        slack.latency(0.1, "auth.test")
        before = time.monotonic()
        await plain_client(slack).auth_test()
        assert time.monotonic() - before >= 0.1


async def test_two_hundred_replies_at_once_are_carried() -> None:
    async with Slack(rate_limits=False) as slack:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session)

            async def reply(number: int) -> None:
                root = await slack.says(slack.ada, slack.general, f"question {number}")
                place: dict[str, Any] = {"channel": slack.general.id, "thread_ts": root.ts}
                ts = (await client.chat_postMessage(**place, text="…", **QUIET))["ts"]
                for part in range(3):
                    await client.chat_update(channel=slack.general.id, ts=ts, text=f"{number}.{part}")

            await asyncio.gather(*(reply(number) for number in range(200)))
        mine = [message for message in slack.messages("general") if message.bot_id]
        assert sorted(slack.rendered(message) for message in mine) == sorted(f"{number}.2" for number in range(200))
        assert len(slack.calls) == 800
