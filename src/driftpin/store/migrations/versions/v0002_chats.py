"""Chats, their pins, and what is said in them."""

from typing import Final

from alembic import op
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)

from driftpin.store.column_types import Flag, Id, Instant, Number, Sha256

revision: Final = "0002"
down_revision: Final = "0001"


VIEW: Final = """
CREATE VIEW chat_context_resources AS
SELECT pin.chat_id, entry.source, entry.path, entry.kind, entry.status,
       'sha256:' || {hex_digest} AS digest, blob.size_bytes, blob.content AS body
FROM chat_pins AS pin
JOIN snapshot_entries AS entry ON entry.snapshot_id = pin.snapshot_id
LEFT JOIN blobs AS blob ON blob.id = entry.blob_id
"""
HEX_DIGEST: Final = {
    "sqlite": "lower(hex(blob.digest))",
    "postgresql": "encode(blob.digest, 'hex')",
}


def upgrade() -> None:
    _create_chats()
    _create_chat_pins()
    _create_chat_pin_history()
    _create_chat_shares()
    _create_messages()
    _create_turns()
    _create_turn_chunks()
    _create_tool_calls()
    _create_receipts()
    _create_view()


def _create_chats() -> None:
    op.create_table(
        "chats",
        Column("id", Id(), nullable=False),
        Column("workspace_id", Id(), nullable=False),
        Column("owner_id", Id(), nullable=False),
        Column("parent_id", Id(), nullable=True),
        Column("forked_from_id", Id(), nullable=True),
        Column("title", Text(), nullable=False),
        Column("model", Text(), nullable=False),
        Column("policy", Text(), nullable=True),
        Column("state", Text(), nullable=False),
        Column("error", Text(), nullable=True),
        Column("created_at", Instant(), nullable=False),
        Column("updated_at", Instant(), nullable=False),
        Column("archived_at", Instant(), nullable=True),
        ForeignKeyConstraint(
            ["forked_from_id"], ["chats.id"], name="fk_chats_forked_from_id", ondelete="SET NULL"
        ),
        ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_chats_owner_id", ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(
            ["parent_id"], ["chats.id"], name="fk_chats_parent_id", ondelete="SET NULL"
        ),
        ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_chats_workspace_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("id", name="pk_chats"),
        sqlite_strict=True,
    )
    op.create_index("ix_chats_forked_from_id", "chats", ["forked_from_id"], unique=False)
    op.create_index(
        "ix_chats_owner_id_created_at_id", "chats", ["owner_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_chats_parent_id", "chats", ["parent_id"], unique=False)
    op.create_index("ix_chats_workspace_id", "chats", ["workspace_id"], unique=False)


def _create_chat_pins() -> None:
    op.create_table(
        "chat_pins",
        Column("chat_id", Id(), nullable=False),
        Column("workspace_id", Id(), nullable=False),
        Column("agent_id", Id(), nullable=True),
        Column("snapshot_id", Number, nullable=True),
        Column("revision", Number, nullable=False),
        Column("pinned_at", Instant(), nullable=True),
        Column("is_archived", Flag(), nullable=False),
        Column("error", Text(), nullable=True),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_chat_pins_chat_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name="fk_chat_pins_snapshot_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("chat_id", name="pk_chat_pins"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_chat_pins_agent_id_chat_id", "chat_pins", ["agent_id", "chat_id"], unique=False
    )
    op.create_index("ix_chat_pins_snapshot_id", "chat_pins", ["snapshot_id"], unique=False)
    op.create_index(
        "ix_chat_pins_unbound",
        "chat_pins",
        ["workspace_id", "is_archived"],
        unique=False,
        postgresql_where=text("agent_id IS NULL"),
        sqlite_where=text("agent_id IS NULL"),
    )
    op.create_index(
        "ix_chat_pins_unpinned",
        "chat_pins",
        ["agent_id", "is_archived"],
        unique=False,
        postgresql_where=text("snapshot_id IS NULL"),
        sqlite_where=text("snapshot_id IS NULL"),
    )
    op.create_index("ix_chat_pins_workspace_id", "chat_pins", ["workspace_id"], unique=False)


def _create_chat_pin_history() -> None:
    op.create_table(
        "chat_pin_history",
        Column("chat_id", Id(), nullable=False),
        Column("revision", Number, nullable=False),
        Column("verb", Text(), nullable=False),
        Column("inputs", Text(), nullable=False),
        Column("from_digest", Sha256(), nullable=True),
        Column("from_id", Number, nullable=True),
        Column("to_digest", Sha256(), nullable=True),
        Column("to_id", Number, nullable=True),
        Column("agent_id", Id(), nullable=True),
        Column("actor", Text(), nullable=False),
        Column("event_id", Number, nullable=False),
        Column("at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_chat_pin_history_chat_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["from_id"], ["snapshots.id"], name="fk_chat_pin_history_from_id", ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(
            ["to_id"], ["snapshots.id"], name="fk_chat_pin_history_to_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("chat_id", "revision", name="pk_chat_pin_history"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_chat_pin_history_event_id", "chat_pin_history", ["event_id"], unique=False)
    op.create_index("ix_chat_pin_history_from_id", "chat_pin_history", ["from_id"], unique=False)
    op.create_index("ix_chat_pin_history_to_id", "chat_pin_history", ["to_id"], unique=False)


def _create_chat_shares() -> None:
    op.create_table(
        "chat_shares",
        Column("chat_id", Id(), nullable=False),
        Column("user_id", Id(), nullable=False),
        Column("access", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_chat_shares_chat_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_chat_shares_user_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("chat_id", "user_id", name="pk_chat_shares"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_chat_shares_user_id", "chat_shares", ["user_id"], unique=False)


def _create_messages() -> None:
    op.create_table(
        "messages",
        Column("id", Id(), nullable=False),
        Column("chat_id", Id(), nullable=False),
        Column("position", Number, nullable=False),
        Column("turn", Integer(), nullable=False),
        Column("role", Text(), nullable=False),
        Column("content", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_messages_chat_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_messages"),
        UniqueConstraint("chat_id", "position", name="uq_messages_chat_id_position"),
        sqlite_strict=True,
    )


def _create_turns() -> None:
    op.create_table(
        "turns",
        Column("chat_id", Id(), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("holder", Text(), nullable=True),
        Column("fence", Number, nullable=False),
        Column("lease_until", Instant(), nullable=True),
        Column("attempt", Integer(), nullable=False),
        Column("error", Text(), nullable=True),
        Column("pin_revision", Number, nullable=True),
        Column("snapshot_id", Number, nullable=True),
        Column("created_at", Instant(), nullable=False),
        Column("finished_at", Instant(), nullable=True),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_turns_chat_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name="fk_turns_snapshot_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("chat_id", "number", name="pk_turns"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_turns_snapshot_id", "turns", ["snapshot_id"], unique=False)
    op.create_index("ix_turns_state", "turns", ["state"], unique=False)


def _create_turn_chunks() -> None:
    op.create_table(
        "turn_chunks",
        Column("chat_id", Id(), nullable=False),
        Column("turn", Integer(), nullable=False),
        Column("attempt", Integer(), nullable=False),
        Column("chunk_offset", Integer(), nullable=False),
        Column("content", Text(), nullable=False),
        ForeignKeyConstraint(
            ["chat_id", "turn"],
            ["turns.chat_id", "turns.number"],
            name="fk_turn_chunks_chat_id_turn",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("chat_id", "turn", "attempt", "chunk_offset", name="pk_turn_chunks"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _create_tool_calls() -> None:
    op.create_table(
        "tool_calls",
        Column("chat_id", Id(), nullable=False),
        Column("turn", Integer(), nullable=False),
        Column("call_id", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("arguments", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("outcome", Text(), nullable=True),
        Column("created_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["chat_id", "turn"],
            ["turns.chat_id", "turns.number"],
            name="fk_tool_calls_chat_id_turn",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("chat_id", "turn", "call_id", name="pk_tool_calls"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _create_receipts() -> None:
    op.create_table(
        "receipts",
        Column("chat_id", Id(), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("turn", Integer(), nullable=False),
        Column("digest", Sha256(), nullable=False),
        Column("previous_digest", Sha256(), nullable=True),
        Column("snapshot_digest", Sha256(), nullable=True),
        Column("snapshot_id", Number, nullable=True),
        Column("content", Text(), nullable=False),
        Column("at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_receipts_chat_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name="fk_receipts_snapshot_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("chat_id", "number", name="pk_receipts"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_receipts_snapshot_id", "receipts", ["snapshot_id"], unique=False)


def _create_view() -> None:
    hex_digest = HEX_DIGEST[op.get_bind().dialect.name]
    op.execute(VIEW.format(hex_digest=hex_digest))
