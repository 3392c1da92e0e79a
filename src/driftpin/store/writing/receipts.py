"""Statements on receipts: a chat's chain, which only grows."""

import json
from dataclasses import dataclass

from sqlalchemy import insert, select

from driftpin.chat.receipts import ReceiptEntry, digest_of_entry, entry_from_json, entry_to_json
from driftpin.identity import ChatId
from driftpin.store.database import Transaction
from driftpin.store.tables import receipts


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its number, and the snapshot that keeps its request's context stored."""

    number: int
    entry: ReceiptEntry
    snapshot_id: int | None


async def find_last_entry(transaction: Transaction, chat_id: ChatId) -> StoredEntry | None:
    """Return the last entry of the chat's chain."""
    statement = (
        select(receipts.c.number, receipts.c.content, receipts.c.snapshot_id)
        .where(receipts.c.chat_id == chat_id)
        .order_by(receipts.c.number.desc())
        .limit(1)
    )
    row = (await transaction.connection.execute(statement)).first()
    if row is None:
        return None
    return StoredEntry(row.number, entry_from_json(json.loads(row.content)), row.snapshot_id)


async def add_entry(
    transaction: Transaction, number: int, entry: ReceiptEntry, snapshot_id: int | None
) -> None:
    """Append an entry; `number` must be one more than that of the last."""
    await transaction.connection.execute(
        insert(receipts).values(
            chat_id=entry.request.chat_id,
            number=number,
            turn=entry.request.turn,
            digest=digest_of_entry(entry),
            previous_digest=entry.previous,
            snapshot_digest=entry.request.snapshot,
            snapshot_id=snapshot_id,
            content=json.dumps(entry_to_json(entry)),
            at=transaction.now,
        )
    )


__all__ = ["StoredEntry", "add_entry", "find_last_entry"]
