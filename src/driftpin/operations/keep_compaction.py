"""Let messages leave what a chat's model is shown, where no model is asked to sum them up."""

from driftpin.chat.compaction import Compaction
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing import turns
from driftpin.store.writing.compactions import add_compaction


async def keep_compaction(
    store: Store, actor: Actor, lease: TurnLease, compaction: Compaction
) -> None:
    """Keep the compaction, so that whoever goes on with the turn shows the same. LeaseLost."""
    require_worker(actor)

    async def keep(transaction: Transaction) -> None:
        await turns.require_lease(transaction, lease)
        await add_compaction(transaction, lease, compaction)

    await store.database.write(keep)


__all__ = ["keep_compaction"]
