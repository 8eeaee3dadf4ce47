"""Files are read with the bot's token, which goes to Slack and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from adapters.slack.source import Downloads
from bot.errors import Gone, Unsent
from tests.emulators.slack import Slack
from tests.emulators.slack.files import describe_file


@pytest.fixture
async def downloads(slack: Slack) -> AsyncIterator[Downloads]:
    downloads = Downloads(slack.api_url)
    async with aiohttp.ClientSession() as session:
        downloads.session = session
        yield downloads


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.txt", True),
        ("https://hooks.slack.com/actions/1", True),
        ("https://slack.com.evil.org/a", False),
        ("https://evilslack.com/a", False),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com@evil.org/a", False),
        ("file:///etc/passwd", False),
        ("https://[broken", False),
    ],
)
def test_the_token_is_for_slacks_hosts_alone(url: str, ours: bool) -> None:
    assert Downloads("https://slack.com/api/").is_slack(url) is ours


async def test_a_file_is_read_up_to_the_limit(slack: Slack, downloads: Downloads) -> None:
    file = slack.file("ada", "a.txt", "text/plain", b"x" * 300_000)
    url = describe_file(slack.state, file)["url_private_download"]
    assert await downloads.read(slack.bot_token, url, 1_000_000) == file.data
    assert await downloads.read(slack.bot_token, url, 10) == b"x" * 10


async def test_slacks_sign_in_page_is_not_taken_for_the_file(slack: Slack, downloads: Downloads) -> None:
    file = slack.file("ada", "a.txt", "text/plain", b"text")
    with pytest.raises(Gone):
        await downloads.read("xoxb-wrong", describe_file(slack.state, file)["url_private_download"], 100)


async def test_an_unreachable_host_may_be_tried_again(slack: Slack, downloads: Downloads) -> None:
    await slack.stop()
    with pytest.raises(Unsent):
        await downloads.read(slack.bot_token, f"{slack.url}/files-pri/T1-F1/a.txt", 100)
