"""Refresh every dirty chat of the caller in one workspace, in one transaction."""

from collections import defaultdict
from typing import Final

from driftpin.events.event import EventKind
from driftpin.identity import Actor, AgentId, WorkspaceId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import list_heads, share_workspace
from driftpin.store.writing.permits import permit_on_workspace
from driftpin.store.writing.pins import (
    LockedPin,
    Move,
    PinVerb,
    lock_pins,
    move_pins,
    of_owner,
)

INPUTS: Final = {"scope": "workspace"}


async def refresh_workspace_chats(
    store: Store, actor: Actor, workspace_id: WorkspaceId
) -> tuple[PinMove, ...]:
    """Return one outcome for each of the caller's chats there that was dirty and is not any more.

    Archived chats, sub-chats and chats without a pin are left alone.
    """
    owner_id = require_user(actor)

    async def refresh(transaction: Transaction) -> tuple[PinMove, ...]:
        await permit_on_workspace(transaction, actor, workspace_id, action="pin.refresh_all")
        await share_workspace(transaction, workspace_id)
        pins = await lock_pins(transaction, of_owner(workspace_id, owner_id))
        due = await _due(transaction, pins)
        if not due:
            return ()
        event_id = await record_event(
            transaction,
            EventKind.CHAT_PINNED,
            workspace_id=workspace_id,
            owner_id=owner_id,
            payload={"verb": PinVerb.REFRESH.value},
        )
        return await _move(transaction, actor, due, event_id)

    return await store.database.write(refresh)


async def _due(
    transaction: Transaction, pins: tuple[LockedPin, ...]
) -> dict[tuple[AgentId, SnapshotRef], list[LockedPin]]:
    heads = await list_heads(transaction, {pin.agent_id for pin in pins if pin.agent_id})
    due: defaultdict[tuple[AgentId, SnapshotRef], list[LockedPin]] = defaultdict(list)
    for pin in pins:
        head = heads.get(pin.agent_id) if pin.agent_id else None
        if head is not None and pin.agent_id and head.id != pin.snapshot_id:
            due[pin.agent_id, head].append(pin)
    return due


async def _move(
    transaction: Transaction,
    actor: Actor,
    due: dict[tuple[AgentId, SnapshotRef], list[LockedPin]],
    event_id: int,
) -> tuple[PinMove, ...]:
    for (agent_id, head), pins in due.items():
        move = Move(
            verb=PinVerb.REFRESH, actor=actor, agent_id=agent_id, event_id=event_id, inputs=INPUTS
        )
        await move_pins(transaction, [pin.chat_id for pin in pins], head, move)
    return tuple(
        PinMove(pin.chat_id, pin.revision + 1, head, moved=True, verb=PinVerb.REFRESH.value)
        for (_, head), pins in due.items()
        for pin in pins
    )


__all__ = ["refresh_workspace_chats"]
