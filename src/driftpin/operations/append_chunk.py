"""Keep a batch of streamed text, so that a lost connection can resume on any replica."""

from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.turn_values import StreamedText
from driftpin.store.writing import turns


async def append_chunk(store: Store, actor: Actor, lease: TurnLease, batch: StreamedText) -> None:
    """Store words of this attempt. Raises LeaseLost."""
    require_worker(actor)

    async def append(transaction: Transaction) -> None:
        await turns.require_lease(transaction, lease)
        await turns.add_chunk(transaction, lease, batch)
        transaction.frees_no_turn = True

    await store.database.write(append)


__all__ = ["append_chunk"]
