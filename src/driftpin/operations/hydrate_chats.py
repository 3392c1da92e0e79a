"""The first pin of a chat that is being made: from its workspace's head, or from a snapshot.

Chats that exist already hydrate in `accept_snapshot` and `settle_pin`. The workspace is shared
before the head is read, so a push commits wholly before the new chat or wholly after it: either
way the chat has the head that was current when it was made.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from driftpin.errors import Conflict
from driftpin.identity import Actor, AgentId, WorkspaceId
from driftpin.operations.pin_moves import Binding
from driftpin.store.database import Transaction
from driftpin.store.reading.manifests import SnapshotDamaged, check_intact
from driftpin.store.writing.births import Birth
from driftpin.store.writing.heads import share_agent, share_workspace
from driftpin.store.writing.pins import Move, PinVerb
from driftpin.store.writing.snapshots import find_snapshot_by_id

log = structlog.get_logger(__name__)


async def share_current_binding(
    transaction: Transaction, workspace_id: WorkspaceId
) -> Binding | None:
    """Return the workspace's current agent and its head, kept until the transaction ends.

    None if no agent has pushed yet, or the one that did was deleted.
    """
    workspace = await share_workspace(transaction, workspace_id)
    if workspace is None or workspace.current_agent_id is None:
        return None
    return await share_binding(transaction, workspace.current_agent_id, workspace_id)


async def share_binding(
    transaction: Transaction, agent_id: AgentId, workspace_id: WorkspaceId
) -> Binding | None:
    """Return an agent of the workspace, which is shared, and its head, both kept until the end.

    None if the workspace has no such agent, or no longer.
    """
    shared = await share_agent(transaction, agent_id, workspace_id)
    if shared is None or shared[0].deleted_at is not None:
        return None
    agent, head = shared
    return Binding(agent.id, head)


async def birth_on_head(
    transaction: Transaction,
    actor: Actor,
    workspace_id: WorkspaceId,
    current_agent_id: AgentId | None,
) -> Birth | None:
    """Return how a chat begins that gets its workspace's agent and head.

    The workspace, whose agent this is, is shared. Without a head the chat is only bound, and a head
    that cannot be pinned is written into its context and never fails its creation.
    """
    if current_agent_id is None:
        return None
    binding = await share_binding(transaction, current_agent_id, workspace_id)
    if binding is None:
        return None
    move = Move(PinVerb.HYDRATE, actor, binding.agent_id, {"agent_id": binding.agent_id})
    if binding.head is None:
        return Birth(move, None)
    try:
        await check_intact(transaction.connection, binding.head)
    except SnapshotDamaged as refusal:
        log.warning("pin_step_failed", code=refusal.code, chats=1, exc_info=True)
        return Birth(move, None, refusal.code)
    return Birth(move, binding.head)


async def birth_on(
    transaction: Transaction,
    actor: Actor,
    snapshot_id: int,
    agent_id: AgentId | None,
    inputs: Mapping[str, Any],
) -> Birth:
    """Return how a chat begins on a given snapshot, whatever the head is.

    Raises Conflict (`snapshot_expired`) if the snapshot has been collected.
    """
    target = await find_snapshot_by_id(transaction, snapshot_id)
    if target is None:
        raise Conflict("This snapshot is no longer kept.", code="snapshot_expired")
    return Birth(Move(PinVerb.INHERIT, actor, agent_id, inputs), target)


__all__ = ["birth_on", "birth_on_head", "share_binding", "share_current_binding"]
