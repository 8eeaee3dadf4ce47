"""Messages as Discord keeps them: putting them in a channel, changing and removing them, and telling the app."""

from __future__ import annotations

import re

from tests.emulators.discord.describe import describe_message
from tests.emulators.discord.limits import Flag, Permission
from tests.emulators.discord.mentions import Allowed, ring, settle_mentions
from tests.emulators.discord.permissions import may
from tests.emulators.discord.reading import rendered
from tests.emulators.discord.records import Channel, Json, Message, Preview, Sight
from tests.emulators.discord.state import State

_URL = re.compile(r"(?<![<\w])https?://[^\s<>)\]]+")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def shown_to_app(state: State, message: Message) -> Json:
    """The message as REST gives it to the app."""
    return describe_message(state, message, intent=state.app.message_content)


def seen(state: State, message: Message, how: str) -> None:
    """Note what the message reads now, with a time that is later than every earlier one."""
    at = state.clock.now()
    if message.sights:
        at = max(at, message.sights[-1].at + 1e-6)
    content = "" if message.deleted else message.content
    message.sights.append(Sight(at, content, rendered(state, message), how))


def put(state: State, channel: Channel, message: Message, how: str, allowed: Allowed) -> list[tuple[str, str]]:
    """Place a new message in its channel, notify people, end the author's typing; returns whom it named and why."""
    pings = settle_mentions(state, channel, message, allowed)
    for file in message.attachments:
        state.files[file.id] = file
    if message.only_for:
        state.ephemerals.append(message)
    else:
        channel.messages[message.id] = message
        ring(state, channel, message, pings)
    if message.author is state.bot and channel.typing and channel.typing[-1][1] > state.clock.now():
        channel.typing[-1][1] = state.clock.now()
    channel.last_posts[message.author.id] = state.clock.now()
    seen(state, message, how)
    return pings


def announce(state: State, channel: Channel, message: Message, name: str = "MESSAGE_CREATE") -> None:
    """Tell the app (also of its own messages); ephemeral ones are never told."""
    if message.only_for:
        return
    full = describe_message(state, message, intent=True, for_gateway=True)
    blank = describe_message(state, message, intent=False, for_gateway=True)
    state.emit(name, full, channel, blank=blank)


def post(state: State, channel: Channel, message: Message, how: str, allowed: Allowed) -> list[tuple[str, str]]:
    """``put`` and ``announce``, then link previews."""
    pings = put(state, channel, message, how, allowed)
    announce(state, channel, message)
    settle_previews(state, channel, message)
    return pings


def change(state: State, channel: Channel, message: Message, how: str) -> None:
    """Note and announce that a message reads differently, or that something else about it changed."""
    seen(state, message, how)
    announce(state, channel, message, "MESSAGE_UPDATE")
    settle_previews(state, channel, message)


def settle_previews(state: State, channel: Channel, message: Message) -> None:
    """Link previews come up under new or un-suppressed links and go when suppressed."""
    if message.author is not state.bot:
        return
    wanted: list[str] = []
    may_embed = may(state, channel, _seat(state, message), Permission.EMBED_LINKS)
    if not message.flags & Flag.SUPPRESS_EMBEDS and not message.is_v2 and may_embed:
        wanted = list(dict.fromkeys(_URL.findall(_CODE.sub(" ", message.content))))[:5]
    if wanted != message.previews:
        show_previews(state, channel, message, wanted)


def _seat(state: State, message: Message) -> str:
    """Whose rights an own message has: where the bot is not, those of who installed the app and used it."""
    used = message.interaction
    return used.user.id if used is not None and used.user_installed_only else state.bot.id


def show_previews(state: State, channel: Channel, message: Message, urls: list[str]) -> None:
    """Set the previews: a MESSAGE_UPDATE that is no edit."""
    for url in urls:
        if url not in message.previews:
            by_app = message.author is state.bot
            state.previews.append(Preview(message.id, url, by_app, state.clock.now()))
    message.previews = urls
    seen(state, message, "preview")
    announce(state, channel, message, "MESSAGE_UPDATE")


def remove(state: State, channel: Channel, message: Message, how: str, *, quietly: bool = False) -> None:
    """Delete a message and (unless ``quietly``) say so. Its thread stays."""
    message.deleted = True
    seen(state, message, how)
    if message.only_for or quietly:
        return
    data: Json = {"id": message.id, "channel_id": channel.id}
    if channel.guild_id:
        data["guild_id"] = channel.guild_id
    state.emit("MESSAGE_DELETE", data, channel)
