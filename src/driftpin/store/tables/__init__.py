"""The tables, once, for both engines (design.md §4). Migrations must add up to exactly this."""

from driftpin.store.tables.chats import chat_holds, chat_pin_history, chat_pins, chat_shares, chats
from driftpin.store.tables.contents import (
    agent_heads,
    agent_runs,
    agents,
    audit,
    blobs,
    deployment,
    drift_summaries,
    events,
    idempotency_keys,
    passwords,
    snapshot_entries,
    snapshots,
    tokens,
    users,
    workspace_usage,
    workspaces,
)
from driftpin.store.tables.metadata import metadata
from driftpin.store.tables.replicas import agent_calls, agent_links
from driftpin.store.tables.reviews import review_rounds, reviews
from driftpin.store.tables.trust import approvals
from driftpin.store.tables.turns import (
    chat_tools,
    compactions,
    messages,
    receipts,
    tool_calls,
    turn_chunks,
    turns,
)

__all__ = [
    "agent_calls",
    "agent_heads",
    "agent_links",
    "agent_runs",
    "agents",
    "approvals",
    "audit",
    "blobs",
    "chat_holds",
    "chat_pin_history",
    "chat_pins",
    "chat_shares",
    "chat_tools",
    "chats",
    "compactions",
    "deployment",
    "drift_summaries",
    "events",
    "idempotency_keys",
    "messages",
    "metadata",
    "passwords",
    "receipts",
    "review_rounds",
    "reviews",
    "snapshot_entries",
    "snapshots",
    "tokens",
    "tool_calls",
    "turn_chunks",
    "turns",
    "users",
    "workspace_usage",
    "workspaces",
]
