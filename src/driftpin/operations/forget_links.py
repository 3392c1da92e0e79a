"""A process that owns its database alone begins without links."""

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_links import remove_links


async def forget_links(store: Store, actor: Actor) -> int:
    """Remove every link that an earlier process held; return how many. For workers."""
    require_worker(actor)

    async def operation(transaction: Transaction) -> int:
        return await remove_links(transaction)

    return await store.database.write(operation)


__all__ = ["forget_links"]
