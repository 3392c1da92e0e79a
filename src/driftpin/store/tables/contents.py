"""Accounts, workspaces, and what agents push.

Bodies are kept once per workspace: blobs and snapshots never leave it, so nothing is shared across
tenants and nobody can ask what another tenant has.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from driftpin.store.column_types import Bytes, Flag, Id, Instant, Number, Sha256
from driftpin.store.tables.metadata import metadata

# One row per fact about the deployment: `restore_epoch`, `signing_key`, ….
deployment = Table(
    "deployment",
    metadata,
    Column("name", Text, primary_key=True),
    Column("content", Text, nullable=False),
    sqlite_strict=True,
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("is_administrator", Flag, nullable=False),
    Column("created_at", Instant, nullable=False),
    sqlite_strict=True,
)

# Of users who sign in without a token; a user may have none.
passwords = Table(
    "passwords",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    sqlite_strict=True,
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", ForeignKey("users.id", ondelete="RESTRICT"), nullable=False),
    Column("name", Text, nullable=False),
    # The agent whose push was accepted last; enrolling one replaces nobody.
    Column("current_agent_id", Id),
    Column("policy", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    # JSON: those for single kinds of resources.
    Column("kind_policies", Text),
    Index("ix_workspaces_owner_id", "owner_id"),
    sqlite_strict=True,
)

blobs = Table(
    "blobs",
    metadata,
    Column("id", Number, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="RESTRICT"), nullable=False),
    Column("digest", Sha256, nullable=False),
    Column("size_bytes", Number, nullable=False),
    # As it came: PostgreSQL is told not to compress it (v0016).
    Column("content", Bytes, nullable=False),
    # Renewed when the blob is offered again; an unreferenced one goes after its grace time.
    Column("offered_at", Instant, nullable=False),
    # About how many tokens it takes as text; null for one that an earlier release stored.
    Column("tokens", Number),
    UniqueConstraint("workspace_id", "digest"),
    sqlite_strict=True,
)

# What all blobs of a workspace come to; a row comes with the first of them.
workspace_usage = Table(
    "workspace_usage",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("blob_bytes", Number, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Number, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="RESTRICT"), nullable=False),
    Column("digest", Sha256, nullable=False),
    Column("manifest_blob_id", ForeignKey("blobs.id", ondelete="RESTRICT"), nullable=False),
    Column("prompt_digest", Sha256, nullable=False),
    Column("tools_digest", Sha256, nullable=False),
    Column("has_holes", Flag, nullable=False),
    Column("resource_count", Integer, nullable=False),
    Column("size_bytes", Number, nullable=False),
    # One of `writing.snapshots.Origin`.
    Column("origin", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "digest"),
    Index("ix_snapshots_manifest_blob_id", "manifest_blob_id"),
    # A push looks for pins with holes among these few.
    Index(
        "ix_snapshots_with_holes",
        "workspace_id",
        "has_holes",
        postgresql_where=text("has_holes"),
        sqlite_where=text("has_holes"),
    ),
    sqlite_strict=True,
)

# One row per named blob, and one without a blob for a resource that names none.
snapshot_entries = Table(
    "snapshot_entries",
    metadata,
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="CASCADE"), nullable=False),
    Column("source", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("blob_id", ForeignKey("blobs.id", ondelete="RESTRICT")),
    PrimaryKeyConstraint("snapshot_id", "source", "path"),
    Index("ix_snapshot_entries_blob_id", "blob_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

drift_summaries = Table(
    "drift_summaries",
    metadata,
    Column("pin_id", ForeignKey("snapshots.id", ondelete="CASCADE"), nullable=False),
    Column("head_id", ForeignKey("snapshots.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("severity", Text),
    Column("entry_count", Integer, nullable=False),
    # The entries as JSON: everything but bodies.
    Column("entries", Text, nullable=False),
    PrimaryKeyConstraint("pin_id", "head_id", "version"),
    Index("ix_drift_summaries_head_id", "head_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

agents = Table(
    "agents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="RESTRICT"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    # What the newest hello said; the incarnation is the fencing number that it was given.
    Column("run_id", Text),
    Column("incarnation", Number, nullable=False),
    Column("hello", Text),
    Column("hello_at", Instant),
    # The newest accepted push.
    Column("head_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("head_incarnation", Number, nullable=False),
    Column("head_seq", Number, nullable=False),
    Column("head_at", Instant),
    Column("observations", Text),
    # What the observations of that push call wrong, as a chat's context shows it.
    Column("head_error", Text),
    Column("seen_at", Instant),
    # Since when no run of it gets in, because two of them took over from each other.
    Column("locked_at", Instant),
    Index("ix_agents_workspace_id", "workspace_id"),
    Index("ix_agents_head_id", "head_id"),
    sqlite_strict=True,
)

# The incarnation that each run of an agent was given, so that an overtaken run stays overtaken.
agent_runs = Table(
    "agent_runs",
    metadata,
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column("run_id", Text, nullable=False),
    Column("incarnation", Number, nullable=False),
    # When it took over from a run that may have been alive.
    Column("took_over_at", Instant),
    PrimaryKeyConstraint("agent_id", "run_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    # One of `credentials.TokenKind`.
    Column("kind", Text, nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE")),
    Column("secret_digest", Sha256, nullable=False, unique=True),
    Column("label", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    CheckConstraint("(user_id IS NULL) <> (agent_id IS NULL)", name="one_subject"),
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_agent_id", "agent_id"),
    sqlite_strict=True,
)

# Ordered by (transaction_id, id): PostgreSQL commits sequence numbers out of order, so a reader
# stops below the oldest transaction still running (store.event_order).
events = Table(
    "events",
    metadata,
    Column("id", Number, primary_key=True),
    Column("transaction_id", Number, nullable=False),
    Column("kind", Text, nullable=False),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE")),
    Column("chat_id", Id),
    Column("agent_id", Id),
    # Who may read it although its chat is gone.
    Column("owner_id", Id),
    # Small: ids, digests, revisions; never bodies.
    Column("payload", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_events_transaction_id_id", "transaction_id", "id"),
    sqlite_strict=True,
)

# Every head that was ever accepted, append-only; the reference goes after retention.
agent_heads = Table(
    "agent_heads",
    metadata,
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column("incarnation", Number, nullable=False),
    Column("seq", Number, nullable=False),
    Column("digest", Sha256, nullable=False),
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="RESTRICT")),
    Column("accepted_at", Instant, nullable=False),
    PrimaryKeyConstraint("agent_id", "incarnation", "seq"),
    Index("ix_agent_heads_snapshot_id", "snapshot_id"),
    # Since when a pin differs from the heads is one look-up.
    Index("ix_agent_heads_digest", "agent_id", "digest", "incarnation", "seq"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("request_digest", Sha256, nullable=False),
    Column("response", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("user_id", "name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Number, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_strict=True,
)

__all__ = [
    "agent_heads",
    "agent_runs",
    "agents",
    "audit",
    "blobs",
    "deployment",
    "drift_summaries",
    "events",
    "idempotency_keys",
    "passwords",
    "snapshot_entries",
    "snapshots",
    "tokens",
    "users",
    "workspace_usage",
    "workspaces",
]
