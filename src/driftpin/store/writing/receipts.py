"""Statements on receipts: a chat's chain, which only grows."""

import json

from sqlalchemy import insert, select

from driftpin.chat.receipts import ReceiptEntry, digest_of_entry, entry_from_json, entry_to_json
from driftpin.identity import ChatId
from driftpin.store.database import Transaction
from driftpin.store.tables import receipts


async def find_last_entry(
    transaction: Transaction, chat_id: ChatId
) -> tuple[int, ReceiptEntry] | None:
    """Return the number and the content of the chain's last entry."""
    statement = (
        select(receipts.c.number, receipts.c.content)
        .where(receipts.c.chat_id == chat_id)
        .order_by(receipts.c.number.desc())
        .limit(1)
    )
    row = (await transaction.connection.execute(statement)).first()
    return None if row is None else (row.number, entry_from_json(json.loads(row.content)))


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


__all__ = ["add_entry", "find_last_entry"]
