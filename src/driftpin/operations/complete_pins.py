"""Fill the holes of pins that a head can fill: MCP servers that had not settled when pinned.

It is decided once per distinct pinned snapshot, and chats are moved set-based; those without a hole
are not looked at. What is filled in is announced as `complete` and makes no chat dirty. Sub-chats
stay as they were born.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from driftpin.context.completion import fillable_holes, filled
from driftpin.context.manifest import entry_digest
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.operations.pin_moves import Binding
from driftpin.operations.stored_snapshots import store_snapshot
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.reading.manifests import read_snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.holes import find_pinned_holes, holding, of_pinned
from driftpin.store.writing.pins import Move, PinVerb, lock_pins, move_pins
from driftpin.store.writing.snapshots import Origin


@dataclass(frozen=True, slots=True)
class Completed:
    """Chats whose pin moved, and where to."""

    chat_ids: tuple[ChatId, ...]
    target: SnapshotRef


async def complete_pins(
    transaction: Transaction,
    actor: Actor,
    workspace_id: WorkspaceId,
    binding: Binding,
    event_of: Callable[[SnapshotRef], Awaitable[int]],
    *,
    only: ChatId | None = None,
) -> tuple[Completed, ...]:
    """Complete the pins of the agent's chats, or of one of them, from its head.

    `event_of` gives the event that history rows name for chats that move to one snapshot.
    The workspace is locked or shared, and the agent too.
    """
    if binding.head is None:
        return ()
    holed = await find_pinned_holes(transaction, workspace_id, binding.agent_id, only)
    holed -= {binding.head.id}
    if not holed:
        return ()
    pairs = {(snapshot_id, binding.head.id) for snapshot_id in holed}
    drifts = await find_drifts(transaction.connection, pairs)
    await keep_drifts(transaction, drifts)
    known = await read_snapshots(transaction.connection, {*holed, binding.head.id})
    head = known[binding.head.id]
    completed = []
    for snapshot_id in sorted(holed):
        pinned = known[snapshot_id]
        sources = fillable_holes(pinned, head, drifts[snapshot_id, binding.head.id].drift)
        if not sources:
            continue
        target = await store_snapshot(
            transaction, workspace_id, filled(pinned, head, sources), {}, Origin.DERIVED
        )
        filling = {r.source: entry_digest(r) for r in head.resources if r.source in sources}
        chosen = holding(of_pinned(snapshot_id, binding.agent_id, filling), only)
        chat_ids = tuple(pin.chat_id for pin in await lock_pins(transaction, chosen))
        if chat_ids:
            inputs = {"agent_id": binding.agent_id, "sources": sorted(sources)}
            event_id = await event_of(target)
            move = Move(PinVerb.COMPLETE, actor, binding.agent_id, inputs, event_id)
            await move_pins(transaction, chat_ids, target, move)
            completed.append(Completed(chat_ids, target))
    return tuple(completed)


__all__ = ["Completed", "complete_pins"]
