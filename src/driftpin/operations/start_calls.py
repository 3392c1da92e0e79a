"""Start calls that wait for links of one process."""

from driftpin import limits
from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.call_values import CallRow
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing import agent_calls


async def start_calls(store: Store, actor: Actor, *, holder: str) -> tuple[CallRow, ...]:
    """Return calls that are the holder's to send from now on; nobody else ever gets them.

    For workers.
    """
    require_worker(actor)

    async def operation(transaction: Transaction) -> tuple[CallRow, ...]:
        return await agent_calls.start_calls(
            transaction, holder, limits.AGENT_CALLS_STARTED_AT_ONCE_MAX
        )

    return await store.database.write(operation)


__all__ = ["start_calls"]
