"""Claim a turn: one worker at a time holds it, by a lease that is fenced."""

from driftpin.errors import Forbidden
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ActorKind
from driftpin.store.database import Transaction
from driftpin.store.leases import ClaimedTurn
from driftpin.store.store import Store
from driftpin.store.writing import turns
from driftpin.store.writing.events import record_event


async def claim_turn(
    store: Store, actor: Actor, *, holder: str, lease_s: float
) -> ClaimedTurn | None:
    """Take the oldest turn that waits or whose holder has died; None when there is none.

    Only a worker may. Another claim of the same turn gets a higher fence, and whoever holds a
    lower one can write nothing more.
    """
    require_worker(actor)

    async def claim(transaction: Transaction) -> ClaimedTurn | None:
        found, others_wait = await turns.find_claimable_turn(transaction)
        if found is None:
            return None
        transaction.frees_no_turn = True
        chat = await turns.get_chat_row(transaction, found.chat_id)
        lease = await turns.take_turn(transaction, found, chat, holder, lease_s)
        await record_event(
            transaction,
            EventKind.CHAT_TURN,
            workspace_id=lease.workspace_id,
            chat_id=lease.chat_id,
            payload={"turn": lease.turn, "state": turns.RUNNING, "attempt": lease.attempt},
        )
        return ClaimedTurn(
            lease, chat, holds_pin=found.held_revision is not None, others_wait=others_wait
        )

    return await store.database.write(claim)


def require_worker(actor: Actor) -> None:
    """Refuse everybody but a worker: turns are carried out by nobody else."""
    if actor.kind is not ActorKind.WORKER:
        raise Forbidden("Only a worker of the server carries out turns.")


__all__ = ["claim_turn", "require_worker"]
