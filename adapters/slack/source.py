"""Reads Slack for the core: what a thread held before, files, and what a reply has already posted."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import aiohttp

from adapters.slack.calls import Calls, Refused
from adapters.slack.directory import Directory
from adapters.slack.inbound import Me, author_in, is_own, people_in, plain, seconds, without_name
from adapters.slack.search import Search
from bot.errors import Gone, SurfaceError, Unsent
from bot.events import Address, File
from bot.ports import EarlierMessage

_SAID = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
_MESSAGE = re.compile(r"\d+\.\d+")
_ON_THE_WAY = 2.5  # seconds in which Slack has carried out what it was sent
_CHUNK = 64 * 1024
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_PATIENCE = aiohttp.ClientTimeout(total=60, sock_read=15)


class SlackSource:
    """Earlier messages and files of one conversation (``bot.ports.Source``). ``began``: when this process did, by
    the monotonic clock."""

    def __init__(
        self,
        address: Address,
        *,
        calls: Calls,
        search: Search,
        directory: Directory,
        me: Callable[[], Me],
        downloads: Downloads,
        began: float = 0.0,
    ) -> None:
        self._address, self._calls, self._search = address, calls, search
        self._began = began
        self._directory, self._me, self._downloads = directory, me, downloads

    async def earlier(self, before: str, limit: int) -> Sequence[EarlierMessage]:
        if not self._address.thread:
            return []
        until = seconds(before)
        said = [
            message
            async for message in self._search.messages(self._address)
            if seconds(str(message.get("ts") or "")) < until
            and not is_own(message, self._me())
            and str(message.get("subtype") or "") in _SAID
            and message.get("text")
        ][-limit:]
        me = self._me()
        people = await self._directory.profiles({user for message in said for user in people_in(message)})
        return [
            EarlierMessage(
                str(message["ts"]),
                author_in(message, me, people),
                plain(without_name(str(message["text"]), me.user), people),
                seconds(str(message["ts"])),
            )
            for message in said
        ]

    async def file(self, file: File, limit: int) -> bytes:
        try:
            found = (await self._calls.call("files.info", file=file.id)).get("file") or {}
        except Refused as refusal:
            raise Gone(f"files.info: {refusal.word}") from refusal
        url = str(found.get("url_private_download") or found.get("url_private") or "")
        token = await self._calls.token()
        return await self._downloads.read(token, url, limit, expects_page=str(found.get("mimetype")) == "text/html")

    async def posted(self, mark: str, question: str = "") -> Sequence[str]:
        # What a process sent just before it died, Slack may still be carrying out.
        await asyncio.sleep(self._began + _ON_THE_WAY - time.monotonic())
        asked = question if _MESSAGE.fullmatch(question) else self._address.thread
        return (await self._search.parts(self._address, mark, asked)).ids()

    async def stands(self, message: str) -> bool:
        if not _MESSAGE.fullmatch(message):
            return True  # asked by a command that left no message
        thread = self._address.thread
        try:
            found = await self._calls.call(
                "conversations.replies" if thread else "conversations.history",
                channel=self._address.channel,
                ts=thread or None,
                oldest=message,
                latest=message,
                inclusive=True,
                limit=2,
            )
        except Refused as refusal:
            return refusal.word != "thread_not_found"
        except Gone as gone:
            return "thread_not_found" not in str(gone)
        except SurfaceError:
            return True
        there = {str(it.get("ts")): it for it in found.get("messages") or ()}
        if message in there:
            return bool(there[message].get("subtype") != "tombstone")
        # Only the root stands outside of what was asked for; anything else is no answer to the question.
        return set(there) != ({thread} if thread else set())


class Downloads:
    """Bytes of files that only a bot's token opens; it is sent to Slack's hosts and to nobody else."""

    def __init__(self, api_url: str) -> None:
        self._api = urlsplit(api_url)
        self.session: aiohttp.ClientSession | None = None

    def is_slack(self, url: str) -> bool:
        """``url`` is Slack's, or of the host that SLACK_API_URL names."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        name = parts.hostname or ""
        ours = parts.scheme == "https" and (name == "slack.com" or name.endswith((".slack.com", ".slack-files.com")))
        if ours or parts.scheme not in ("http", "https"):
            return ours
        if name in _HERE and self._api.hostname in _HERE:  # an emulator may have several doors on this machine
            return True
        return parts.netloc == self._api.netloc and parts.scheme == self._api.scheme

    async def read(self, token: str, url: str, limit: int, expects_page: bool = False) -> bytes:
        """At most ``limit`` bytes. Raises ``Unsent`` or ``Gone``."""
        if self.session is None or not self.is_slack(url):
            raise Gone("the file lies outside of Slack")
        head = {"Authorization": f"Bearer {token}"}
        try:
            async with self.session.get(url, headers=head, allow_redirects=False, timeout=_PATIENCE) as answer:
                if answer.status >= 500 or answer.status == 429:
                    raise Unsent(f"file: status {answer.status}")
                # Without access Slack answers with its sign-in page, and with status 200.
                if answer.status != 200 or (answer.content_type == "text/html" and not expects_page):
                    raise Gone(f"file: status {answer.status}, {answer.content_type}")
                data = bytearray()
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    data += chunk
                    if len(data) >= limit:
                        break
                return bytes(data[:limit])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unsent(f"file: {type(error).__name__}") from None
