"""The audit: who did what to whose things."""

import json

from sqlalchemy import insert

from driftpin.identity import Actor
from driftpin.store.database import Transaction
from driftpin.store.tables import audit


async def record_audit(
    transaction: Transaction, actor: Actor, action: str, subject: str, **detail: str
) -> None:
    """Add a row; it commits or rolls back with what it tells of."""
    await transaction.connection.execute(
        insert(audit).values(
            at=transaction.now,
            actor=actor.name,
            action=action,
            subject=subject,
            detail=json.dumps(detail, sort_keys=True),
        )
    )


__all__ = ["record_audit"]
