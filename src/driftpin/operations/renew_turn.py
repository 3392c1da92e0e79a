"""Hold a turn for longer, and learn whether it is to stop."""

from driftpin.chat.states import ChatState
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing import turns


async def renew_turn(store: Store, actor: Actor, lease: TurnLease, *, lease_s: float) -> bool:
    """Extend the lease; return whether somebody asked the turn to stop.

    Raises LeaseLost when another worker has taken the turn over.
    """
    require_worker(actor)

    async def renew(transaction: Transaction) -> bool:
        await turns.require_lease(transaction, lease)
        await turns.extend_lease(transaction, lease, lease_s)
        chat = await turns.get_chat_row(transaction, lease.chat_id)
        return chat.state == ChatState.INTERRUPTING

    return await store.database.write_heartbeat(renew)


__all__ = ["renew_turn"]
