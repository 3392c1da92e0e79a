"""Hold turns for longer, and learn which of them are lost or are to stop."""

from collections.abc import Mapping, Sequence

from driftpin.chat.states import ChatState
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing.turn_leases import extend_leases, states_of_held


async def renew_turns(
    store: Store, actor: Actor, leases: Sequence[TurnLease], *, lease_s: float
) -> Mapping[TurnLease, ChatState]:
    """Extend the leases, all at once; return what the chats of those do that were not taken over.

    One whose turn is being written at this moment is left for the next time: nobody waits for it
    here, and nobody can claim it meanwhile.
    """
    require_worker(actor)
    if not leases:
        return {}

    async def renew(transaction: Transaction) -> Mapping[TurnLease, ChatState]:
        await extend_leases(transaction, leases, lease_s)
        return await states_of_held(transaction, leases)

    return await store.database.write_heartbeat(renew)


__all__ = ["renew_turns"]
