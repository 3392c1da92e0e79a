"""Heads of agents, and the locks under which they move: workspace first, then the agent.

A push takes both rows for itself. Whatever binds or hydrates a chat shares them, so a push commits
wholly before it or wholly after it. Every statement after a lock sees what was committed before.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, exists, or_, select, update

from driftpin.context.manifest import Snapshot
from driftpin.identity import AgentId, Digest, UserId, WorkspaceId
from driftpin.store.commit_fate import WITNESS_COLUMNS, witness_from
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.reading.columns import snapshot_alias, snapshot_columns, snapshot_from
from driftpin.store.tables import agent_heads, agents, events, snapshots, workspaces
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.events import inserting_event, note_event
from driftpin.store.writing.snapshots import IS_OF_DIGEST, REF_COLUMNS, ref_from
from driftpin.store.writing.together import (
    Changes,
    carry_out,
    inserting,
    parameter_of,
    row_parameters,
    together,
)

WORKSPACE_COLUMNS: Final = (
    workspaces.c.id,
    workspaces.c.owner_id,
    workspaces.c.current_agent_id,
    workspaces.c.deleted_at,
)
AGENT_COLUMNS: Final = (
    agents.c.id,
    agents.c.workspace_id,
    agents.c.deleted_at,
    agents.c.incarnation,
    agents.c.head_id,
    agents.c.head_incarnation,
    agents.c.head_seq,
    agents.c.locked_at,
)


HEAD_COLUMNS: Final = (
    "agent_id",
    "incarnation",
    "seq",
    "digest",
    "snapshot_id",
    "accepted_at",
)
SEEN_COLUMNS: Final = ("head_incarnation", "head_seq", "observations", "head_error", "seen_at")
MOVED_COLUMNS: Final = ("head_id", "head_at", *SEEN_COLUMNS)
# Statements are built once: building one costs as much as running it.
OF_AGENT: Final = agents.c.id == bindparam("its_agent_id", type_=agents.c.id.type)
OF_WORKSPACE: Final = workspaces.c.id == bindparam("its_workspace_id", type_=workspaces.c.id.type)
LOCK_FOR_PUSH: Final = (
    select(*WORKSPACE_COLUMNS, *AGENT_COLUMNS)
    .select_from(workspaces.join(agents, agents.c.workspace_id == workspaces.c.id))
    .where(OF_AGENT)
    .with_for_update(key_share=True)
)
LOCK_WORKSPACE: Final = (
    select(*WORKSPACE_COLUMNS).where(OF_WORKSPACE).with_for_update(key_share=True)
)
SHARE_WORKSPACE: Final = select(*WORKSPACE_COLUMNS).where(OF_WORKSPACE).with_for_update(read=True)
ITS_HEAD: Final = snapshot_alias("its_head")
SHARE_AGENT: Final = (
    select(*AGENT_COLUMNS, *snapshot_columns(ITS_HEAD))
    .select_from(agents.outerjoin(ITS_HEAD, ITS_HEAD.c.id == agents.c.head_id))
    .where(
        OF_AGENT,
        agents.c.workspace_id == bindparam("its_workspace_id", type_=agents.c.workspace_id.type),
    )
    .with_for_update(read=True, of=agents)
)
IS_CURRENT_ALIVE: Final = exists().where(
    agents.c.id == bindparam("its_current_agent_id", type_=agents.c.id.type),
    agents.c.deleted_at.is_(None),
)
HEAD_AND_STORED: Final = (
    select(*REF_COLUMNS, IS_CURRENT_ALIVE.label("is_current_alive"))
    .where(
        or_(
            snapshots.c.id == bindparam("its_head_id", type_=snapshots.c.id.type),
            IS_OF_DIGEST,
        )
    )
    .with_for_update(read=True, key_share=True)
)
HEAD_ID: Final = select(agents.c.head_id).where(OF_AGENT)
ALIVE: Final = select(agents.c.id).where(OF_AGENT, agents.c.deleted_at.is_(None))
UPDATE_AGENT: Final = update(agents).where(OF_AGENT)
UPDATE_WITNESSED: Final = UPDATE_AGENT.returning(*WITNESS_COLUMNS)


@dataclass(frozen=True, slots=True)
class LockedWorkspace:
    """A workspace under lock; whether it is locked for writing is the caller's knowledge."""

    id: WorkspaceId
    owner_id: UserId
    current_agent_id: AgentId | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class LockedAgent:
    """An agent under lock, with what fences its pushes."""

    id: AgentId
    workspace_id: WorkspaceId
    deleted_at: datetime | None
    incarnation: int
    head_id: int | None
    head_incarnation: int
    head_seq: int
    locked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent's head and the snapshot of a digest, both kept until the transaction ends.

    For an agent that has a head, `is_replacing_nobody` says whether its workspace's current agent
    was deleted, or there is none.
    """

    head: SnapshotRef | None
    stored: SnapshotRef | None
    is_replacing_nobody: bool


async def lock_workspace(
    transaction: Transaction, workspace_id: WorkspaceId
) -> LockedWorkspace | None:
    """Take the workspace for this transaction alone; None if there is no such workspace."""
    return await _workspace(transaction, workspace_id, is_shared=False)


async def share_workspace(
    transaction: Transaction, workspace_id: WorkspaceId
) -> LockedWorkspace | None:
    """Keep the workspace as it is until the transaction ends, beside others that do the same."""
    return await _workspace(transaction, workspace_id, is_shared=True)


async def lock_for_push(
    transaction: Transaction, agent_id: AgentId
) -> tuple[LockedWorkspace, LockedAgent] | None:
    """Take the agent's workspace, then the agent, in one statement; None if there is no agent.

    Both rows are locked and read anew after any wait, so nothing here is older than the lock.
    """
    found = await transaction.connection.execute(LOCK_FOR_PUSH, {"its_agent_id": agent_id})
    row = found.first()
    if row is None:
        return None
    width = len(WORKSPACE_COLUMNS)
    return LockedWorkspace(*row[:width]), LockedAgent(*row[width:])


async def share_agent(
    transaction: Transaction, agent_id: AgentId, workspace_id: WorkspaceId
) -> tuple[LockedAgent, SnapshotRef | None] | None:
    """Keep an agent of the workspace, which must be shared, as it is until the transaction ends.

    Returns its head too, if it has pushed: only a push moves it, and that takes the workspace.
    """
    asked = {"its_agent_id": agent_id, "its_workspace_id": workspace_id}
    row = (await transaction.connection.execute(SHARE_AGENT, asked)).first()
    if row is None:
        return None
    return LockedAgent(*row[: len(AGENT_COLUMNS)]), snapshot_from(row, ITS_HEAD)


async def find_standing(
    transaction: Transaction, workspace: LockedWorkspace, agent: LockedAgent, digest: Digest
) -> Standing:
    """Return what a push of a snapshot with this digest meets; workspace and agent are locked."""
    asked = {
        "its_head_id": agent.head_id,
        "its_workspace_id": workspace.id,
        "its_digest": digest,
        "its_current_agent_id": workspace.current_agent_id,
    }
    rows = (await transaction.connection.execute(HEAD_AND_STORED, asked)).all()
    refs = [ref_from(row) for row in rows]
    return Standing(
        head=next((ref for ref in refs if ref.id == agent.head_id), None),
        stored=next((ref for ref in refs if ref.digest == digest), None),
        is_replacing_nobody=not any(row.is_current_alive for row in rows),
    )


async def list_heads(
    transaction: Transaction, agent_ids: Collection[AgentId]
) -> dict[AgentId, SnapshotRef]:
    """Return the heads of those of the agents that have pushed and were not deleted."""
    statement = (
        select(agents.c.id.label("agent_id"), *REF_COLUMNS)
        .join(snapshots, snapshots.c.id == agents.c.head_id)
        .where(agents.c.id.in_(sorted(agent_ids)), agents.c.deleted_at.is_(None))
    )
    rows = await transaction.connection.execute(statement)
    return {row.agent_id: ref_from(row) for row in rows}


async def find_head_id(transaction: Transaction, agent_id: AgentId) -> int | None:
    """Return which snapshot an agent's head is at this moment; it is not kept from moving."""
    found = await transaction.connection.execute(HEAD_ID, {"its_agent_id": agent_id})
    return found.scalar_one_or_none()


