"""Reviews of changes, and the record of each of their rounds."""

from typing import Final

from alembic import op
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)

from driftpin.store.column_types import Id, Instant, Number

revision: Final = "0015"
down_revision: Final = "0014"


def upgrade() -> None:
    op.create_table(
        "reviews",
        Column("id", Id(), nullable=False),
        Column("workspace_id", Id(), nullable=False),
        Column("target", Text, nullable=False),
        Column("round", Integer, nullable=False),
        Column("verdict", Text, nullable=False),
        Column("open_count", Integer, nullable=False),
        Column("created_at", Instant(), nullable=False),
        Column("updated_at", Instant(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_reviews"),
        UniqueConstraint("workspace_id", "target", name="uq_reviews_workspace_id_target"),
        ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_reviews_workspace_id",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "review_rounds",
        Column("review_id", Id(), nullable=False),
        Column("number", Integer, nullable=False),
        Column("blob_id", Number, nullable=False),
        Column("chats", Text, nullable=False),
        Column("at", Instant(), nullable=False),
        PrimaryKeyConstraint("review_id", "number", name="pk_review_rounds"),
        ForeignKeyConstraint(
            ["review_id"], ["reviews.id"], name="fk_review_rounds_review_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name="fk_review_rounds_blob_id", ondelete="RESTRICT"
        ),
        Index("ix_review_rounds_blob_id", "blob_id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
