"""Commit the results of the calls that an answer asked for."""

from driftpin.chat.messages import Message, Role, ToolResultPart
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.operations.send_message import add_message
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing import turns


async def commit_tool_results(
    store: Store, actor: Actor, lease: TurnLease, results: tuple[ToolResultPart, ...]
) -> Message:
    """Store the results as one message and mark their calls done; return the message.

    Raises LeaseLost, and then nothing is stored.
    """
    require_worker(actor)
    message = Message(Role.TOOL, results)

    async def commit(transaction: Transaction) -> None:
        # Positions are given under the chat's lock, as for a message that is sent meanwhile.
        await turns.hold_turn(transaction, lease)
        transaction.frees_no_turn = True
        for result in results:
            outcome = result.code or ("error" if result.is_error else "ok")
            await turns.close_tool_call(transaction, lease, result.call_id, outcome)
        await add_message(transaction, lease.chat_id, lease.workspace_id, lease.turn, message)

    await store.database.write(commit)
    return message


__all__ = ["commit_tool_results"]
