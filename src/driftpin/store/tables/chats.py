"""Chats, their pins, and who may see them.

A chat's pin is one row with one reference; `chats` has no context column at all.
"""

from typing import Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from driftpin.store.column_types import Flag, Id, Instant, Number, Sha256
from driftpin.store.tables.metadata import metadata

BY_PERSONS: Final = "verb IN ('refresh', 'roll_back')"

chats = Table(
    "chats",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="RESTRICT"), nullable=False),
    Column("owner_id", ForeignKey("users.id", ondelete="RESTRICT"), nullable=False),
    # A sub-chat has a parent; a fork has an origin. Both may be deleted before it.
    Column("parent_id", ForeignKey("chats.id", ondelete="SET NULL")),
    Column("forked_from_id", ForeignKey("chats.id", ondelete="SET NULL")),
    Column("title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("policy", Text),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("archived_at", Instant),
    # Whether its model may start sub-chats, and what it is told to be.
    Column("may_spawn", Flag, nullable=False),
    Column("role", Text),
    # JSON: the policies for single kinds of resources.
    Column("kind_policies", Text),
    Index("ix_chats_workspace_id", "workspace_id"),
    Index("ix_chats_owner_id_created_at_id", "owner_id", "created_at", "id"),
    Index("ix_chats_parent_id", "parent_id"),
    Index("ix_chats_forked_from_id", "forked_from_id"),
    sqlite_strict=True,
)

# One narrow row per chat. No snapshot is the one way to write "never pinned".
chat_pins = Table(
    "chat_pins",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("workspace_id", Id, nullable=False),
    # No foreign key: a pin outlives the agent it came from.
    Column("agent_id", Id),
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("revision", Number, nullable=False),
    Column("pinned_at", Instant),
    # Archived chats receive nothing; kept here so that a push need not read chats.
    Column("is_archived", Flag, nullable=False),
    Column("error", Text),
    Index("ix_chat_pins_agent_id_chat_id", "agent_id", "chat_id"),
    Index("ix_chat_pins_workspace_id", "workspace_id"),
    Index("ix_chat_pins_snapshot_id", "snapshot_id"),
    # A push looks only at these two, so its cost does not grow with the chats that are pinned.
    Index(
        "ix_chat_pins_unpinned",
        "agent_id",
        "is_archived",
        postgresql_where=text("snapshot_id IS NULL"),
        sqlite_where=text("snapshot_id IS NULL"),
    ),
    Index(
        "ix_chat_pins_unbound",
        "workspace_id",
        "is_archived",
        postgresql_where=text("agent_id IS NULL"),
        sqlite_where=text("agent_id IS NULL"),
    ),
    sqlite_strict=True,
)

chat_pin_history = Table(
    "chat_pin_history",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("revision", Number, nullable=False),
    Column("verb", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("from_digest", Sha256),
    Column("from_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("to_digest", Sha256),
    Column("to_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("agent_id", Id),
    Column("actor", Text, nullable=False),
    # The event of the operation; not a foreign key, since events go after a shorter time.
    Column("event_id", Number, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("chat_id", "revision"),
    Index("ix_chat_pin_history_from_id", "from_id"),
    Index("ix_chat_pin_history_to_id", "to_id"),
    Index("ix_chat_pin_history_event_id", "event_id"),
    # The last refresh or roll-back of a chat, which decides whether its policy is in force.
    Index(
        "ix_chat_pin_history_by_persons",
        "chat_id",
        "revision",
        postgresql_where=text(BY_PERSONS),
        sqlite_where=text(BY_PERSONS),
    ),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# What a chat keeps as it is although its head has something else: no drift while the head still
# lists under the source what it did then. The digest is that of the head's entry, null if the head
# listed nothing there; it refers to no snapshot, so a hold keeps none.
chat_holds = Table(
    "chat_holds",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", Text),
    Column("held_by", Text, nullable=False),
    Column("held_at", Instant, nullable=False),
    PrimaryKeyConstraint("chat_id", "source"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

chat_shares = Table(
    "chat_shares",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # read or update
    Column("access", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("chat_id", "user_id"),
    Index("ix_chat_shares_user_id", "user_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

__all__ = ["chat_holds", "chat_pin_history", "chat_pins", "chat_shares", "chats"]
