"""Add a user."""

from driftpin.identity import Actor, ActorKind
from driftpin.operations.names import accept_name
from driftpin.store.access import require_administrator
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import UserRow
from driftpin.store.writing.accounts import insert_user
from driftpin.store.writing.audit import record_audit


async def create_user(
    store: Store, actor: Actor, name: str, *, is_administrator: bool = False
) -> UserRow:
    """Add a user; for administrators, and for the server itself on its first start.

    Raises Conflict (`name_taken`).
    """
    if actor.kind is not ActorKind.WORKER:
        require_administrator(actor)
    accepted = accept_name(name, "name")

    async def operation(transaction: Transaction) -> UserRow:
        user = await insert_user(transaction, accepted, is_administrator=is_administrator)
        await record_audit(transaction, actor, "create_user", f"user:{user.id}")
        return user

    return await store.database.write(operation)


__all__ = ["create_user"]
