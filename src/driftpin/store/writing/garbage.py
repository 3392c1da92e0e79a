"""Letting go of what retention has passed, and removing what nothing names any more.

The foreign keys decide: a row that is named cannot be removed. Rows that somebody holds at this
moment are passed over, so nobody who pins waits for the collector; one that comes to be named
between the look and the removal makes the removal fail, and the next look leaves it out.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    Update,
    and_,
    delete,
    exists,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from driftpin.failpoints import Failpoint
from driftpin.identity import WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.tables import (
    agent_heads,
    agents,
    blobs,
    chat_pin_history,
    chat_pins,
    receipts,
    review_rounds,
    snapshot_entries,
    snapshots,
    turns,
)
from driftpin.store.writing.usage import count_usage

LOOKS_MAX: Final = 3


async def release_heads(transaction: Transaction, *, before: datetime, limit: int) -> int:
    """Drop the references of old heads that were replaced, and the heads of deleted agents."""
    is_present = exists().where(
        agents.c.id == agent_heads.c.agent_id,
        agents.c.head_id == agent_heads.c.snapshot_id,
        agents.c.deleted_at.is_(None),
    )
    is_old = and_(
        agent_heads.c.snapshot_id.is_not(None), agent_heads.c.accepted_at < before, ~is_present
    )
    released = await _release(
        transaction, agent_heads, is_old, limit, update(agent_heads).values(snapshot_id=None)
    )
    is_gone = and_(agents.c.head_id.is_not(None), agents.c.deleted_at < before)
    return released + await _release(
        transaction, agents, is_gone, limit, update(agents).values(head_id=None)
    )


async def release_history(transaction: Transaction, *, before: datetime, limit: int) -> int:
    """Drop the references of old history rows, receipts and turns; their digests stay."""
    is_old_move = and_(
        chat_pin_history.c.at < before,
        or_(chat_pin_history.c.from_id.is_not(None), chat_pin_history.c.to_id.is_not(None)),
    )
    is_old_receipt = and_(receipts.c.at < before, receipts.c.snapshot_id.is_not(None))
    is_old_turn = and_(turns.c.finished_at < before, turns.c.snapshot_id.is_not(None))
    emptied = (
        (chat_pin_history, is_old_move, {"from_id": None, "to_id": None}),
        (receipts, is_old_receipt, {"snapshot_id": None}),
        (turns, is_old_turn, {"snapshot_id": None}),
    )
    return sum(
        [
            await _release(transaction, table, is_old, limit, update(table).values(**values))
            for table, is_old, values in emptied
        ]
    )


async def remove_snapshots(transaction: Transaction, *, before: datetime, limit: int) -> int:
    """Remove snapshots that were made before and that nothing names, with their entries."""
    naming = (
        agents.c.head_id,
        agent_heads.c.snapshot_id,
        chat_pins.c.snapshot_id,
        chat_pin_history.c.from_id,
        chat_pin_history.c.to_id,
        receipts.c.snapshot_id,
        turns.c.snapshot_id,
    )
    chosen = (
        select(snapshots.c.id)
        .where(
            snapshots.c.created_at < before,
            *(~exists().where(column == snapshots.c.id) for column in naming),
        )
        .order_by(snapshots.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return len(await _remove(transaction, snapshots, chosen, snapshots.c.id))


async def remove_blobs(transaction: Transaction, *, before: datetime, limit: int) -> int:
    """Remove blobs that were last offered before and that no snapshot or review names."""
    naming = (
        snapshot_entries.c.blob_id,
        snapshots.c.manifest_blob_id,
        review_rounds.c.blob_id,
    )
    chosen = (
        select(blobs.c.id)
        .where(
            blobs.c.offered_at < before,
            *(~exists().where(column == blobs.c.id) for column in naming),
        )
        .order_by(blobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    kept = (blobs.c.workspace_id, blobs.c.size_bytes)
    removed = await _remove(transaction, blobs, chosen, *kept)
    freed: Counter[WorkspaceId] = Counter()
    for row in removed:
        freed[row.workspace_id] -= row.size_bytes
    await count_usage(transaction, freed)
    return len(removed)


async def _release(
    transaction: Transaction,
    table: Table,
    is_old: ColumnElement[bool],
    limit: int,
    emptying: Update,
) -> int:
    key = tuple(table.primary_key.columns)
    chosen = select(*key).where(is_old).limit(limit).with_for_update(skip_locked=True)
    rows = (await transaction.connection.execute(chosen)).all()
    if not rows:
        return 0
    place = tuple_(*key) if len(key) > 1 else key[0]
    values = [tuple(row) for row in rows] if len(key) > 1 else [row[0] for row in rows]
    await transaction.connection.execute(emptying.where(place.in_(values)))
    return len(rows)


async def _remove(
    transaction: Transaction, table: Table, chosen: Select[Any], *told: ColumnElement[Any]
) -> Sequence[Row[Any]]:
    """Remove what is chosen, and return these columns of it.

    A row that was named meanwhile makes it choose again, or leave off.
    """
    for _ in range(LOOKS_MAX):
        with suppress(IntegrityError):
            async with transaction.connection.begin_nested():
                ids = list((await transaction.connection.execute(chosen)).scalars())
                if not ids:
                    return ()
                await transaction.reach(Failpoint.GC_MARK)
                removing = delete(table).where(table.c.id.in_(ids)).returning(*told)
                removed = (await transaction.connection.execute(removing)).all()
                await transaction.reach(Failpoint.GC_SWEEP)
                return removed
    return ()


__all__ = ["release_heads", "release_history", "remove_blobs", "remove_snapshots"]
