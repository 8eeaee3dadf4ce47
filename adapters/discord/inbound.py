"""Discord's messages, stated as facts for the core. Pure.

The thread of a conversation is the thread's id. A message in a channel opens its own: a thread made from it has its
id, and where there are none, its replies are a chain that is called by its root. A direct room is one conversation.
Payloads are the JSON of the gateway and of the history alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from adapters.discord.spans import outside_code
from bot.events import Address, Author, AuthorKind, File, MessageDeleted, MessageEdited, MessageReceived

PLATFORM = "discord"
DIRECT = "@me"
"""The workspace of direct messages, as in Discord's own addresses."""
FORUMS = frozenset({15, 16})
THREADS = frozenset({10, 11, 12})

Json = Mapping[str, Any]

_SAID = frozenset({0, 19})
_REPLY, _FORWARD = 19, 1
_EPOCH = 1_420_070_400_000
_USER = re.compile(r"<@!?(\d+)>")
_TOKEN = re.compile(r"<(?:(@&|#)(\d+)|a?:(\w+):\d+|/([^:<>\n]+):\d+|t:(-?\d{1,12})(?::[tTdDfFsSR])?)>")
_BLOCK = re.compile(r"^[ \t>]*(`{3,}|~{3,}).*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^[ \t>]*(?:`{3,}|~{3,}).*$", re.MULTILINE)
_MARKS = re.compile(r"[*`~|#>]+|(?<![^\W_])_+|_+(?![^\W_])")  # an underscore inside of a word is the word's own
_NOTE = re.compile(r"-# ")
_OPENING = re.compile(r"<@([!&]?)(\d+)>|@(?:everyone|here)\b")


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel, thread or direct room. ``parent``: of a thread, the channel it hangs on, with its kind."""

    id: str
    guild: str
    kind: int
    name: str = ""
    parent: str = ""
    parent_kind: int = 0

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS


@dataclass(frozen=True, slots=True)
class Me:
    """Who the bot is."""

    user: str
    app: str
    name: str = ""


class Names(Protocol):
    """What is known without asking."""

    def role(self, guild: str, role: str) -> str:
        """A role's name, "" when it is not known."""
        ...

    def channel(self, channel: str) -> str: ...

    def my_role(self, guild: str) -> str:
        """The id of the role that came with the bot."""
        ...

    def is_admin(self, guild: str, user: str, roles: Sequence[str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Around:
    """What a message does not say itself. ``root``: of a message in a channel, the first of its chain of replies.
    ``before``: the message right before it, "" when that is not known."""

    me: Me
    names: Names
    spot: Spot
    root: str = ""
    before: str = ""


def message_fact(data: Json, around: Around) -> MessageReceived | None:
    """The fact in a new message; ``None`` when it is nothing that people said."""
    if not is_said(data, around.me):
        return None
    text = text_in(data, around)
    cited = cited_in(data, around)
    files = files_in(data) + (files_in(cited) if cited else ())
    is_named = names_bot(data, around)
    if not (text or files or is_named):
        return None  # without the intent for message content there is nothing to read
    spot = around.spot
    id = str(data["id"])
    return MessageReceived(
        id=id,
        address=address_of(id, around),
        author=author_in(data, around),
        text=text,
        sent_at=seconds(id),
        mentions_bot=is_named,
        direct=not spot.guild,
        in_thread=spot.is_thread or around.root not in ("", id),
        forum_post=spot.is_thread and spot.parent_kind in FORUMS and id == spot.id,
        opens_with_other_mention=_opens_with_other(str(data.get("content") or ""), around),
        files=files,
    )


def edited_fact(data: Json, around: Around) -> MessageEdited | None:
    """The fact in a changed message; previews, pins and threads come as changes too, and only an edit says when."""
    if not data.get("edited_timestamp") or "content" not in data or not is_said(data, around.me):
        return None
    text = text_in(data, around)
    id = str(data["id"])
    if not text:
        return None
    return MessageEdited(
        id=id,
        address=address_of(id, around),
        author=author_in(data, around),
        text=text,
        revision=str(data["edited_timestamp"]),
        mentions_bot=names_bot(data, around),
    )


def deleted_fact(id: str, around: Around) -> MessageDeleted:
    return MessageDeleted(id, address_of(id, around))


def address_of(id: str, around: Around) -> Address:
    """The conversation a message belongs to."""
    spot = around.spot
    if not spot.guild:
        return Address(PLATFORM, DIRECT, spot.id)
    if spot.is_thread:
        return Address(PLATFORM, spot.guild, spot.parent or spot.id, spot.id)
    return Address(PLATFORM, spot.guild, spot.id, around.root or id)


def is_said(data: Json, me: Me) -> bool:
    """People (or other bots) wrote this; it is neither ours nor a notice of Discord's."""
    return int(data.get("type") or 0) in _SAID and not is_own(data, me) and bool(data.get("author"))


def is_own(data: Json, me: Me) -> bool:
    author = str((data.get("author") or {}).get("id") or "")
    return author == me.user or str(data.get("webhook_id") or "") == me.app or author == me.app


def refers_to(data: Json) -> str:
    """The message this one replies to, "" when it is no reply."""
    reference = data.get("message_reference") or {}
    if int(data.get("type") or 0) != _REPLY or int(reference.get("type") or 0) == _FORWARD:
        return ""
    return str(reference.get("message_id") or "")


def names_bot(data: Json, around: Around) -> bool:
    """The bot is named, itself or by its own role, or its message is replied to; @everyone names nobody."""
    me = around.me
    if any(str(user.get("id")) == me.user for user in data.get("mentions") or ()):
        return True
    if "mentions" not in data and any(id == me.user for id in _USER.findall(str(data.get("content") or ""))):
        return True
    role = around.names.my_role(around.spot.guild) if around.spot.guild else ""
    if role and role in map(str, data.get("mention_roles") or ()):
        return True
    target = data.get("referenced_message") if refers_to(data) else None
    return target is not None and is_own(target, me)


def author_in(data: Json, around: Around) -> Author:
    user, member = data["author"], data.get("member") or {}
    id = str(user["id"])
    name = str(member.get("nick") or user.get("global_name") or user.get("username") or id)
    if user.get("bot") or data.get("webhook_id"):
        return Author(id, name, AuthorKind.BOT)
    guild = around.spot.guild
    roles = [str(role) for role in member.get("roles") or ()]
    return Author(id, name, admin=bool(guild) and around.names.is_admin(guild, id, roles))


def files_in(data: Json) -> tuple[File, ...]:
    """Attachments, also those of a forwarded message. Addresses of files expire, so what is kept is where they are."""
    place = f"{data.get('channel_id')}/{data.get('id')}"
    return tuple(
        File(
            f"{place}/{it['id']}",
            str(it.get("filename") or "file"),
            str(it.get("content_type") or "").partition(";")[0],
            int(it.get("size") or 0),
        )
        for it in attachments_in(data)
    )


def attachments_in(data: Json) -> Iterator[Json]:
    for said in (data, *_snapshots(data)):
        yield from said.get("attachments") or ()


def seconds(id: str) -> float:
    """The time in an id, as Unix seconds."""
    return ((int(id) >> 22) + _EPOCH) / 1_000 if id.isdigit() else 0.0


def id_at(unix: float) -> str:
    """An id of this time: messages after it are younger."""
    return str(max(0, int(unix * 1_000) - _EPOCH) << 22)


# --- text


def text_in(data: Json, around: Around) -> str:
    """The words of a message as the person meant them."""
    said, cited = _said(data, around), cited_in(data, around)
    # Whoever reads a thread or a direct room has just read the message right before.
    is_read = cited is None or (_is_alone(around.spot) and str(cited["id"]) == around.before)
    quote = "" if cited is None or is_read else quoted(cited, around, "In reply to {}:\n")
    return "\n\n".join(piece for piece in (said, quote) if piece)


def cited_in(data: Json, around: Around) -> Json | None:
    """The message that this one replies to; in a channel only somebody else's, for ours belong to the conversation."""
    target: Json | None = data.get("referenced_message") if refers_to(data) else None
    if not target or (is_own(target, around.me) and not _is_alone(around.spot)):
        return None
    return target


def quoted(data: Json, around: Around, opening: str) -> str:
    """A message's words and the names of its files as a quote behind ``opening``, which has {} for who wrote it;
    "" when there is nothing to read."""
    lines = [line for line in _said(data, around).split("\n") if not is_own(data, around.me) or not _NOTE.match(line)]
    lines += [f"[file: {file.name}]" for file in files_in(data)]
    quote = "\n".join(lines).strip()
    name = _named(data.get("author") or {})
    return opening.format(name) + "\n".join(f"> {line}" for line in quote.split("\n")) if quote else ""


def _is_alone(spot: Spot) -> bool:
    """All that is written there belongs to one conversation."""
    return spot.is_thread or not spot.guild


def _said(data: Json, around: Around) -> str:
    """A message's own words, and what it carries along; not what it replies to."""
    said = [_plain(without_name(str(data.get("content") or ""), around), data, around)]
    for snapshot in _snapshots(data):
        cited = _plain(str(snapshot.get("content") or ""), snapshot, around)
        said.append("Forwarded:\n" + "\n".join(f"> {line}" for line in cited.split("\n")) if cited else "")
    said += [f"[sticker: {it.get('name')}]" for it in data.get("sticker_items") or ()]
    if poll := data.get("poll"):
        said.append(_poll(poll))
    return "\n\n".join(piece for piece in said if piece)


def without_name(text: str, around: Around) -> str:
    """The text without the mentions of the bot; a comma or colon that addressed it goes too."""
    role = around.names.my_role(around.spot.guild) if around.spot.guild else ""
    names = [rf"<@!?{re.escape(around.me.user)}>"] + ([rf"<@&{re.escape(role)}>"] if role else [])
    mention = re.compile("|".join(names))
    while found := mention.search(text):
        head, tail = text[: found.start()], text[found.end() :]
        if not head.strip():
            tail = re.sub(r"^[,:]", "", tail).lstrip()
        elif head.endswith((" ", "\n")) and tail.startswith(" "):
            tail = tail[1:]
        text = head + tail
    return text.strip()


def title_of(text: str, usual: str) -> str:
    """The name of a thread from what was asked: its first words, at most 100 characters. Code blocks name nothing,
    unless there is nothing else."""
    words = _first_words(_BLOCK.sub("\n", text)) or _first_words(_FENCE.sub("", text))
    if len(words) > 100:
        head = words[:99]
        words = (head.rsplit(" ", 1)[0] if " " in head[40:] else head).rstrip(" ,;:") + "…"
    return words or usual[:100] or "Conversation"


def _first_words(text: str) -> str:
    line = next((line for line in text.split("\n") if line.strip(" #>*_`~-")), "")
    return " ".join(outside_code(line, lambda words: _MARKS.sub("", words)).replace("`", "").split())


def _plain(text: str, data: Json, around: Around) -> str:
    people = {str(user["id"]): _named(user) for user in data.get("mentions") or () if user.get("id")}

    def person(found: re.Match[str]) -> str:
        return f"@{people[found[1]]}" if found[1] in people else found[0]

    def token(found: re.Match[str]) -> str:
        kind, id, emoji, command, moment = found.groups()
        if kind == "#":
            return f"#{around.names.channel(id) or 'channel'}"
        if kind:
            return f"@{around.names.role(around.spot.guild, id) or 'role'}"
        if emoji:
            return f":{emoji}:"
        return f"/{command}" if command else _moment(int(moment))

    return _TOKEN.sub(token, _USER.sub(person, text)).strip()


def _named(user: Json) -> str:
    member = user.get("member") or {}
    return str(member.get("nick") or user.get("global_name") or user.get("username") or user.get("id"))


def _moment(unix: int) -> str:
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "a moment"


def _poll(poll: Json) -> str:
    question = str((poll.get("question") or {}).get("text") or "")
    answers = [str((it.get("poll_media") or {}).get("text") or "") for it in poll.get("answers") or ()]
    return "\n".join([f"Poll: {question}", *(f"- {answer}" for answer in answers if answer)])


def _snapshots(data: Json) -> Iterator[Json]:
    for it in data.get("message_snapshots") or ():
        yield it.get("message") or {}


def _opens_with_other(text: str, around: Around) -> bool:
    opening = _OPENING.match(text.lstrip())
    if opening is None:
        return False
    role = around.names.my_role(around.spot.guild) if around.spot.guild else ""
    mine = (opening[1] in ("", "!") and opening[2] == around.me.user) or (
        opening[1] == "&" and role and opening[2] == role
    )
    return not mine


@dataclass(slots=True)
class Press:
    """An interaction's own facts, the same for commands, buttons and forms. ``permissions``: the bot's bits here,
    ``None`` when that is not told."""

    id: str
    token: str
    kind: int
    author: Author
    address: Address
    direct: bool
    data: Json
    message: Json = field(default_factory=dict)
    is_guest: bool = False
    permissions: int | None = None


def press_in(data: Json) -> Press:
    """``is_guest``: the bot is not in this place, so only the interaction itself can be answered."""
    member = data.get("member") or {}
    user = member.get("user") or data.get("user") or {}
    channel = data.get("channel") or {}
    guild, id = str(data.get("guild_id") or ""), str(data.get("channel_id") or channel.get("id") or "")
    bits = int(member.get("permissions") or 0)
    own_bits = data.get("app_permissions")
    owners = data.get("authorizing_integration_owners") or {}
    if guild and int(channel.get("type") or 0) in THREADS:
        address = Address(PLATFORM, guild, str(channel.get("parent_id") or id), id)
    else:
        address = Address(PLATFORM, guild or DIRECT, id)
    author = Author(
        str(user.get("id") or ""),
        str(member.get("nick") or user.get("global_name") or user.get("username") or ""),
        admin=bool(guild) and bool(bits & (1 << 3 | 1 << 5)),
    )
    context = data.get("context")
    return Press(
        id=str(data["id"]),
        token=str(data["token"]),
        kind=int(data["type"]),
        author=author,
        address=address,
        direct=not guild and context != 2,
        data=data.get("data") or {},
        message=data.get("message") or {},
        is_guest=(bool(guild) or context == 2) and bool(owners) and "0" not in owners,
        permissions=int(own_bits) if own_bits is not None else None,
    )
