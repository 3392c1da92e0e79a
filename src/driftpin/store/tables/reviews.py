"""Reviews of changes, and the record of each of their rounds; the documents are blobs."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from driftpin.store.column_types import Id, Instant
from driftpin.store.tables.metadata import metadata

# What is said here of the newest round is for lists; its document says it too.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("target", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("open_count", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "target"),
    sqlite_strict=True,
)

review_rounds = Table(
    "review_rounds",
    metadata,
    Column("review_id", ForeignKey("reviews.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("blob_id", ForeignKey("blobs.id", ondelete="RESTRICT"), nullable=False),
    # Which chat each reviewer answered in: an object of tasks and ids.
    Column("chats", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("review_id", "number"),
    Index("ix_review_rounds_blob_id", "blob_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

__all__ = ["review_rounds", "reviews"]
