"""A worker goes away, or cannot end what it began: the next worker may go on at once."""

from collections.abc import Sequence

from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing.turn_leases import free_turn


async def release_turns(store: Store, actor: Actor, leases: Sequence[TurnLease]) -> int:
    """Free the turns that these very leases still hold; return how many those were.

    What their holder is writing at this moment still counts until somebody claims the turn.
    """
    require_worker(actor)

    async def release(transaction: Transaction) -> int:
        in_order = sorted(leases, key=lambda lease: (lease.chat_id, lease.turn))
        return sum([await free_turn(transaction, lease) for lease in in_order])

    return await store.database.write(release)


__all__ = ["release_turns"]
