"""Which replica holds which agent's link, and calls to agents."""

from typing import Final

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text, text

from driftpin.store.column_types import Id, Instant

revision: Final = "0003"
down_revision: Final = "0002"


def upgrade() -> None:
    op.create_table(
        "agent_links",
        Column("agent_id", Id(), nullable=False),
        Column("link_id", Id(), nullable=False),
        Column("holder", Text(), nullable=False),
        Column("lease_until", Instant(), nullable=False),
        Column("seen_at", Instant(), nullable=False),
        PrimaryKeyConstraint("agent_id", name="pk_agent_links"),
        ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name="fk_agent_links_agent_id", ondelete="CASCADE"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_agent_links_holder", "agent_links", ["holder"])
    op.create_table(
        "agent_calls",
        Column("id", Id(), nullable=False),
        Column("agent_id", Id(), nullable=False),
        Column("method", Text(), nullable=False),
        Column("params", Text(), nullable=False),
        Column("asked_by", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("holder", Text(), nullable=True),
        Column("result", Text(), nullable=True),
        Column("error_code", Text(), nullable=True),
        Column("error_text", Text(), nullable=True),
        Column("created_at", Instant(), nullable=False),
        Column("started_at", Instant(), nullable=True),
        Column("finished_at", Instant(), nullable=True),
        PrimaryKeyConstraint("id", name="pk_agent_calls"),
        ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name="fk_agent_calls_agent_id", ondelete="CASCADE"
        ),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_agent_calls_open",
        "agent_calls",
        ["agent_id"],
        postgresql_where=text("finished_at IS NULL"),
        sqlite_where=text("finished_at IS NULL"),
    )
    op.create_index("ix_agent_calls_created_at", "agent_calls", ["created_at"])
