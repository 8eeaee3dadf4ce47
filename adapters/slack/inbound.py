"""Slack's payloads, stated as facts for the core. Pure.

A channel message opens its own conversation: the thread is its root's id, its own for a root. In the agent view a
direct message does the same; in a plain direct room everything outside threads is one conversation. A mention
comes as two events with one id, and both become the same fact: whether the bot is named is read in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.events import (
    Address,
    Author,
    AuthorKind,
    CommandGiven,
    File,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
)
from bot.replies import Reply

PLATFORM = "slack"
Json = Mapping[str, Any]

_WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
_NOBODY = frozenset({"USLACKBOT", "USLACK"})
_TOKEN = re.compile(r"<([^<>\n]+)>")
_LOST_FILES = frozenset({"tombstone", "hidden_by_limit"})


@dataclass(frozen=True, slots=True)
class Me:
    """Who the bot is in a workspace. ``agent``: direct messages are the agent view, where each opens a thread.

    ``everywhere``: the app is installed for a whole organisation, whose id ``team`` is then.
    """

    team: str
    user: str
    bot: str
    name: str = ""
    agent: bool = True
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a person."""

    name: str
    admin: bool = False
    external: bool = False
    team: str = ""


Profiles = Mapping[str, Profile]


def people_in(event: Json) -> set[str]:
    """The ids of those whose names are needed to state this message."""
    said = event.get("message") or event
    found = {token.partition("|")[0][1:] for token in _TOKEN.findall(str(said.get("text", ""))) if token[0] == "@"}
    return (found | {str(said.get("user") or "")}) - {""}


def message_fact(event: Json, me: Me, people: Profiles) -> MessageReceived | MessageEdited | MessageDeleted | None:
    """The fact in a ``message`` or ``app_mention`` event; ``None`` when it is nothing that people said."""
    subtype = str(event.get("subtype") or "")
    if subtype == "message_changed":
        return _changed(event, me, people)
    if subtype == "message_deleted":
        gone = event.get("previous_message") or {}
        deleted = str(event.get("deleted_ts") or gone.get("ts") or "")
        return None if not deleted or is_own(gone, me) else MessageDeleted(deleted, _address(event, gone, me, deleted))
    if subtype not in _WRITTEN or event.get("hidden") or is_own(event, me) or str(event.get("user")) in _NOBODY:
        return None
    return _received(event, me, people)


def is_own(message: Json, me: Me) -> bool:
    return bool(message.get("user") == me.user or (me.bot and message.get("bot_id") == me.bot))


def _received(event: Json, me: Me, people: Profiles) -> MessageReceived:
    raw, ts = str(event.get("text") or ""), str(event["ts"])
    thread = str(event.get("thread_ts") or "")
    return MessageReceived(
        id=ts,
        address=_address(event, event, me, ts),
        author=author_in(event, me, people),
        text=plain(without_name(raw, me.user), people),
        sent_at=seconds(ts),
        mentions_bot=names(raw, me.user),
        direct=is_direct(event),
        in_thread=thread not in ("", ts),
        opens_with_other_mention=_opens_with_other(raw, me.user),
        files=files_in(event),
    )


def _changed(event: Json, me: Me, people: Profiles) -> MessageEdited | MessageDeleted | None:
    message, before = event.get("message") or {}, event.get("previous_message") or {}
    ts = str(message.get("ts") or "")
    if not ts or is_own(before, me) or is_own(message, me):
        return None
    if message.get("subtype") == "tombstone":  # a deleted root whose thread lives on
        return MessageDeleted(ts, _address(event, message, me, ts))
    edited = message.get("edited") or {}
    # Link previews, reply counts and pins come as changes too; only an edit says when and has other words.
    if not edited or message.get("text") == before.get("text") or str(message.get("user")) in _NOBODY:
        return None
    raw = str(message.get("text") or "")
    return MessageEdited(
        id=ts,
        address=_address(event, message, me, ts),
        author=author_in(message, me, people),
        text=plain(without_name(raw, me.user), people),
        revision=str(edited.get("ts") or event.get("event_ts") or ""),
        mentions_bot=names(raw, me.user),
    )


def stop_wished(event: Json, me: Me, people: Profiles, event_id: str) -> CommandGiven:
    """``agent_session_stopped``: somebody pressed Slack's own Stop in a thread."""
    user, channel = str(event.get("user") or ""), str(event.get("channel") or "")
    address = Address(PLATFORM, me.team, channel, str(event.get("thread_ts") or ""))
    return CommandGiven(event_id, address, person(user, people), "stop", channel.startswith("D"))


