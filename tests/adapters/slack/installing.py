"""Somebody with a browser who installs the app in a workspace, through the bot's own pages and Slack's consent page."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import aiohttp
from cryptography.fernet import Fernet

from tests.adapters.slack.conversing import Talk
from tests.emulators.slack import Slack, Workspace

PUBLIC_URL = "https://parley.example.org"
KEY = Fernet.generate_key().decode()


def variables(slack: Slack) -> dict[str, str]:
    """What many workspaces need, instead of a bot token."""
    return {
        "SLACK_INSTALL": "many",
        "SLACK_BOT_TOKEN": "",
        "SLACK_CLIENT_ID": slack.app.client_id,
        "SLACK_CLIENT_SECRET": slack.app.client_secret,
        "SLACK_TOKEN_KEY": KEY,
        "SLACK_PUBLIC_URL": PUBLIC_URL,
    }


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    text: str


@dataclass
class Browser:
    """One browser. ``cookie``: what the bot has set; ``back``: the address to which Slack sent it last."""

    talk: Talk
    cookie: str = ""
    back: str = ""

    async def installs(self, workspace: Workspace) -> Page:
        """From the install page over Slack's consent to the bot's last page."""
        await self.consents(workspace)
        return await self.comes_back()

    async def consents(self, workspace: Workspace) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self._url}/slack/install", params={"team": workspace.id}) as answer:
                assert answer.status == 200
                self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
                link = html.unescape(re.findall(r'href="([^"]+authorize[^"]+)"', await answer.text())[0])
            async with session.get(link, allow_redirects=False) as answer:
                assert answer.status == 302, await answer.text()
                self.back = answer.headers["Location"].replace(PUBLIC_URL, self._url)

    async def comes_back(self) -> Page:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(self.back, headers={"Cookie": self.cookie}) as answer,
        ):
            return Page(answer.status, await answer.text())

    @property
    def _url(self) -> str:
        assert self.talk.opened is not None
        return self.talk.opened.url
