"""Claims: what a process needs to run a turn, read from the lane's running turn and the reply it is for."""

from __future__ import annotations

import base64
import hashlib

from sqlalchemy import Connection, bindparam, select

from bot.ports import Claim, Outcome, TurnKind, TurnState
from bot.storage.addresses import address_of
from bot.storage.schema import conversations, turns

_c, _t = conversations.c, turns.c


def mark_of(event_key: str) -> str:
    """The mark of the reply to this event: 24 characters that a retry finds again, also in an empty database."""
    return base64.b32encode(hashlib.blake2b(event_key.encode(), digest_size=15).digest()).decode().lower()


_reply = turns.alias("reply")
_CLAIM = (
    select(
        _t.conversation_id,
        _t.kind,
        _t.state,
        _t.author,
        _t.direct,
        _t.attempts,
        _t.received_at,
        _t.answer,
        _t.outcome,
        _t.notes,
        _t.stop,
        _t.overrides,
        _t.seq,
        _t.reply_seq,
        _reply.c.message_id,
        _reply.c.mark,
        _reply.c.parts,
        _reply.c.merged,
        _reply.c.overrides.label("first_overrides"),
        _c.epoch,
        _c.platform,
        _c.workspace,
        _c.channel,
        _c.thread,
    )
    .join(conversations, (_c.id == _t.conversation_id) & (_c.leased_seq == _t.seq))
    .join(_reply, (_reply.c.conversation_id == _t.conversation_id) & (_reply.c.seq == _t.reply_seq))
    .where(_c.id == bindparam("conversation"))
)


_LOCK = select(_c.id).where(_c.id == bindparam("conversation")).with_for_update()


def lock_lane(connection: Connection, conversation: int) -> None:
    """Wait for whoever changes this conversation now, so that the next statement sees what they left.

    PostgreSQL looks at a row again after it has waited for it, but at all other rows as they were before. SQLite has
    one writer at a time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"conversation": conversation})


def read_claim(connection: Connection, conversation: int, *, resumed: bool = False, inherited: int = 0) -> Claim:
    """The claim on the conversation's running turn. A reply made again keeps the overrides it was first made with."""
    row = connection.execute(_CLAIM, {"conversation": conversation}).one()
    return Claim(
        conversation=row.conversation_id,
        seq=row.seq,
        answer_seq=row.reply_seq + 1,
        epoch=row.epoch,
        kind=TurnKind(row.kind),
        address=address_of(row),
        author=row.author,
        direct=row.direct,
        message_id=row.message_id,
        mark=row.mark,
        attempts=row.attempts,
        received_at=row.received_at,
        state=TurnState(row.state),
        parts=row.parts,
        answer=row.answer,
        outcome=Outcome(row.outcome) if row.outcome else None,
        notes=row.notes,
        merged=row.merged,
        target=row.reply_seq if row.kind == TurnKind.AGAIN else 0,
        stop=row.stop,
        overrides={**row.first_overrides, **row.overrides},
        resumed=resumed,
        inherited=inherited,
    )
