"""Take back a call that nobody has started."""

from driftpin.identity import Actor, CallId
from driftpin.store.access import require_worker
from driftpin.store.call_values import CallState
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_calls import close_call


async def withdraw_call(store: Store, actor: Actor, call_id: CallId, error_code: str) -> bool:
    """Keep the call from ever starting; return False when it has started already. For workers."""
    require_worker(actor)

    async def operation(transaction: Transaction) -> bool:
        return await close_call(
            transaction,
            call_id,
            was=CallState.NOT_STARTED,
            state=CallState.NOT_STARTED,
            error_code=error_code,
        )

    return await store.database.write(operation)


__all__ = ["withdraw_call"]
