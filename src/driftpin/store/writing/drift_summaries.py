"""Keeping a drift beside its two snapshots, so that it is made once."""

import json
from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import bindparam, select

from driftpin.context.drift import DRIFT_VERSION
from driftpin.context.drift_json import drift_to_json
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.drift_summaries import KnownDrift, Pair
from driftpin.store.tables import drift_summaries, snapshots

KEEP_SNAPSHOTS: Final = (
    select(snapshots.c.id)
    .where(snapshots.c.id.in_(bindparam("its_ids", expanding=True)))
    .order_by(snapshots.c.id)
    .with_for_update(read=True, key_share=True)
)


async def keep_drifts(transaction: Transaction, found: Mapping[Pair, KnownDrift]) -> None:
    """Keep the drifts that are fresh; one that another keeps at the same time is the same.

    One of whose snapshots was collected since it was made is not kept.
    """
    fresh = {pair: known.drift for pair, known in sorted(found.items()) if known.is_fresh}
    if not fresh:
        return
    there = await _keep_snapshots(transaction, {each for pair in fresh for each in pair})
    rows = [
        {
            "pin_id": pin_id,
            "head_id": head_id,
            "version": DRIFT_VERSION,
            "severity": drift.severity.value if drift.severity else None,
            "entry_count": len(drift.entries),
            "entries": json.dumps(drift_to_json(drift), separators=(",", ":")),
        }
        for (pin_id, head_id), drift in fresh.items()
        if {pin_id, head_id} <= there
    ]
    await dialect_of(transaction.connection).insert_rows(
        transaction.connection, drift_summaries, rows
    )


async def _keep_snapshots(transaction: Transaction, snapshot_ids: Collection[int]) -> set[int]:
    """Return those of the snapshots that are there, kept until the transaction ends."""
    asked = {"its_ids": sorted(snapshot_ids)}
    return set((await transaction.connection.execute(KEEP_SNAPSHOTS, asked)).scalars())


__all__ = ["keep_drifts"]
