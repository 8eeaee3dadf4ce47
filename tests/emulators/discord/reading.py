"""What a person reads: a message as it stands on the screen, with names for mentions and marks for what is no text.

``-# `` lines are small print, shown between ``‹`` and ``›``; buttons stand in brackets.
"""

from __future__ import annotations

import re
from typing import Any

from tests.emulators.discord.records import THREADS, Json, Message
from tests.emulators.discord.state import State

_MENTION = re.compile(r"<(@!?|@&|#)(\d+)>")
_SMALL = re.compile(r"^-# (.*)$", re.MULTILINE)


def rendered(state: State, message: Message) -> str:
    """The words of ``message`` now; "" when it is gone."""
    if message.deleted:
        return ""
    if message.loading:
        return f"{message.author.name} is thinking…"
    pieces = [_reply_line(state, message), _words(state, message.content)]
    pieces += [_words(state, str(snapshot.get("content", ""))) for snapshot in message.snapshots]
    pieces += [_words(state, _embed(embed)) for embed in message.embeds]
    pieces += [f"[preview {url}]" for url in message.previews]
    pieces += [f"[file {attachment.name}]" for attachment in message.attachments]
    pieces += [_words(state, _component(component)) for component in message.components]
    return "\n".join(piece for piece in pieces if piece)


def labels(message: Message) -> list[str]:
    """What can be pressed under a message, in order."""
    return [
        str(item.get("label") or item.get("custom_id") or item.get("url"))
        for item in walk(message.components)
        if item.get("type") == 2 and not item.get("disabled")
    ]


def walk(components: list[Json]) -> list[Json]:
    """Every component of a message or modal, nested ones included, in order."""
    found: list[Json] = []
    for component in components:
        found.append(component)
        found += walk(component.get("components") or [])
        found += walk([component[name] for name in ("accessory", "component") if isinstance(component.get(name), dict)])
    return found


def _words(state: State, text: str) -> str:
    def named(match: re.Match[str]) -> str:
        kind, target = match.groups()
        if kind == "#":
            channel = state.channels.get(target)
            return f"#{channel.name}" if channel else "#unknown"
        if kind == "@&":
            roles = [guild.roles[target] for guild in state.guilds.values() if target in guild.roles]
            return f"@{roles[0].name}" if roles else "@unknown-role"
        user = state.users.get(target)
        return f"@{user.name}" if user else "@unknown-user"

    return _SMALL.sub(r"‹\1›", _MENTION.sub(named, text))


def _reply_line(state: State, message: Message) -> str:
    if message.kind != 19 or message.reference is None:
        return ""
    channel = state.channels.get(str(message.reference.get("channel_id")))
    target = channel.messages.get(str(message.reference.get("message_id"))) if channel else None
    if target is None or target.deleted:
        return "↩ original message was deleted"
    return f"↩ {'@' if target.author.id in message.mentions else ''}{target.author.name}"


def _embed(embed: Json) -> str:
    lines = [embed.get("author", {}).get("name"), embed.get("title"), embed.get("description")]
    for item in embed.get("fields", []):
        lines += [item.get("name"), item.get("value")]
    lines.append(embed.get("footer", {}).get("text"))
    return "\n".join(str(line) for line in lines if line)


def _component(component: Json) -> str:
    kind = component.get("type")
    if kind == 10:
        return str(component.get("content", ""))
    if kind == 2:
        emoji = (component.get("emoji") or {}).get("name")
        words = " ".join(str(word) for word in (emoji, component.get("label")) if word)
        return f"({words})" if component.get("disabled") else f"[{words}]"
    if kind in (3, 5, 6, 7, 8):
        chosen = [str(option.get("label")) for option in component.get("options", []) if option.get("default")]
        return f"[{', '.join(chosen) or component.get('placeholder') or '…'}]"
    if kind == 14:
        return "---"
    if kind == 12:
        return "[pictures]"
    inner: list[Any] = [*(component.get("components") or [])]
    if isinstance(component.get("accessory"), dict):
        inner.append(component["accessory"])
    return (" " if kind == 1 else "\n").join(part for part in (_component(item) for item in inner) if part)


def shows_place(state: State, channel_id: str) -> str:
    """A channel as people call it: ``#general``, ``#general › thread`` or ``@ada``."""
    channel = state.channels[channel_id]
    if channel.is_private:
        names = [state.users[user].name for user in channel.recipients if user != state.bot.id]
        return "@" + ", ".join(names)
    if channel.kind in THREADS:
        return f"#{state.channels[channel.parent_id].name} › {channel.name}"
    return f"#{channel.name}"
