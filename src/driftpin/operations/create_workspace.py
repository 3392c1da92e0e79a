"""Add a workspace."""

from driftpin.identity import Actor
from driftpin.operations.names import accept_name
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import WorkspaceRow
from driftpin.store.writing.accounts import insert_workspace


async def create_workspace(store: Store, actor: Actor, name: str) -> WorkspaceRow:
    """Add a workspace that the acting user owns; names need not differ."""
    owner_id = require_user(actor)
    accepted = accept_name(name, "name")

    async def operation(transaction: Transaction) -> WorkspaceRow:
        return await insert_workspace(transaction, owner_id, accepted)

    return await store.database.write(operation)


__all__ = ["create_workspace"]
