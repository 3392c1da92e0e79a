"""What people decided about what a workspace brings."""

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, Table, Text

from driftpin.store.column_types import Flag, Instant, Sha256
from driftpin.store.tables.metadata import metadata

# One decision per identity of a server; another command, argument or name has another identity.
approvals = Table(
    "approvals",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("identity", Sha256, nullable=False),
    Column("is_allowed", Flag, nullable=False),
    # Of the literal values that were there then, as the workspace's agent digests them.
    Column("keyed_digest", Text),
    Column("allows_private", Flag, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "identity"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

__all__ = ["approvals"]
