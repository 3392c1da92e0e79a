"""Hold the links of one process for longer."""

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_links import extend_links


async def renew_links(store: Store, actor: Actor, *, holder: str, lease_s: float) -> int:
    """Extend the lease of every link of the holder, and note that their agents live.

    For workers. Returns how many links the rows say the holder has.
    """
    require_worker(actor)

    async def operation(transaction: Transaction) -> int:
        return await extend_links(transaction, holder, lease_s)

    return await store.database.write_heartbeat(operation)


__all__ = ["renew_links"]
