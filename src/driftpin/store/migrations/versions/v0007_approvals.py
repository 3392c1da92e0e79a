"""What a person decided about the MCP servers of a workspace, and which snapshots have holes."""

from typing import Final

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text, text

from driftpin.store.column_types import Flag, Id, Instant, Sha256

revision: Final = "0007"
down_revision: Final = "0006"


def upgrade() -> None:
    op.create_table(
        "approvals",
        Column("workspace_id", Id(), nullable=False),
        Column("identity", Sha256(), nullable=False),
        Column("is_allowed", Flag(), nullable=False),
        Column("keyed_digest", Text(), nullable=True),
        Column("allows_private", Flag(), nullable=False),
        Column("actor", Text(), nullable=False),
        Column("at", Instant(), nullable=False),
        PrimaryKeyConstraint("workspace_id", "identity", name="pk_approvals"),
        ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_approvals_workspace_id",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_snapshots_with_holes",
        "snapshots",
        ["workspace_id", "has_holes"],
        postgresql_where=text("has_holes"),
        sqlite_where=text("has_holes"),
    )
