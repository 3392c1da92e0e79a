"""Make the drifts that an agent's chats have from its head, once per distinct pin, and keep them.

Nothing depends on it: a drift that was not kept is made by whoever reads it. The server calls this
after `agent.head`, so that lists need not.
"""

from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, AgentId
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import (
    KnownDrift,
    Pair,
    find_drifts,
    list_missing_pairs,
    look_until_kept,
)
from driftpin.store.store import Store
from driftpin.store.writing.drift_summaries import keep_drifts

PAIRS_PER_RUN_MAX = 100


async def keep_drift(store: Store, actor: Actor, agent_id: AgentId) -> int:
    """Return how many drifts were made and kept; for workers.

    They are made outside any writing transaction, so they hold up nobody.
    """
    require_worker(actor)
    async with store.database.read() as connection:

        async def look() -> dict[Pair, KnownDrift]:
            pairs = await list_missing_pairs(connection, agent_id, PAIRS_PER_RUN_MAX)
            return await find_drifts(connection, pairs)

        made = await look_until_kept(look)
    if not made:
        return 0

    async def keep(transaction: Transaction) -> None:
        await keep_drifts(transaction, made)
        await transaction.reach(Failpoint.PUSH_DIRTY)

    await store.database.write(keep)
    return len(made)


__all__ = ["keep_drift"]
