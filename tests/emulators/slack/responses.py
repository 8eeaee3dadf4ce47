"""The ``response_url``: five uses within half an hour, seen by one person unless ``in_channel``, cannot stream."""

from __future__ import annotations

import json

from aiohttp import web

from tests.emulators.slack.blocks import problems
from tests.emulators.slack.messages import announce, announce_change, describe, put, remove, seen
from tests.emulators.slack.records import Channel, Json, Message, ResponseUrl
from tests.emulators.slack.state import State


async def take_response(state: State, request: web.Request) -> web.Response:
    """Answer a post to ``/response/{name}`` as Slack does: ``ok`` in plain text, or 404 with the reason."""
    url = state.response_urls.get(request.match_info["name"])
    if url is None:
        return _refused("invalid_url")
    if url.uses >= state.limits.response_url_uses:
        return _refused("used_url")
    if state.clock.now() - url.at > state.limits.response_url_lifetime:
        return _refused("expired_url")
    try:
        answer = json.loads(await request.text())
    except ValueError:
        return web.Response(status=500, text="invalid_payload")
    url.uses += 1
    error = show_response(state, url, answer)
    return web.Response(status=400, text=error) if error else web.Response(text="ok")


def _refused(error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=404)


def show_response(state: State, url: ResponseUrl, answer: Json) -> str:
    """Show, replace or delete; returns Slack's error word, "" when done."""
    channel, source = state.channels[url.channel], url.source
    if answer.get("delete_original"):
        if source is None or source.deleted:
            return "message_not_found"
        _delete(state, channel, source)
        return ""
    if not (answer.get("text") or answer.get("blocks") or answer.get("attachments")):
        return "no_text"
    if answer.get("blocks") and problems(answer["blocks"]):
        return "invalid_blocks"
    if answer.get("replace_original") and source is not None and not source.deleted:
        before = describe(state, source)
        source.text, source.blocks = answer.get("text", ""), answer.get("blocks", [])
        seen(state, source, "response_url")
        if not source.only_for:
            announce_change(state, channel, before, source)
        return ""
    _post(state, channel, url, answer)
    return ""


def _delete(state: State, channel: Channel, source: Message) -> None:
    if source.only_for:
        source.deleted = True
        seen(state, source, "response_url")
    else:
        remove(state, channel, source, "response_url")


def _post(state: State, channel: Channel, url: ResponseUrl, answer: Json) -> None:
    bot = state.bot(url.team)
    if bot is None:
        return
    in_channel = answer.get("response_type") == "in_channel"
    message = Message(channel.id, state.clock.stamp(), bot.id, bot.team, answer.get("text", ""))
    message.blocks, message.bot_id, message.app_id = answer.get("blocks", []), bot.bot_id, state.app.id
    if in_channel:
        message.thread_ts = answer.get("thread_ts", "")
        put(state, channel, message, "response_url")
        announce(state, channel, message)
        return
    message.only_for = url.user
    if url.source is not None:
        message.thread_ts = url.source.thread_ts
    seen(state, message, "response_url")
    state.ephemerals.append(message)
