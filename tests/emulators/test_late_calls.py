"""A call that takes long on its way: it is carried out, although whoever made it did not live to see that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.emulators.discord import Discord
from tests.emulators.slack import Slack

LONG = 0.5  # seconds


async def calls_and_dies(url: str, authorization: str, is_there: Callable[[], object], **body: Any) -> None:
    """Post there; once the call ``is_there``, nobody waits for its answer any more, and the connection is gone."""
    async with aiohttp.ClientSession(headers={"Authorization": authorization}) as session:
        calling = asyncio.create_task(session.post(url, **body))
        async with asyncio.timeout(10.0):
            while not is_there():
                await asyncio.sleep(0.01)
        calling.cancel()
        await asyncio.wait({calling})
        assert calling.cancelled()


@pytest.mark.parametrize("form", ["json", "data"])
async def test_on_slack_a_late_call_is_carried_out_though_its_caller_has_died(form: str) -> None:
    async with Slack() as slack:
        fault = slack.fault("chat.postMessage", delay=LONG)
        body = {form: {"channel": slack.general.id, "text": "late"}}
        url = f"{slack.api_url}chat.postMessage"
        await calls_and_dies(url, f"Bearer {slack.bot_token}", lambda: fault.hits, **body)
        assert slack.messages("general") == []
        await slack.until(lambda: slack.messages("general"))
        assert [call.carried_out for call in slack.calls] == [True]


@pytest.mark.parametrize("form", ["json", "multipart"])
async def test_on_discord_a_late_call_is_carried_out_though_its_caller_has_died(form: str) -> None:
    async with Discord() as discord:
        fault = discord.fault("create_message", delay=LONG)
        message = {"content": "late"}
        body: dict[str, Any] = {"json": message}
        if form == "multipart":
            parts = aiohttp.FormData({"payload_json": json.dumps(message)})
            parts.add_field("files[0]", b"words", filename="words.txt", content_type="text/plain")
            body = {"data": parts}
        url = f"{discord.api_url}/channels/{discord.general.id}/messages"
        await calls_and_dies(url, f"Bot {discord.token}", lambda: fault.hits, **body)
        assert discord.replies("general") == []
        await discord.until(lambda: discord.replies("general"))
        assert [call.carried_out for call in discord.calls] == [True]
        assert [len(message.attachments) for message in discord.replies("general")] == [int(form == "multipart")]
