"""Refresh every dirty chat of the caller in one workspace, in one transaction."""

from collections import defaultdict
from typing import Final

from driftpin.errors import HeadMoved
from driftpin.events.event import EventKind
from driftpin.identity import Actor, AgentId, Digest, UserId, WorkspaceId
from driftpin.operations.dirty_pins import sort_dirty
from driftpin.operations.dry_run import carry_out
from driftpin.operations.single_moves import refreshed
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import list_heads, share_workspace
from driftpin.store.writing.holds import drop_holds
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
    store: Store,
    actor: Actor,
    workspace_id: WorkspaceId,
    *,
    shown: frozenset[Digest] | None = None,
    dry_run: bool = False,
) -> tuple[PinMove, ...]:
    """Return one outcome for each of the caller's dirty chats there: moved, or left (`frozen`).

    What they held is taken too, as by any refresh without a selection. Archived chats, sub-chats
    and chats without a pin are left alone. With `dry_run` nothing is moved. Raises HeadMoved if any
    would move to another head than those that were `shown`.
    """
    owner_id = require_user(actor)

    async def refresh(transaction: Transaction) -> tuple[PinMove, ...]:
        await permit_on_workspace(transaction, actor, workspace_id, action="pin.refresh_all")
        await share_workspace(transaction, workspace_id)

        async def refresh_all(inside: Transaction) -> tuple[PinMove, ...]:
            return await _refresh(inside, actor, workspace_id, owner_id, shown)

        return await carry_out(transaction, refresh_all, dry_run=dry_run)

    return await store.database.write(refresh)


async def _refresh(
    transaction: Transaction,
    actor: Actor,
    workspace_id: WorkspaceId,
    owner_id: UserId,
    shown: frozenset[Digest] | None,
) -> tuple[PinMove, ...]:
    pins = await lock_pins(transaction, of_owner(workspace_id, owner_id))
    dirty = await sort_dirty(transaction, await _differing(transaction, pins))
    due: defaultdict[tuple[AgentId | None, SnapshotRef], list[LockedPin]] = defaultdict(list)
    for pin, head in dirty.due.items():
        due[pin.agent_id, head].append(pin)
    if not due:
        return dirty.left
    for _, head in due:
        if shown is not None and head.digest not in shown:
            raise HeadMoved(head=head.digest)
    event_id = await record_event(
        transaction,
        EventKind.CHAT_PINNED,
        workspace_id=workspace_id,
        owner_id=owner_id,
        payload={"verb": PinVerb.REFRESH.value},
    )
    for (agent_id, head), members in due.items():
        move = Move(PinVerb.REFRESH, actor, agent_id, INPUTS, event_id)
        await move_pins(transaction, [pin.chat_id for pin in members], head, move)
    await drop_holds(transaction, [pin.chat_id for pin in dirty.due])
    moved = (refreshed(pin, head) for (_, head), members in due.items() for pin in members)
    return (*moved, *dirty.left)


async def _differing(
    transaction: Transaction, pins: tuple[LockedPin, ...]
) -> dict[LockedPin, SnapshotRef]:
    """Return those of the pins that differ from their heads, with the heads."""
    heads = await list_heads(transaction, {pin.agent_id for pin in pins if pin.agent_id})
    found = {pin: heads.get(pin.agent_id) if pin.agent_id else None for pin in pins}
    return {
        pin: head for pin, head in found.items() if head is not None and head.id != pin.snapshot_id
    }


__all__ = ["refresh_workspace_chats"]
