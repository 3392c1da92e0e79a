"""What the replicas on one database tell each other through it."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from driftpin.store.column_types import Id, Instant
from driftpin.store.tables.metadata import metadata

# The one link of each connected agent. The lease is judged by the database's own time; a row whose
# lease has run out belongs to a holder that died, and says only when its agent was seen last.
agent_links = Table(
    "agent_links",
    metadata,
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("link_id", Id, nullable=False),
    Column("holder", Text, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Index("ix_agent_links_holder", "holder"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# One row per call to an agent, written before it is sent. `state` is one of `values.CallState`;
# it starts at most once, and a call that has `finished_at` never starts any more.
agent_calls = Table(
    "agent_calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column("method", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("holder", Text),
    Column("result", Text),
    Column("error_code", Text),
    Column("error_text", Text),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("progress", Text),
    Index(
        "ix_agent_calls_open",
        "agent_id",
        postgresql_where=text("finished_at IS NULL"),
        sqlite_where=text("finished_at IS NULL"),
    ),
    Index("ix_agent_calls_created_at", "created_at"),
    sqlite_strict=True,
)

__all__ = ["agent_calls", "agent_links"]
