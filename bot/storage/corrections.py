"""Messages that people changed or took back: what history, answers and waiting turns make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from bot.events import Address
from bot.ports import Edited, NewTurn, Outcome, TurnKind, TurnState, TurnView
from bot.storage.history import questions_of
from bot.storage.schema import conversations, messages, turns, versions
from bot.storage.turns import accept
from bot.storage.views import newest_reply, view

_c, _m, _t = conversations.c, messages.c, turns.c

_ANY = questions_of(_m.id).limit(1)
_NAMED = (
    select(_m.id, _m.conversation_id, _m.seq, _m.text, _c.thread)
    .join(conversations, _c.id == _m.conversation_id)
    .where(
        _m.platform_id == bindparam("message"),
        _c.platform == bindparam("platform"),
        _c.workspace == bindparam("workspace"),
        _c.channel == bindparam("channel"),
        _m.deleted.is_(False),
    )
)


def _named(connection: Connection, address: Address, message_id: str) -> list[Any]:
    """The message wherever it is kept, its own conversation first: an edit may not say in which thread it was."""
    rows = connection.execute(
        _NAMED,
        {
            "message": message_id,
            "platform": address.platform,
            "workspace": address.workspace,
            "channel": address.channel,
        },
    ).all()
    return sorted(rows, key=lambda row: (row.thread != address.thread, -row.seq))


def _turn_of(connection: Connection, message: Any) -> Any:
    """The turn that answers this message, if one does."""
    return connection.execute(
        select(_t.seq, _t.reply_seq, _t.state).where(
            _t.conversation_id == message.conversation_id, _t.seq == message.seq, _t.kind == TurnKind.ANSWER
        )
    ).first()


def edit_message(
    connection: Connection,
    owner: str,
    address: Address,
    message_id: str,
    text: str,
    again: Callable[[TurnView], NewTurn | None],
    now: float,
) -> Edited | None:
    """See ``Store.edit_message``. Any of the questions merged into the newest turn counts as newest."""
    found = _named(connection, address, message_id)
    if all(message.text == text for message in found):
        return None
    places = sorted(message.conversation_id for message in found)
    connection.execute(select(_c.id).where(_c.id.in_(places)).order_by(_c.id).with_for_update())
    still = _m.id.in_([message.id for message in found]) & _m.deleted.is_(False)
    connection.execute(update(messages).where(still).values(text=text))
    message = found[0]
    turn = _turn_of(connection, message)
    if turn is None or newest_reply(connection, message.conversation_id) != turn.reply_seq:
        return Edited(message.seq, newest=False)
    reply = view(connection, message.conversation_id, turn.reply_seq)
    wanted = again(reply)
    accepted = None if wanted is None else accept(connection, owner, wanted, now)
    return Edited(message.seq, True, reply, accepted)


def delete_message(connection: Connection, address: Address, message_id: str, now: float) -> TurnView | None:
    """See ``Store.delete_message``. The words are removed, not hidden; an answer goes with its last question."""
    views = [_remove(connection, message, now) for message in _named(connection, address, message_id)]
    return next((found for found in views if found is not None), None)


_EMPTY = {"text": "", "author_name": "", "files": (), "excerpts": (), "deleted": True}


def _remove(connection: Connection, message: Any, now: float) -> TurnView | None:
    conversation = message.conversation_id
    connection.execute(select(_c.id).where(_c.id == conversation).with_for_update())
    connection.execute(update(messages).where(_m.id == message.id).values(_EMPTY))
    turn = _turn_of(connection, message)
    if turn is None:
        return None
    reply = {"conversation": conversation, "place": turn.reply_seq}
    if connection.execute(_ANY, reply).first() is not None:
        return None  # other questions are still answered by the same reply
    answer = turn.reply_seq + 1
    connection.execute(delete(versions).where(versions.c.conversation_id == conversation, versions.c.seq == answer))
    connection.execute(update(messages).where(_m.conversation_id == conversation, _m.seq == answer).values(_EMPTY))
    of_reply = (_t.conversation_id == conversation, _t.reply_seq == turn.reply_seq)
    connection.execute(update(turns).where(*of_reply).values(answer="", notes=()))
    connection.execute(
        update(turns)
        .where(*of_reply, _t.state == TurnState.RECEIVED)
        .values(state=TurnState.SETTLED, outcome=Outcome.CANCELLED, settled_at=now)
    )
    return view(connection, conversation, turn.reply_seq)
