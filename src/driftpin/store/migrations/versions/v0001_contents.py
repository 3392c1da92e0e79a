"""Accounts, workspaces, and the contents that agents push."""

from typing import Final

from alembic import op
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)

from driftpin.store.column_types import Bytes, Flag, Id, Instant, Number, Sha256

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    _create_deployment()
    _create_users()
    _create_workspaces()
    _create_blobs()
    _create_snapshots()
    _create_snapshot_entries()
    _create_drift_summaries()
    _create_agents()
    _create_agent_heads()
    _create_agent_runs()
    _create_tokens()
    _create_events()
    _create_idempotency_keys()
    _create_audit()


def _create_deployment() -> None:
    op.create_table(
        "deployment",
        Column("name", Text(), nullable=False),
        Column("content", Text(), nullable=False),
        PrimaryKeyConstraint("name", name="pk_deployment"),
        sqlite_strict=True,
    )


def _create_users() -> None:
    op.create_table(
        "users",
        Column("id", Id(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("is_administrator", Flag(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_users"),
        UniqueConstraint("name", name="uq_users_name"),
        sqlite_strict=True,
    )


def _create_workspaces() -> None:
    op.create_table(
        "workspaces",
        Column("id", Id(), nullable=False),
        Column("owner_id", Id(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("current_agent_id", Id(), nullable=True),
        Column("policy", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        Column("deleted_at", Instant(), nullable=True),
        ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_workspaces_owner_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("id", name="pk_workspaces"),
        sqlite_strict=True,
    )
    op.create_index("ix_workspaces_owner_id", "workspaces", ["owner_id"], unique=False)


def _create_blobs() -> None:
    op.create_table(
        "blobs",
        Column("id", Number, nullable=False),
        Column("workspace_id", Id(), nullable=False),
        Column("digest", Sha256(), nullable=False),
        Column("size_bytes", Number, nullable=False),
        Column("content", Bytes(), nullable=False),
        Column("offered_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_blobs_workspace_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("id", name="pk_blobs"),
        UniqueConstraint("workspace_id", "digest", name="uq_blobs_workspace_id_digest"),
        sqlite_strict=True,
    )


def _create_snapshots() -> None:
    op.create_table(
        "snapshots",
        Column("id", Number, nullable=False),
        Column("workspace_id", Id(), nullable=False),
        Column("digest", Sha256(), nullable=False),
        Column("manifest_blob_id", Number, nullable=False),
        Column("prompt_digest", Sha256(), nullable=False),
        Column("tools_digest", Sha256(), nullable=False),
        Column("has_holes", Flag(), nullable=False),
        Column("resource_count", Integer(), nullable=False),
        Column("size_bytes", Number, nullable=False),
        Column("origin", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["manifest_blob_id"],
            ["blobs.id"],
            name="fk_snapshots_manifest_blob_id",
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_snapshots_workspace_id",
            ondelete="RESTRICT",
        ),
        PrimaryKeyConstraint("id", name="pk_snapshots"),
        UniqueConstraint("workspace_id", "digest", name="uq_snapshots_workspace_id_digest"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_snapshots_manifest_blob_id", "snapshots", ["manifest_blob_id"], unique=False
    )


def _create_snapshot_entries() -> None:
    op.create_table(
        "snapshot_entries",
        Column("snapshot_id", Number, nullable=False),
        Column("source", Text(), nullable=False),
        Column("path", Text(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("status", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("blob_id", Number, nullable=True),
        ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name="fk_snapshot_entries_blob_id", ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name="fk_snapshot_entries_snapshot_id",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("snapshot_id", "source", "path", name="pk_snapshot_entries"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_snapshot_entries_blob_id", "snapshot_entries", ["blob_id"], unique=False)


def _create_drift_summaries() -> None:
    op.create_table(
        "drift_summaries",
        Column("pin_id", Number, nullable=False),
        Column("head_id", Number, nullable=False),
        Column("version", Integer(), nullable=False),
        Column("severity", Text(), nullable=True),
        Column("entry_count", Integer(), nullable=False),
        Column("entries", Text(), nullable=False),
        ForeignKeyConstraint(
            ["head_id"], ["snapshots.id"], name="fk_drift_summaries_head_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["pin_id"], ["snapshots.id"], name="fk_drift_summaries_pin_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("pin_id", "head_id", "version", name="pk_drift_summaries"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_drift_summaries_head_id", "drift_summaries", ["head_id"], unique=False)


def _create_agents() -> None:
    op.create_table(
        "agents",
        Column("id", Id(), nullable=False),
        Column("workspace_id", Id(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        Column("deleted_at", Instant(), nullable=True),
        Column("run_id", Text(), nullable=True),
        Column("incarnation", Number, nullable=False),
        Column("hello", Text(), nullable=True),
        Column("hello_at", Instant(), nullable=True),
        Column("head_id", Number, nullable=True),
        Column("head_incarnation", Number, nullable=False),
        Column("head_seq", Number, nullable=False),
        Column("head_at", Instant(), nullable=True),
        Column("observations", Text(), nullable=True),
        Column("head_error", Text(), nullable=True),
        Column("seen_at", Instant(), nullable=True),
        ForeignKeyConstraint(
            ["head_id"], ["snapshots.id"], name="fk_agents_head_id", ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_agents_workspace_id", ondelete="RESTRICT"
        ),
        PrimaryKeyConstraint("id", name="pk_agents"),
        sqlite_strict=True,
    )
    op.create_index("ix_agents_head_id", "agents", ["head_id"], unique=False)
    op.create_index("ix_agents_workspace_id", "agents", ["workspace_id"], unique=False)


def _create_agent_heads() -> None:
    op.create_table(
        "agent_heads",
        Column("agent_id", Id(), nullable=False),
        Column("incarnation", Number, nullable=False),
        Column("seq", Number, nullable=False),
        Column("digest", Sha256(), nullable=False),
        Column("snapshot_id", Number, nullable=True),
        Column("accepted_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name="fk_agent_heads_agent_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name="fk_agent_heads_snapshot_id",
            ondelete="RESTRICT",
        ),
        PrimaryKeyConstraint("agent_id", "incarnation", "seq", name="pk_agent_heads"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_agent_heads_digest",
        "agent_heads",
        ["agent_id", "digest", "incarnation", "seq"],
        unique=False,
    )
    op.create_index("ix_agent_heads_snapshot_id", "agent_heads", ["snapshot_id"], unique=False)


def _create_agent_runs() -> None:
    op.create_table(
        "agent_runs",
        Column("agent_id", Id(), nullable=False),
        Column("run_id", Text(), nullable=False),
        Column("incarnation", Number, nullable=False),
        ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name="fk_agent_runs_agent_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("agent_id", "run_id", name="pk_agent_runs"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        Column("id", Id(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("user_id", Id(), nullable=True),
        Column("agent_id", Id(), nullable=True),
        Column("secret_digest", Sha256(), nullable=False),
        Column("label", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        Column("expires_at", Instant(), nullable=True),
        Column("revoked_at", Instant(), nullable=True),
        CheckConstraint("(user_id IS NULL) <> (agent_id IS NULL)", name="ck_tokens_one_subject"),
        ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name="fk_tokens_agent_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_tokens_user_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_tokens"),
        UniqueConstraint("secret_digest", name="uq_tokens_secret_digest"),
        sqlite_strict=True,
    )
    op.create_index("ix_tokens_agent_id", "tokens", ["agent_id"], unique=False)
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"], unique=False)


def _create_events() -> None:
    op.create_table(
        "events",
        Column("id", Number, nullable=False),
        Column("transaction_id", Number, nullable=False),
        Column("kind", Text(), nullable=False),
        Column("workspace_id", Id(), nullable=True),
        Column("chat_id", Id(), nullable=True),
        Column("agent_id", Id(), nullable=True),
        Column("owner_id", Id(), nullable=True),
        Column("payload", Text(), nullable=False),
        Column("at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_events_workspace_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_strict=True,
    )
    op.create_index("ix_events_transaction_id_id", "events", ["transaction_id", "id"], unique=False)


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        Column("user_id", Id(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("request_digest", Sha256(), nullable=False),
        Column("response", Text(), nullable=False),
        Column("created_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_idempotency_keys_user_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("user_id", "name", name="pk_idempotency_keys"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        Column("id", Number, nullable=False),
        Column("at", Instant(), nullable=False),
        Column("actor", Text(), nullable=False),
        Column("action", Text(), nullable=False),
        Column("subject", Text(), nullable=False),
        Column("detail", Text(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_strict=True,
    )
