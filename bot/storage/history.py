"""Messages as the model will read them: recording and loading."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, func, select, update

from bot.events import Address, Author, File
from bot.ports import EarlierMessage, StoredMessage, TurnKind
from bot.storage.database import Undo
from bot.storage.inserts import insert_into
from bot.storage.schema import FIRST_SEQ, conversations, messages, turns

_c, _m, _t = conversations.c, messages.c, turns.c


@cache
def _insert(dialect: str) -> Any:
    """A message that is there already stays as it is."""
    return insert_into(dialect, messages).on_conflict_do_nothing(index_elements=[_m.platform_id, _m.conversation_id])


_NEXT_PLACE = (
    update(conversations)
    .where(_c.key == bindparam("address"))
    .values(tail_seq=_c.tail_seq + 1)
    .returning(_c.id, _c.tail_seq)
)


def record(
    connection: Connection,
    address: Address,
    author: Author,
    message_id: str,
    text: str,
    files: tuple[File, ...],
    sent_at: float,
) -> bool:
    """See ``Store.record``. Raises ``Undo`` when it was there already."""
    place = connection.execute(_NEXT_PLACE, {"address": address.key}).first()
    if place is None:
        return False
    row = _spoken(place.id, place.tail_seq, author, message_id, text, files, sent_at)
    done = connection.execute(_insert(connection.dialect.name).returning(_m.id), row)
    if done.first() is None:
        raise Undo
    return True


def backfill(connection: Connection, conversation: int, earlier: Sequence[EarlierMessage]) -> None:
    """See ``Store.backfill``. At most the newest ``FIRST_SEQ - 1`` of them are kept."""
    first_time = connection.execute(
        update(conversations).where(_c.id == conversation, _c.backfilled.is_(False)).values(backfilled=True)
    ).rowcount
    kept = list(earlier)[-(FIRST_SEQ - 1) :]
    if not first_time or not kept:
        return
    connection.execute(
        _insert(connection.dialect.name),
        [
            _spoken(conversation, seq, message.author, message.id, message.text, message.files, message.sent_at)
            for seq, message in enumerate(kept, FIRST_SEQ - len(kept))
        ],
    )


def _spoken(
    conversation: int, seq: int, author: Author, message_id: str, text: str, files: tuple[File, ...], sent_at: float
) -> dict[str, Any]:
    return {
        "conversation_id": conversation,
        "seq": seq,
        "role": "user",
        "author_id": author.id,
        "author_name": author.name,
        "text": text,
        "platform_id": message_id,
        "files": files,
        "created_at": sent_at,
    }


_COLUMNS = (  # as StoredMessage has them
    _m.seq,
    _m.role,
    _m.author_id,
    _m.author_name,
    _m.text,
    func.coalesce(_m.platform_id, ""),
    _m.created_at,
    _m.files,
    _m.version,
    _m.versions,
    _m.truncated,
    _m.excerpts,
)


def _limit_of(column: Any) -> Any:
    return select(column).where(_c.id == bindparam("conversation")).scalar_subquery()


HISTORY = (
    select(*_COLUMNS)
    .where(
        _m.conversation_id == bindparam("conversation"),
        _m.seq < bindparam("before"),
        _m.seq >= _limit_of(_c.trimmed_before),
        _m.seq >= _limit_of(_c.cleared_before),
        _m.deleted.is_(False),
    )
    .order_by(_m.seq.desc())
    .limit(bindparam("most", type_=Integer))
)
_ONE = select(*_COLUMNS).where(
    _m.conversation_id == bindparam("conversation"), _m.seq == bindparam("place"), _m.deleted.is_(False)
)


def questions_of(*columns: Any) -> Select[Any]:
    """The living questions that the reply of turn ``place`` answers, oldest first."""
    return (
        select(*columns)
        .join(turns, (_t.conversation_id == _m.conversation_id) & (_t.seq == _m.seq))
        .where(
            _t.conversation_id == bindparam("conversation"),
            _t.reply_seq == bindparam("place"),
            _t.kind == TurnKind.ANSWER,
            _m.deleted.is_(False),
        )
        .order_by(_m.seq)
    )


_ALL = questions_of(*_COLUMNS)


def history(connection: Connection, conversation: int, before: int, limit: int) -> list[StoredMessage]:
    """See ``Store.history``."""
    rows = connection.execute(HISTORY, {"conversation": conversation, "before": before, "most": limit}).all()
    return [StoredMessage(*row) for row in reversed(rows)]


def question(connection: Connection, conversation: int, seq: int, merged: int) -> list[StoredMessage]:
    """See ``Store.question``."""
    statement = _ONE if merged == 1 else _ALL
    return [StoredMessage(*row) for row in connection.execute(statement, {"conversation": conversation, "place": seq})]


_KEEP_EXCERPTS = (
    update(messages)
    .where(_m.conversation_id == bindparam("conversation"), _m.seq == bindparam("place"), _m.deleted.is_(False))
    .values(excerpts=bindparam("read"))
)


def keep_excerpts(connection: Connection, conversation: int, seq: int, excerpts: Sequence[str]) -> None:
    """See ``Store.keep_excerpts``; nothing is kept with a message that was deleted meanwhile."""
    connection.execute(_KEEP_EXCERPTS, {"conversation": conversation, "place": seq, "read": tuple(excerpts)})
