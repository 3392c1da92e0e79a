"""The first pin of a chat that is being made: from its workspace's head, or from a snapshot.

Chats that exist already hydrate in `accept_snapshot` and `settle_pin`. The workspace is shared
before the head is read, so a push commits wholly before the new chat or wholly after it: either
way the chat has the head that was current when it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftpin.errors import Conflict
from driftpin.identity import Actor, AgentId, ChatId, WorkspaceId
from driftpin.operations.pin_moves import Binding, Settled, bind_and_pin
from driftpin.store.database import Transaction
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.heads import share_agent, share_workspace
from driftpin.store.writing.pins import LockedPin, Move, PinVerb, move_pins
from driftpin.store.writing.snapshots import find_snapshot_by_id


@dataclass(frozen=True, slots=True)
class Birth:
    """The snapshot that a chat is born on, and how its history says that it came there."""

    snapshot_id: int
    agent_id: AgentId | None
    inputs: Mapping[str, Any]


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


async def hydrate_new_chat(
    transaction: Transaction,
    actor: Actor,
    pin: LockedPin,
    current_agent_id: AgentId | None,
    event_id: int,
) -> None:
    """Bind a chat that has just been made to its workspace's agent, and pin its head.

    The workspace, whose agent this is, is shared. Without a head the chat stays unpinned; a failure
    to pin is written into its context and never fails its creation.
    """
    if current_agent_id is None:
        return
    binding = await share_binding(transaction, current_agent_id, pin.workspace_id)
    if binding is None:
        return

    async def its_event(_verb: PinVerb, _target: SnapshotRef | None) -> int:
        return event_id

    settled: Settled = await bind_and_pin(transaction, actor, [pin], binding, its_event)
    assert not settled.rebound, "a new chat was never bound"


async def pin_new_chat(
    transaction: Transaction, actor: Actor, chat_id: ChatId, birth: Birth, event_id: int
) -> None:
    """Pin a chat that has just been made to a given snapshot, whatever the head is.

    Raises Conflict (`snapshot_expired`) if the snapshot has been collected.
    """
    target = await find_snapshot_by_id(transaction, birth.snapshot_id)
    if target is None:
        raise Conflict("This snapshot is no longer kept.", code="snapshot_expired")
    move = Move(PinVerb.INHERIT, actor, birth.agent_id, birth.inputs, event_id)
    await move_pins(transaction, [chat_id], target, move)


__all__ = ["Birth", "hydrate_new_chat", "pin_new_chat", "share_binding", "share_current_binding"]
