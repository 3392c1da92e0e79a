"""The one statement that lets messages leave what a model is shown."""

from sqlalchemy import insert

from driftpin.chat.compaction import Compaction
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.tables import compactions


async def add_compaction(
    transaction: Transaction, lease: TurnLease, compaction: Compaction
) -> None:
    """Store a compaction that the turn made; it holds as long as the turn is not replaced."""
    await transaction.connection.execute(
        insert(compactions).values(
            chat_id=lease.chat_id,
            turn=lease.turn,
            message_count=compaction.count,
            tokens=compaction.tokens,
            summary=compaction.summary,
            at=transaction.now,
        )
    )


__all__ = ["add_compaction"]
