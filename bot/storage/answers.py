"""Storing answers and their versions.

What enters history is an answer with words in it, whole or cut; a sentence that explains a failure is kept on
the turn until it has been shown. ``messages`` holds the version shown; ``versions`` all of them, from the second
one on.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from bot.errors import Superseded
from bot.ports import AnswerRecord, Claim, Outcome, TurnKind, TurnState, TurnView
from bot.storage import usage
from bot.storage.claims import lock_lane
from bot.storage.inserts import upsert
from bot.storage.schema import conversations, feedback, messages, turns, versions
from bot.storage.views import turn as view_by_mark

_c, _m, _t, _v = conversations.c, messages.c, turns.c, versions.c

_KEPT = (Outcome.ANSWERED, Outcome.STOPPED, Outcome.CUT)
_CUT_SHORT = (Outcome.STOPPED, Outcome.CUT)

_asked, _question = turns.alias("asked"), messages.alias("question")
_QUESTION_STANDS = (
    select(_asked.c.seq)
    .join(_question, (_question.c.conversation_id == _asked.c.conversation_id) & (_question.c.seq == _asked.c.seq))
    .where(
        _asked.c.conversation_id == bindparam("conversation"),
        _asked.c.reply_seq == bindparam("reply"),
        _asked.c.kind == TurnKind.ANSWER,
        _question.c.deleted.is_(False),
    )
    .exists()
)
_RUNNING = (
    select(
        _c.leased_seq,
        _t.state,
        _m.id.label("message"),
        _m.text,
        _m.version,
        _m.versions,
        _m.truncated,
        _QUESTION_STANDS.label("stands"),
    )
    .join(turns, (_t.conversation_id == _c.id) & (_t.seq == _c.leased_seq))
    .outerjoin(messages, (_m.conversation_id == _c.id) & (_m.seq == bindparam("reply") + 1))
    .where(_c.id == bindparam("conversation"), _c.owner == bindparam("owner"), _c.epoch == bindparam("epoch"))
    .with_for_update(of=conversations)
)
_KEEP = (
    update(turns)
    .where(_t.conversation_id == bindparam("conversation"), _t.seq == bindparam("place"))
    .values(
        state=TurnState.SHOWING,
        outcome=bindparam("ended"),
        answer=bindparam("words"),
        notes=bindparam("remarks"),
        version=bindparam("made"),
        receipt=bindparam("facts"),
        error=bindparam("kind_of_error"),
        answered_at=bindparam("at"),
        first_text_ms=bindparam("first"),
    )
)
_TRIM = (
    update(conversations)
    .where(_c.id == bindparam("conversation"), _c.trimmed_before < bindparam("place"))
    .values(trimmed_before=bindparam("place"))
)


def answered(connection: Connection, owner: str, claim: Claim, answer: AnswerRecord, now: float) -> tuple[int, int]:
    """See ``Store.answered``. Said twice under one claim, the second one replaces the first."""
    reply = claim.target or claim.seq
    lock_lane(connection, claim.conversation)
    running = connection.execute(
        _RUNNING,
        {"conversation": claim.conversation, "owner": owner, "epoch": claim.epoch, "reply": reply},
    ).first()
    if running is None:
        raise Superseded
    kept = answer.outcome in _KEPT and bool(answer.text.strip()) and running.stands
    version, count = running.version or 1, running.versions or 1
    if kept:
        version, count = _keep_version(connection, claim, answer, running, now)
    repeated = running.state == TurnState.SHOWING
    if answer.usage is not None and not repeated:
        usage.add(connection, claim, running.leased_seq, answer.model, answer.usage, answer.cost, now)
    connection.execute(
        _KEEP,
        {
            "conversation": claim.conversation,
            "place": running.leased_seq,
            "ended": answer.outcome,
            "words": answer.text if running.stands else "",
            "remarks": answer.notes,
            "made": version if kept else 0,
            "facts": dict(answer.receipt),
            "kind_of_error": answer.error_kind,
            "at": now,
            "first": answer.first_text_ms,
        },
    )
    if answer.trimmed_before is not None:
        connection.execute(_TRIM, {"conversation": claim.conversation, "place": answer.trimmed_before})
    return version, count


def _keep_version(
    connection: Connection, claim: Claim, answer: AnswerRecord, running: Any, now: float
) -> tuple[int, int]:
    shown = {"text": answer.text, "truncated": answer.outcome in _CUT_SHORT, "created_at": now}
    place = {"conversation_id": claim.conversation, "seq": claim.answer_seq}
    if running.message is None:
        connection.execute(
            insert(messages),
            {**place, **shown, "role": "assistant", "author_id": "", "author_name": "", "files": ()},
        )
        return 1, 1
    if answer.replace_versions:
        _forget_versions(connection, claim)
        version = count = 1
    elif running.state == TurnState.SHOWING:
        version, count = running.version, running.versions
        connection.execute(
            update(versions)
            .where(_v.conversation_id == claim.conversation, _v.seq == claim.answer_seq, _v.version == version)
            .values(text=answer.text, truncated=shown["truncated"])
        )
    else:
        version = count = running.versions + 1
        rows = [{**place, "version": version, "text": answer.text, "truncated": shown["truncated"]}]
        if running.versions == 1:
            rows.append({**place, "version": 1, "text": running.text, "truncated": running.truncated})
        connection.execute(insert(versions), rows)
    connection.execute(
        update(messages).where(_m.id == running.message).values(**shown, version=version, versions=count)
    )
    return version, count


def _forget_versions(connection: Connection, claim: Claim) -> None:
    connection.execute(delete(versions).where(_v.conversation_id == claim.conversation, _v.seq == claim.answer_seq))
    connection.execute(
        update(turns)
        .where(_t.conversation_id == claim.conversation, _t.reply_seq == claim.answer_seq - 1)
        .values(version=0)
    )


_VERSION = (
    select(_m.id, _v.text, _v.truncated, _v.version)
    .join(turns, (_t.conversation_id == _m.conversation_id) & (_t.seq + 1 == _m.seq))
    .join(versions, (_v.conversation_id == _m.conversation_id) & (_v.seq == _m.seq))
    .where(_t.mark == bindparam("mark"), _v.version == bindparam("number"), _m.deleted.is_(False))
)


def choose_version(connection: Connection, mark: str, version: int) -> TurnView | None:
    """See ``Store.choose_version``."""
    view = view_by_mark(connection, mark)
    if view is None or view.text == "":
        return None
    if version == view.version:
        return view
    row = connection.execute(_VERSION, {"mark": view.mark, "number": version}).first()
    if row is None:
        return None
    chosen = connection.execute(
        update(messages)
        .where(_m.id == row.id, _m.deleted.is_(False))
        .values(text=row.text, truncated=row.truncated, version=row.version)
    )
    return view_by_mark(connection, mark) if chosen.rowcount else None


@cache
def _judge(dialect: str) -> Any:
    return upsert(dialect, feedback, ["up", "at"])


def judge(connection: Connection, mark: str, version: int, person: str, up: bool, now: float) -> None:
    """See ``Store.feedback``: a person's newest word on a version counts."""
    connection.execute(
        _judge(connection.dialect.name), {"mark": mark, "version": version, "person": person, "up": up, "at": now}
    )