def stop_told(reply: Reply) -> CommandGiven:
    """Slack said that a person stopped the answer, before its event or without one."""
    return CommandGiven(f"stopped:{reply.mark}", reply.address, reply.asker, "stop", reply.direct)


def person(user: str, people: Profiles) -> Author:
    """Somebody by id, as far as they are known."""
    profile = people.get(user)
    if profile is None:
        return Author(user, user)
    return Author(user, profile.name or user, admin=profile.admin, external=profile.external)


def author_in(message: Json, me: Me, people: Profiles) -> Author:
    """Who wrote a message: a person, or another app's bot."""
    user = str(message.get("user") or "")
    if message.get("bot_id") or message.get("subtype") == "bot_message":
        profile = message.get("bot_profile") or {}
        name = str(message.get("username") or profile.get("name") or "a bot")
        return Author(str(message.get("bot_id") or user or "bot"), name, AuthorKind.BOT)
    found = person(user, people)
    if me.everywhere:  # people of all its workspaces are its own; profiles tell strangers
        return found
    team = str(message.get("user_team") or message.get("source_team") or me.team)
    if team != me.team and team.startswith("T") and not found.external:
        return Author(found.id, found.name, admin=False, external=True)
    return found


def is_direct(event: Json) -> bool:
    """A room of one person and the bot. ``app_mention`` never comes from one."""
    return event.get("channel_type") == "im" or str(event.get("channel") or "").startswith("D")


def _address(event: Json, message: Json, me: Me, ts: str) -> Address:
    thread = str(message.get("thread_ts") or event.get("thread_ts") or "")
    if not thread and (me.agent or not is_direct(event)):
        thread = ts
    return Address(PLATFORM, me.team, str(event.get("channel") or ""), thread)


def seconds(ts: str) -> float:
    """The time in a message id, as Unix seconds."""
    try:
        return float(ts)
    except ValueError:
        return 0.0


def files_in(message: Json) -> tuple[File, ...]:
    """The files of a message that can be read. Across organisations only ids are told, and the rest is asked for."""
    found: Sequence[Json] = message.get("files") or []
    return tuple(
        File(str(it["id"]), str(it.get("name") or "file"), str(it.get("mimetype") or ""), int(it.get("size") or 0))
        for it in found
        if it.get("id") and it.get("mode") not in _LOST_FILES
    )


# --- text


def plain(text: str, people: Profiles) -> str:
    """A message's text freed of Slack's escapes: mentions by name, links as Markdown."""
    return _unescape(_TOKEN.sub(lambda found: _word(found[1], people), text))


def names(text: str, user: str) -> bool:
    """The text mentions ``user``."""
    return f"<@{user}>" in text or f"<@{user}|" in text


def without_name(text: str, user: str) -> str:
    """The text without the mentions of ``user``; a comma or colon that addressed it goes too."""
    mention = re.compile(rf"<@{re.escape(user)}(?:\|[^<>]*)?>")
    while found := mention.search(text):
        head, tail = text[: found.start()], text[found.end() :]
        if not head.strip():
            tail = re.sub(r"^[,:]", "", tail).lstrip()
        elif head.endswith((" ", "\n")) and tail.startswith(" "):
            tail = tail[1:]
        text = head + tail
    return text.strip()


def _opens_with_other(text: str, user: str) -> bool:
    opening = text.lstrip()
    return bool(re.match(r"<(?:@|!subteam|!here|!channel|!everyone)", opening)) and not re.match(
        rf"<@{re.escape(user)}[|>]", opening
    )


def _word(token: str, people: Profiles) -> str:
    target, _, label = token.partition("|")
    match target[0]:
        case "@":
            known = people.get(target[1:])
            return f"@{known.name if known else label or target[1:]}"
        case "#":
            return f"#{label or target[1:]}"
        case "!":
            return _special(target, label)
    if not re.match(r"[a-z][a-z0-9+.-]*:", target):
        return f"<{token}>"
    address = target.removeprefix("mailto:")
    bare = re.sub(r"^https?://", "", address).rstrip("/")
    if not label or label in (target, address):
        return address
    return label if label.rstrip("/") == bare else f"[{label}]({address})"


def _special(target: str, label: str) -> str:
    if label:
        return label if label.startswith("@") or target.startswith("!date") else f"@{label}"
    return f"@{target[1:].partition('^')[0]}"


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
