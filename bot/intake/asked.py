"""What a question becomes: its key, whoever asked, and the turn that answers it or makes its reply again."""

from __future__ import annotations

from bot.events import Address, Author, MessageReceived
from bot.ports import NewTurn, TurnKind, TurnView


def event_key(address: Address, message_id: str) -> str:
    return f"{address.platform}:{address.workspace}:{address.channel}:{message_id}"


def asker(event: MessageReceived) -> str:
    return f"{event.address.platform}:{event.author.id}"


def turn_of(event: MessageReceived) -> NewTurn:
    return NewTurn(
        event_key=event_key(event.address, event.id),
        address=event.address,
        kind=TurnKind.ANSWER,
        author=event.author,
        direct=event.direct,
        message_id=event.id,
        text=event.text,
        files=event.files,
        sent_at=event.sent_at,
    )


def turn_again(view: TurnView, event_key: str, author: Author, now: float, *, edited: bool = False) -> NewTurn:
    return NewTurn(
        event_key=event_key,
        address=view.address,
        kind=TurnKind.AGAIN,
        author=author,
        direct=view.direct,
        message_id=view.message_id,
        text="",
        files=(),
        sent_at=now,
        target=view.seq,
        overrides={"edited": True} if edited else {},
    )
