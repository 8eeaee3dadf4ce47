"""The tables. Alembic's history under ``migrations`` must yield exactly these; a test compares them.

``seq`` orders a conversation. A question takes two: its own and the next one, which is kept for its answer, so
history reads in order even when questions queue up during an answer. A recorded message and a reply made again
take one. ``tail_seq`` is the last one given out, ``tail_turn`` that of the newest turn. Earlier messages of the
thread are put in front of ``FIRST_SEQ``.

``turns`` is inbox, duplicate filter, queue and audit in one; ``dealt`` has the events that became no turn.
``reply_seq`` names the turn whose reply is meant: itself for a question, the carrier for a merged one, the target for
a reply made again. A conversation with an ``owner`` has exactly one running turn, ``leased_seq``; (``owner``,
``epoch``) is the fence of its claim.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from bot.budgets import Part
from bot.events import Author, File
from bot.storage.packed import Packed, Words

FIRST_SEQ = 1_000

metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")


def _own_id() -> Column[int]:
    return Column("id", _ID, primary_key=True, autoincrement=True)


def _in_conversation() -> Column[int]:
    return Column("conversation_id", _ID, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False)


replicas = Table(
    "replicas",
    metadata,
    Column("id", String, primary_key=True),
    Column("until", Double, nullable=False),
)

buckets = Table(
    "buckets",
    metadata,
    Column("key", String, primary_key=True),
    Column("tokens", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("rests_until", Double, nullable=False),
    Column("factor", Double, nullable=False),
    Column("parts", Packed(dict[str, Part]), nullable=False),
)

PASSING = (replicas, buckets)  # they tell of living processes

conversations = Table(
    "conversations",
    metadata,
    _own_id(),
    Column("key", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("workspace", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("thread", String, nullable=False),
    Column("owner", String),
    Column("epoch", BigInteger, nullable=False),
    Column("leased_seq", BigInteger, nullable=False),
    Column("tail_seq", BigInteger, nullable=False),
    Column("tail_turn", BigInteger, nullable=False),
    Column("trimmed_before", BigInteger, nullable=False, server_default=text("0")),
    Column("cleared_before", BigInteger, nullable=False, server_default=text("0")),
    Column("backfilled", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("key", name="conversation_key"),
    Index("conversation_workspace", "platform", "workspace"),
)

turns = Table(
    "turns",
    metadata,
    _in_conversation(),
    Column("seq", BigInteger, nullable=False),
    Column("reply_seq", BigInteger, nullable=False),
    Column("event_key", String, nullable=False),
    Column("mark", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", String),
    Column("author", Packed(Author), nullable=False),
    Column("direct", Boolean, nullable=False),
    Column("message_id", String, nullable=False),
    Column("overrides", Packed(dict[str, Any]), nullable=False),
    Column("merged", Integer, nullable=False, server_default=text("1")),
    Column("attempts", Integer, nullable=False),
    Column("stop", Boolean, nullable=False, server_default=text("false")),
    Column("parts", Packed(tuple[str, ...]), nullable=False),
    Column("answer", Words, nullable=False, server_default=text("''")),
    Column("notes", Packed(tuple[str, ...]), nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    Column("receipt", Packed(dict[str, Any]), nullable=False),
    Column("error", String, nullable=False, server_default=text("''")),
    Column("received_at", Double, nullable=False),
    Column("started_at", Double),
    Column("first_text_ms", Double),
    Column("answered_at", Double),
    Column("settled_at", Double),
    PrimaryKeyConstraint("conversation_id", "seq", name="turn_place"),
    UniqueConstraint("event_key", name="turn_event"),
    # Not unique: it follows from event_key, and SQLite may report a second unique index before the first.
    Index("turn_mark", "mark"),
)

dealt = Table(
    "dealt",
    metadata,
    Column("event_key", String, primary_key=True),
    Column("at", Double, nullable=False),
    Index("dealt_age", "at"),
)

IS_RUNNING = text("state IN ('generating', 'showing')")
IS_UNSETTLED = text("turns.state <> 'settled'")

Index("turn_reply", turns.c.conversation_id, turns.c.reply_seq)
Index(
    "turn_running",
    turns.c.conversation_id,
    unique=True,
    sqlite_where=IS_RUNNING,
    postgresql_where=IS_RUNNING,
)
Index(
    "turn_unsettled",
    turns.c.conversation_id,
    turns.c.seq,
    sqlite_where=text("state <> 'settled'"),
    postgresql_where=text("state <> 'settled'"),
)

messages = Table(
    "messages",
    metadata,
    _own_id(),
    _in_conversation(),
    Column("seq", BigInteger, nullable=False),
    Column("role", String, nullable=False),
    Column("author_id", String, nullable=False),
    Column("author_name", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("platform_id", String),
    Column("files", Packed(tuple[File, ...]), nullable=False),
    Column("excerpts", Packed(tuple[str, ...]), nullable=False, server_default=text("'[]'")),
    Column("created_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("versions", Integer, nullable=False, server_default=text("1")),
    Column("truncated", Boolean, nullable=False, server_default=text("false")),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("conversation_id", "seq", name="message_place"),
    UniqueConstraint("platform_id", "conversation_id", name="message_platform_id"),
)

versions = Table(
    "versions",
    metadata,
    _in_conversation(),
    Column("seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Words, nullable=False),
    Column("truncated", Boolean, nullable=False),
    PrimaryKeyConstraint("conversation_id", "seq", "version", name="version_place"),
    ForeignKeyConstraint(
        ["conversation_id", "seq"],
        ["messages.conversation_id", "messages.seq"],
        name="version_message",
        ondelete="CASCADE",
    ),
)

settings = Table(
    "settings",
    metadata,
    Column("level", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("key", String, nullable=False),
    Column("value", Packed(Any), nullable=False),
    Column("set_by", String, nullable=False),
    Column("set_at", Double, nullable=False),
    PrimaryKeyConstraint("scope", "level", "key", name="setting_place"),
)

usage = Table(
    "usage",
    metadata,
    _own_id(),
    _in_conversation(),
    Column("turn_seq", BigInteger, nullable=False),
    Column("platform", String, nullable=False),
    Column("workspace", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("person", String, nullable=False),
    Column("model", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("reasoning_tokens", Integer, nullable=False),
    Column("queue_time", Double, nullable=False),
    Column("total_time", Double, nullable=False),
    Column("cost", Double),
    Index("usage_place", "platform", "workspace", "at"),
    Index("usage_conversation", "conversation_id"),  # without it, whatever is deleted reads the whole ledger
)

feedback = Table(
    "feedback",
    metadata,
    Column("mark", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("person", String, nullable=False),
    Column("up", Boolean, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("mark", "version", "person", name="feedback_place"),
)

shelf = Table(
    "shelf",
    metadata,
    Column("platform", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("id", String, nullable=False),
    Column("value", Packed(dict[str, Any]), nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("platform", "kind", "id", name="shelf_place"),
    Index("shelf_order", "platform", "kind", "position"),
)
