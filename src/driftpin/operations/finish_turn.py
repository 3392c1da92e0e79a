"""End a turn: done, failed or interrupted; the next message in the queue goes on."""

from driftpin.chat.states import ChatState, ChatVerb, next_state
from driftpin.events.event import EventKind
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.turn_values import UNFINISHED
from driftpin.store.values import TurnState
from driftpin.store.writing import turns
from driftpin.store.writing.events import record_event


async def finish_turn(
    store: Store, actor: Actor, lease: TurnLease, end: TurnState, *, error: str | None = None
) -> None:
    """Close the turn and give the chat its next state; `error` says why a turn failed.

    Raises LeaseLost when another worker has taken the turn over.
    """
    require_worker(actor)
    assert end not in UNFINISHED, "an end is an end"

    async def finish(transaction: Transaction) -> None:
        state = await turns.hold_turn(transaction, lease)
        await finish_in(transaction, lease, state, end, error)

    await store.database.write(finish)


async def finish_in(
    transaction: Transaction,
    lease: TurnLease,
    state: ChatState,
    end: TurnState,
    error: str | None = None,
) -> None:
    """Do the same inside a transaction that has the chat in this state, and the lease."""
    await turns.close_turn(transaction, lease, end.value, error)
    verb = ChatVerb.FAIL if end is TurnState.FAILED else ChatVerb.FINISH
    following = next_state(state, verb)
    has_waiting, has_parent = await turns.who_waits(transaction, lease.chat_id)
    if has_waiting:
        following = next_state(following, ChatVerb.START)
    transaction.frees_no_turn = not has_waiting and not has_parent
    shown = error if following is ChatState.ERROR else None
    await turns.set_chat_state(transaction, lease.chat_id, following, shown)
    await record_event(
        transaction,
        EventKind.CHAT_TURN,
        workspace_id=lease.workspace_id,
        chat_id=lease.chat_id,
        payload={"turn": lease.turn, "state": end.value, "error": error},
    )


__all__ = ["finish_in", "finish_turn"]
