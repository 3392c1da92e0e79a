"""Keeping a drift beside its two snapshots, so that it is made once."""

import json
from collections.abc import Mapping
from contextlib import suppress

from sqlalchemy.exc import IntegrityError

from driftpin.context.drift import DRIFT_VERSION
from driftpin.context.drift_json import drift_to_json
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.drift_summaries import KnownDrift, Pair
from driftpin.store.tables import drift_summaries


async def keep_drifts(transaction: Transaction, found: Mapping[Pair, KnownDrift]) -> None:
    """Keep the drifts that are fresh; one that another keeps at the same time is the same.

    If a snapshot of theirs was collected since they were made, none is kept.
    """
    rows = [
        {
            "pin_id": pin_id,
            "head_id": head_id,
            "version": DRIFT_VERSION,
            "severity": known.drift.severity.value if known.drift.severity else None,
            "entry_count": len(known.drift.entries),
            "entries": json.dumps(drift_to_json(known.drift), separators=(",", ":")),
        }
        for (pin_id, head_id), known in sorted(found.items())
        if known.is_fresh
    ]
    if not rows:
        return
    with suppress(IntegrityError):
        async with transaction.connection.begin_nested():
            await dialect_of(transaction.connection).insert_rows(
                transaction.connection, drift_summaries, rows
            )


__all__ = ["keep_drifts"]
