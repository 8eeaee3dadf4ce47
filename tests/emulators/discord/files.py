"""Attachments and the CDN: URLs are signed and expire; nobody needs a token to fetch them."""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import web

from tests.emulators.discord.records import Attachment, Json
from tests.emulators.discord.state import State

_KEY = b"signing-key-of-the-emulated-cdn"


def describe_file(state: State, file: Attachment) -> Json:
    """The attachment as messages carry it, its URL signed anew."""
    issued = int(state.clock.unix())
    expires = int(issued + state.limits.attachment_url)
    path = f"/attachments/{file.channel_id}/{file.id}/{file.name}"
    url = f"{state.base_url}{path}?ex={expires:x}&is={issued:x}&hm={_signature(path, expires, issued)}&"
    answer: Json = {"id": file.id, "filename": file.name, "size": len(file.data), "url": url, "proxy_url": url}
    if file.media_type:
        answer["content_type"] = file.media_type
    if file.description:
        answer["description"] = file.description
    if file.duration is not None:
        answer |= {"duration_secs": file.duration, "waveform": file.waveform}
    if file.ephemeral:
        answer["ephemeral"] = True
    if file.media_type.startswith("image/"):
        answer |= {"width": 1, "height": 1}
    return answer


def _signature(path: str, expires: int, issued: int) -> str:
    return hmac.new(_KEY, f"{path}:{expires:x}:{issued:x}".encode(), hashlib.sha256).hexdigest()


def give_download(state: State, request: web.Request) -> web.Response:
    """Answer ``/attachments/{channel}/{file}/{name}``: the bytes, or 404 when the link is forged or too old."""
    file = state.files.get(request.match_info["file"])
    try:
        expires, issued = int(request.query.get("ex", ""), 16), int(request.query.get("is", ""), 16)
    except ValueError:
        expires = issued = 0
    good = hmac.compare_digest(request.query.get("hm", ""), _signature(request.path, expires, issued))
    if file is None or not good:
        return web.Response(status=404, text="This content is no longer available.")
    if state.clock.unix() > expires:
        state.sin("expired_url", "attachments", file.id)
        return web.Response(status=404, text="This content is no longer available.")
    return web.Response(body=file.data, content_type=(file.media_type or "application/octet-stream").split(";")[0])
