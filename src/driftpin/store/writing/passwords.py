"""Rows of passwords: what argon2 keeps of each, never more."""

from sqlalchemy import delete, insert, select

from driftpin.identity import UserId
from driftpin.store.database import Transaction
from driftpin.store.tables import passwords


async def find_password_hash(transaction: Transaction, user_id: UserId) -> str | None:
    """Return what is kept of the user's password, None if it has none."""
    statement = select(passwords.c.password_hash).where(passwords.c.user_id == user_id)
    found: str | None = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return found


async def keep_password(transaction: Transaction, user_id: UserId, password_hash: str) -> None:
    """Keep the hash in place of the one before it."""
    await transaction.connection.execute(delete(passwords).where(passwords.c.user_id == user_id))
    await transaction.connection.execute(
        insert(passwords).values(
            user_id=user_id, password_hash=password_hash, changed_at=transaction.now
        )
    )


__all__ = ["find_password_hash", "keep_password"]