async def is_agent_alive(transaction: Transaction, agent_id: AgentId) -> bool:
    """Whether the agent exists and was not deleted."""
    found = await transaction.connection.execute(ALIVE, {"its_agent_id": agent_id})
    return found.first() is not None


async def append_head(
    transaction: Transaction,
    agent_id: AgentId,
    head: SnapshotRef,
    *,
    incarnation: int,
    seq: int,
    observations: Mapping[str, Any],
    event: Mapping[str, Any],
) -> int:
    """Make the snapshot the agent's head, remember that it was, and record the event.

    Returns the number of the event, whose values are those of `event_values`.
    """
    row = {
        "agent_id": agent_id,
        "incarnation": incarnation,
        "seq": seq,
        "digest": head.digest,
        "snapshot_id": head.id,
        "accepted_at": transaction.now,
    }
    changed = {
        "head_id": head.id,
        "head_at": transaction.now,
        **_seen(transaction, incarnation, seq, observations),
    }
    parameters = {
        "its_agent_id": agent_id,
        **row_parameters(agent_heads, row),
        **row_parameters(agents, changed),
        **row_parameters(events, event),
    }
    written = await carry_out(transaction, _heading(transaction.engine), parameters)
    return note_event(transaction, written.one())


@lru_cache(maxsize=len(EngineKind))
def _heading(engine: EngineKind) -> Changes:
    return together(
        inserting(agent_heads, *HEAD_COLUMNS),
        UPDATE_AGENT.values({name: parameter_of(agents, name) for name in MOVED_COLUMNS}),
        inserting_event(engine),
    )


