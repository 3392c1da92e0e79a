"""End calls whose holder has died."""

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing import agent_calls


async def close_lost_calls(store: Store, actor: Actor) -> int:
    """End calls that nobody can be at work on any more, and return how many; for workers.

    One that was started is `unknown` from then on and never runs again.
    """
    require_worker(actor)

    async def operation(transaction: Transaction) -> int:
        return await agent_calls.close_lost_calls(transaction)

    return await store.database.write(operation)


__all__ = ["close_lost_calls"]
