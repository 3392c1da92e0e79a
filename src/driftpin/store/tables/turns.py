"""What is said in chats: messages, turns, the calls of tools, and receipts."""

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from driftpin.store.column_types import Id, Instant, Number, Sha256
from driftpin.store.tables.metadata import metadata

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("position", Number, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("chat_id", "position"),
    sqlite_strict=True,
)

# The lease: `fence` rises at every claim, and every write of a turn checks it.
turns = Table(
    "turns",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    # waiting, running, requires_action, delegated; done, failed or interrupted
    Column("state", Text, nullable=False),
    Column("holder", Text),
    Column("fence", Number, nullable=False),
    Column("lease_until", Instant),
    Column("attempt", Integer, nullable=False),
    Column("error", Text),
    Column("pin_revision", Number),
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    # The revision that the turn goes on with whatever becomes of the chat's pin meanwhile.
    Column("held_revision", Number),
    # The turn that runs the chat again from here; what is replaced has left the conversation.
    Column("replaced_by", Integer),
    PrimaryKeyConstraint("chat_id", "number"),
    Index("ix_turns_state", "state"),
    Index("ix_turns_snapshot_id", "snapshot_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)


def _of_turn() -> ForeignKeyConstraint:
    """Return what binds a row to its turn, with which it goes."""
    return ForeignKeyConstraint(
        ["chat_id", "turn"], ["turns.chat_id", "turns.number"], ondelete="CASCADE"
    )


turn_chunks = Table(
    "turn_chunks",
    metadata,
    Column("chat_id", Id, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("chunk_offset", Integer, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("chat_id", "turn", "attempt", "chunk_offset"),
    _of_turn(),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# not_started, started, done or unknown; started at most once.
tool_calls = Table(
    "tool_calls",
    metadata,
    Column("chat_id", Id, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("created_at", Instant, nullable=False),
    # What the call gave, until all calls of its answer have given something.
    Column("result", Text),
    # No foreign key: that there was a sub-chat is known when it is gone.
    Column("sub_chat_id", Id),
    PrimaryKeyConstraint("chat_id", "turn", "call_id"),
    _of_turn(),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Tools that the client of a chat carries out itself.
chat_tools = Table(
    "chat_tools",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    PrimaryKeyConstraint("chat_id", "name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# The first messages of a conversation that a model is no longer shown; the highest count holds.
compactions = Table(
    "compactions",
    metadata,
    Column("chat_id", Id, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("tokens", Number, nullable=False),
    Column("summary", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("chat_id", "turn", "message_count"),
    _of_turn(),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Two chained entries per model request: before it is sent, and its outcome.
receipts = Table(
    "receipts",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("digest", Sha256, nullable=False),
    Column("previous_digest", Sha256),
    Column("snapshot_digest", Sha256),
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("content", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("chat_id", "number"),
    Index("ix_receipts_snapshot_id", "snapshot_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

__all__ = [
    "chat_tools",
    "compactions",
    "messages",
    "receipts",
    "tool_calls",
    "turn_chunks",
    "turns",
]
