"""Roll a chat back to a snapshot that it ran on before.

The history row is what sets the chat's policy to `pin` until its next refresh: the policy in force
follows from the newest of the two (`store.reading.policies`), so no row of `chats` is touched.
"""

from driftpin.errors import Conflict, Rejected, Unavailable
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, ChatId, Digest
from driftpin.operations.dry_run import foresee
from driftpin.operations.refresh_context import LOOKS_MAX
from driftpin.operations.single_moves import (
    Intent,
    refuse_archived,
    refuse_sub_chat,
    try_move,
    unmoved,
)
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access, PinMove, SnapshotRef
from driftpin.store.writing.permits import permit_on_chat
from driftpin.store.writing.pins import PinVerb
from driftpin.store.writing.seen_pins import find_in_history, see_pin
from driftpin.store.writing.snapshots import find_snapshot_by_id


async def roll_back_context(
    store: Store, actor: Actor, chat_id: ChatId, to: Digest, *, dry_run: bool = False
) -> PinMove:
    """Pin the chat to an earlier snapshot of its own; with `dry_run` nothing is moved.

    Raises Rejected (`not_in_history`), Conflict (`snapshot_expired`, `chat_archived`, `sub_chat`).
    """
    require_user(actor)

    async def roll_back(transaction: Transaction) -> PinMove:
        if not dry_run:
            return await roll_back_in(transaction, actor, chat_id, to)
        await permit_on_chat(transaction, actor, chat_id, Access.UPDATE, action="pin.roll_back")
        return await foresee(transaction, lambda inside: roll_back_in(inside, actor, chat_id, to))

    move = await store.database.write(roll_back)
    await store.database.reach(Failpoint.MOVE_POST_COMMIT)
    return move


async def roll_back_in(
    transaction: Transaction, actor: Actor, chat_id: ChatId, to: Digest
) -> PinMove:
    """Do the same inside a transaction of the caller's."""
    for _ in range(LOOKS_MAX):
        seen = await see_pin(transaction, actor, chat_id, action="pin.roll_back")
        refuse_archived(seen.pin)
        refuse_sub_chat(seen.pin)
        if seen.snapshot is not None and seen.snapshot.digest == to:
            return unmoved(seen, PinVerb.ROLL_BACK)
        target = await _earlier(transaction, chat_id, to)
        await transaction.reach(Failpoint.MOVE_READ_HEAD)
        intent = Intent(actor, PinVerb.ROLL_BACK, {"to": to, "policy": "pin"})
        moved = await try_move(transaction, seen, target, intent)
        if moved is not None:
            return moved.move
    raise Unavailable("The pin is being moved by others; try again.", code="storage_busy")


async def _earlier(transaction: Transaction, chat_id: ChatId, to: Digest) -> SnapshotRef:
    was_pinned, snapshot_id = await find_in_history(transaction.connection, chat_id, to)
    if not was_pinned:
        raise Rejected("This chat never ran on that snapshot.", code="not_in_history", to=to)
    target = None if snapshot_id is None else await find_snapshot_by_id(transaction, snapshot_id)
    if target is None:
        raise Conflict("This snapshot is no longer kept.", code="snapshot_expired", to=to)
    return target


__all__ = ["roll_back_context", "roll_back_in"]
