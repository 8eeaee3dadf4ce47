"""What happens in the room, stated as facts for the core. Pure.

A channel message opens its own conversation: the thread is its root's id, its own for a root. A direct room is one
conversation without threads. Mentions are written ``@Name``; in code they are not mentions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapters.web.entries import DIRECT, Message, Person
from bot.events import (
    Action,
    Address,
    Author,
    CommandGiven,
    ControlPressed,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    SettingsSubmitted,
)

PLATFORM = "web"
WORKSPACE = "local"

_CODE = re.compile(r"(`{3,}|~{3,}).*?(?:\1|\Z)|(`+)[^`\n]+\2", re.DOTALL)


def author_of(person: Person) -> Author:
    """Whoever can open the workspace runs it or was let in by whoever does: everybody is an admin."""
    return Author(person.id, person.name, admin=True)


def is_direct(channel: str) -> bool:
    return channel.startswith(DIRECT)


def place(channel: str, thread: str) -> Address:
    """The address of a thread, or of a channel's first level with ``thread`` ""."""
    return Address(PLATFORM, WORKSPACE, channel, "" if is_direct(channel) else thread)


def address_of(message: Message) -> Address:
    """The conversation a message belongs to or opens. A part of a reply at the first level belongs to none."""
    return place(message.channel, message.thread or ("" if message.mark else message.id))


def received(message: Message, author: Person, bot: str, people: Iterable[Person]) -> MessageReceived:
    """A person's new message. ``bot`` is the bot's display name, ``people`` everybody who can be named."""
    return MessageReceived(
        id=message.id,
        address=address_of(message),
        author=author_of(author),
        text=without_name(message.text, bot),
        sent_at=message.ts,
        mentions_bot=mentions(message.text, bot),
        direct=is_direct(message.channel),
        in_thread=bool(message.thread),
        opens_with_other_mention=_opens_with_other(message.text, bot, people),
        files=message.files,
    )


def edited(message: Message, author: Person, bot: str) -> MessageEdited:
    return MessageEdited(
        id=message.id,
        address=address_of(message),
        author=author_of(author),
        text=without_name(message.text, bot),
        revision=str(message.revision),
        mentions_bot=mentions(message.text, bot),
    )


def deleted(message: Message) -> MessageDeleted:
    return MessageDeleted(message.id, address_of(message))


def command_given(number: int, channel: str, thread: str, author: Person, line: str) -> CommandGiven:
    """``number`` is a new number of the room, ``line`` what follows the command's name."""
    return CommandGiven(f"command-{number}", place(channel, thread), author_of(author), line, is_direct(channel))


def control_pressed(number: int, message: Message, author: Person, action: Action, value: str) -> ControlPressed:
    return ControlPressed(f"press-{number}", address_of(message), author_of(author), action, message.mark, value)


def settings_submitted(
    number: int, address: Address, author: Person, *, level: str, values: Iterable[tuple[str, str]]
) -> SettingsSubmitted:
    return SettingsSubmitted(
        f"form-{number}", address, author_of(author), level, tuple(values), is_direct(address.channel)
    )


def mentions(text: str, name: str) -> bool:
    """``@name`` stands in the text, outside of code."""
    return any(True for _ in _spans(text, name))


def without_name(text: str, name: str) -> str:
    """The text freed of every ``@name``; a comma or colon that addressed it goes too."""
    for start, end in reversed(list(_spans(text, name))):
        head, tail = text[:start], text[end:]
        if not head.strip():
            tail = re.sub(r"^[,:]", "", tail).lstrip()
        elif head.endswith((" ", "\n")) and tail.startswith(" "):
            tail = tail[1:]
        text = head + tail
    return text.strip()


def _spans(text: str, name: str) -> Iterable[tuple[int, int]]:
    if "@" not in text:
        return []
    code = [found.span() for found in _CODE.finditer(text)]
    found = _mention(name).finditer(text)
    return [span.span() for span in found if not any(start <= span.start() < end for start, end in code)]


def _mention(name: str) -> re.Pattern[str]:
    # Not inside a word, an address (ann@parley) or a longer name (@parley-test, @parley.com).
    return re.compile(rf"(?<![\w@.])@{re.escape(name)}(?![\w@-]|\.\w)", re.IGNORECASE)


def _opens_with_other(text: str, bot: str, people: Iterable[Person]) -> bool:
    opening = text.lstrip()
    if not opening.startswith("@"):
        return False
    names = sorted({person.name for person in people} | {bot}, key=len, reverse=True)
    first = next((name for name in names if _mention(name).match(opening)), bot)
    return first.casefold() != bot.casefold()
