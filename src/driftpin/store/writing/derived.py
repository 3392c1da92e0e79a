"""Snapshots that were made for a move of some pin, found again by what history says of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from driftpin.store.database import Transaction
from driftpin.store.tables import chat_pin_history, snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.pins import PinVerb, written_inputs
from driftpin.store.writing.snapshots import REF_COLUMNS, ref_from


async def find_applied(
    transaction: Transaction, pin_id: int, inputs: Mapping[str, Any]
) -> SnapshotRef | None:
    """Return where policies moved some pin from here by these very inputs, if that is kept."""
    statement = (
        select(*REF_COLUMNS)
        .join(chat_pin_history, chat_pin_history.c.to_id == snapshots.c.id)
        .where(
            chat_pin_history.c.from_id == pin_id,
            chat_pin_history.c.verb == PinVerb.APPLY_POLICY.value,
            chat_pin_history.c.inputs == written_inputs(inputs),
        )
        .limit(1)
        .with_for_update(read=True, key_share=True, of=snapshots)
    )
    row = (await transaction.connection.execute(statement)).first()
    return None if row is None else ref_from(row)


__all__ = ["find_applied"]
