"""Pause the context sync of the whole deployment, or resume it."""

from driftpin.identity import Actor
from driftpin.store.access import require_administrator
from driftpin.store.database import Transaction
from driftpin.store.reading.pulse import SYNC, SyncState, write_sync
from driftpin.store.store import Store
from driftpin.store.writing.accounts import put_fact
from driftpin.store.writing.audit import record_audit


async def pause_sync(store: Store, actor: Actor, *, is_paused: bool) -> SyncState:
    """Pause or resume, for administrators; every replica obeys within moments.

    While it is paused no push is accepted; what is pinned stays readable and pins can be moved.
    """
    require_administrator(actor)

    async def operation(transaction: Transaction) -> SyncState:
        state = SyncState(is_paused, transaction.now)
        await put_fact(transaction, SYNC, write_sync(state))
        action = "pause_sync" if is_paused else "resume_sync"
        await record_audit(transaction, actor, action, "deployment")
        transaction.has_events = True
        return state

    return await store.database.write(operation)


__all__ = ["pause_sync"]