async def keep_head(
    transaction: Transaction,
    agent_id: AgentId,
    *,
    incarnation: int,
    seq: int,
    observations: Mapping[str, Any],
) -> None:
    """Note a push that brought the head again: its sequence and observations, nothing else."""
    seen = _seen(transaction, incarnation, seq, observations)
    if not transaction.is_shared:
        await _update_agent(transaction, agent_id, **seen)
        return
    values = {"its_agent_id": agent_id, **seen}
    row = (await transaction.connection.execute(UPDATE_WITNESSED, values)).one()
    transaction.witness = witness_from(row)


async def set_current_agent(
    transaction: Transaction, workspace_id: WorkspaceId, agent_id: AgentId
) -> None:
    """Make the agent the one that new chats of the workspace are bound to."""
    await transaction.connection.execute(
        update(workspaces).where(workspaces.c.id == workspace_id).values(current_agent_id=agent_id)
    )


def is_head(snapshot: Snapshot, head: SnapshotRef | None) -> bool:
    """Whether the snapshot is what the agent has as its head already."""
    return head is not None and head.digest == snapshot.digest


async def _workspace(
    transaction: Transaction, workspace_id: WorkspaceId, *, is_shared: bool
) -> LockedWorkspace | None:
    statement = SHARE_WORKSPACE if is_shared else LOCK_WORKSPACE
    found = await transaction.connection.execute(statement, {"its_workspace_id": workspace_id})
    row = found.first()
    return None if row is None else LockedWorkspace(*row)


def _seen(
    transaction: Transaction, incarnation: int, seq: int, observations: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "head_incarnation": incarnation,
        "head_seq": seq,
        "observations": json.dumps(observations, sort_keys=True, separators=(",", ":")),
        "head_error": ", ".join(str(error) for error in observations.get("errors", ())) or None,
        "seen_at": transaction.now,
    }


async def _update_agent(transaction: Transaction, agent_id: AgentId, **values: Any) -> None:
    await transaction.connection.execute(UPDATE_AGENT, {"its_agent_id": agent_id, **values})


__all__ = [
    "LockedAgent",
    "LockedWorkspace",
    "Standing",
    "append_head",
    "find_head_id",
    "find_standing",
    "is_agent_alive",
    "is_head",
    "keep_head",
    "list_heads",
    "lock_for_push",
    "lock_workspace",
    "set_current_agent",
    "share_agent",
    "share_workspace",
]
