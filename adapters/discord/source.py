"""Reads Discord for the core: what a thread held before, files, and what a reply has already posted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from adapters.discord.calls import Refused, Shut
from adapters.discord.directory import Directory
from adapters.discord.inbound import (
    Around,
    Me,
    attachments_in,
    author_in,
    files_in,
    is_said,
    seconds,
    text_in,
)
from adapters.discord.places import HOOK_PREFIX, Places
from adapters.discord.search import newest, own_parts
from adapters.discord.surface import Stage
from bot.errors import Gone, SurfaceError, Unsent
from bot.events import Address, File
from bot.ports import EarlierMessage

_CHUNK = 64 * 1024
_PATIENCE = aiohttp.ClientTimeout(total=60, sock_read=15)
_NO_CHANNEL, _NO_MESSAGE = 10003, 10008
_HOSTS = (".discordapp.com", ".discordapp.net", ".discord.com")

Json = Mapping[str, Any]


class DiscordSource:
    """Earlier messages and files of one conversation (``bot.ports.Source``)."""

    def __init__(
        self,
        address: Address,
        *,
        stage: Stage,
        directory: Directory,
        places: Places,
        me: Callable[[], Me],
        downloads: Downloads,
    ) -> None:
        self._address, self._stage, self._calls = address, stage, stage.calls
        self._directory, self._places, self._me, self._downloads = directory, places, me, downloads

    async def earlier(self, before: str, limit: int) -> Sequence[EarlierMessage]:
        thread = self._address.thread
        if not thread.isdigit() or not before.isdigit() or before == thread:
            return []
        channel = await self._places.reading(self._address)
        if channel != thread:
            return []
        held = await newest(self._calls, channel, limit=str(min(100, limit)), before=before)
        if len(held) < limit:
            # A thread's root stands in its channel; the empty message that opens the thread mostly brings it along.
            brought = next((it["referenced_message"] for it in held[:1] if it.get("referenced_message")), None)
            held = [brought or await self._one(self._address.channel, thread), *held]
        return await self._told(channel, held[-limit:])

    async def _one(self, channel: str, id: str) -> Json:
        try:
            found: Json = await self._calls.ask("GET", f"/channels/{channel}/messages/{id}")
        except SurfaceError:
            return {}
        return found

    async def _told(self, channel: str, held: Sequence[Json]) -> Sequence[EarlierMessage]:
        if not any(held):
            return []
        me, guilds, spot = self._me(), self._directory.guilds, await self._directory.spot(channel)
        told, before = [], ""
        for it in filter(None, held):
            around, id = Around(me, guilds, spot, before=before), str(it["id"])
            before = id
            if is_said(it, me):
                text, files = text_in(it, around), files_in(it)
                told.append(EarlierMessage(id, author_in(it, around), text, seconds(id), files))
        return [message for message in told if message.text or message.files]

    async def file(self, file: File, limit: int) -> bytes:
        channel, _, rest = file.id.partition("/")
        message, _, attachment = rest.partition("/")
        if not attachment:
            raise Gone("no such file")
        try:
            found = await self._calls.ask("GET", f"/channels/{channel}/messages/{message}")
        except Refused as refusal:
            raise Gone(f"file: {refusal.code}") from refusal
        url = next((str(it.get("url")) for it in attachments_in(found) if str(it["id"]) == attachment), "")
        return await self._downloads.read(url, limit)

    async def posted(self, mark: str, question: str = "") -> Sequence[str]:
        known = self._stage.written.get(mark)
        if known:
            return known
        try:
            channel = await self._places.reading(self._address)
            return await own_parts(self._calls, channel, self._stage.me, mark, question)
        except Gone:
            return []

    async def stands(self, message: str) -> bool:
        thread = self._address.thread
        if not message.isdigit() or thread.startswith(HOOK_PREFIX):
            return True  # asked by a command that left no message
        try:
            channel = self._address.channel if message == thread else await self._places.reading(self._address)
            await self._calls.ask("GET", f"/channels/{channel}/messages/{message}")
        except Shut as shut:
            return shut.code not in (_NO_MESSAGE, _NO_CHANNEL)
        except SurfaceError:
            return True
        return True


class Downloads:
    """Bytes of files. Their addresses are signed and need no token; only Discord's own hosts are asked."""

    def __init__(self, api_url: str) -> None:
        self._host = urlsplit(api_url).hostname
        self.session: aiohttp.ClientSession | None = None

    def is_discord(self, url: str) -> bool:
        """``url`` is Discord's, or of the host that DISCORD_API_URL names."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        ours = parts.scheme == "https" and (parts.hostname or "").endswith(_HOSTS)
        return ours or (parts.hostname == self._host and parts.scheme in ("http", "https"))

    async def read(self, url: str, limit: int) -> bytes:
        """At most ``limit`` bytes. Raises ``Unsent`` or ``Gone``."""
        if self.session is None or not self.is_discord(url):
            raise Gone("the file lies outside of Discord")
        try:
            async with self.session.get(url, allow_redirects=False, timeout=_PATIENCE) as answer:
                if answer.status >= 500 or answer.status == 429:
                    raise Unsent(f"file: status {answer.status}")
                if answer.status != 200:
                    raise Gone(f"file: status {answer.status}")
                data = bytearray()
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    data += chunk
                    if len(data) >= limit:
                        break
                return bytes(data[:limit])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unsent(f"file: {type(error).__name__}") from None
