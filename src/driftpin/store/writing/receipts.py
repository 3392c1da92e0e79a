"""Statements on receipts: a chat's chain, which only grows."""

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from driftpin.chat.receipts import ReceiptEntry, digest_of_entry, entry_from_json, entry_to_json
from driftpin.identity import ChatId
from driftpin.store.database import Transaction
from driftpin.store.tables import receipts
from driftpin.store.writing.together import (
    inserting,
    next_number,
    parameter_of,
    row_parameters,
)

_LAST: Final = (
    select(receipts.c.content, receipts.c.snapshot_id)
    .where(receipts.c.chat_id == parameter_of(receipts, "chat_id"))
    .order_by(receipts.c.number.desc())
    .limit(1)
)
_COLUMNS: Final = (
    "chat_id",
    "turn",
    "digest",
    "previous_digest",
    "snapshot_digest",
    "snapshot_id",
    "content",
    "at",
)
_ADD: Final = inserting(receipts, *_COLUMNS).values(
    number=next_number(receipts.c.number, receipts.c.chat_id)
)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry, and the snapshot that keeps its request's context stored."""

    entry: ReceiptEntry
    snapshot_id: int | None


async def find_last_entry(transaction: Transaction, chat_id: ChatId) -> StoredEntry | None:
    """Return the last entry of the chat's chain."""
    found = await transaction.connection.execute(_LAST, {"receipts_chat_id": chat_id})
    row = found.first()
    if row is None:
        return None
    return StoredEntry(entry_from_json(json.loads(row.content)), row.snapshot_id)


async def add_entry(transaction: Transaction, entry: ReceiptEntry, snapshot_id: int | None) -> None:
    """Append an entry to its chat's chain; a turn of the chat must be held."""
    row = {
        "chat_id": entry.request.chat_id,
        "turn": entry.request.turn,
        "digest": digest_of_entry(entry),
        "previous_digest": entry.previous,
        "snapshot_digest": entry.request.snapshot,
        "snapshot_id": snapshot_id,
        "content": json.dumps(entry_to_json(entry)),
        "at": transaction.now,
    }
    await transaction.connection.execute(_ADD, row_parameters(receipts, row))


__all__ = ["StoredEntry", "add_entry", "find_last_entry"]
