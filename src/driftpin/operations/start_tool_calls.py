"""Start the calls that an answer asked for: each at most once, whatever becomes of its worker."""

from collections.abc import Sequence

from driftpin.chat.messages import ToolCallPart
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing import turns


async def start_tool_calls(
    store: Store, actor: Actor, lease: TurnLease, calls: Sequence[ToolCallPart]
) -> frozenset[str]:
    """Return the ids of the calls that are to be carried out now; they count as started.

    The others were started by a worker that went away before it committed their results: whether
    they were carried out is unknown, and they are not carried out again. Raises LeaseLost, and then
    nothing is started.
    """
    require_worker(actor)

    async def start(transaction: Transaction) -> frozenset[str]:
        await turns.hold_turn(transaction, lease)
        return await turns.start_tool_calls(transaction, lease, [call.call_id for call in calls])

    return await store.database.write(start)


__all__ = ["start_tool_calls"]
