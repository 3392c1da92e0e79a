"""What the store tells of receipts."""

from dataclasses import dataclass
from datetime import datetime

from driftpin.identity import ChatId, Digest
from driftpin.store.values import JsonObject


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """One entry of a chat's chain of receipts."""

    chat_id: ChatId
    number: int
    turn: int
    digest: Digest
    previous_digest: Digest | None
    snapshot_digest: Digest | None
    content: JsonObject
    at: datetime


__all__ = ["ReceiptRow"]
