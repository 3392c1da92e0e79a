"""A process that owns its database alone begins with turns that nobody holds."""

from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.turn_leases import free_turns


async def forget_holders(store: Store, actor: Actor) -> int:
    """Free every turn that an earlier process held; return how many. For workers."""
    require_worker(actor)

    async def operation(transaction: Transaction) -> int:
        return await free_turns(transaction)

    return await store.database.write(operation)


__all__ = ["forget_holders"]
