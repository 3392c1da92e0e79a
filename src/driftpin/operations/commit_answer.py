"""Commit what a model answered: its message, its calls, and the outcome in the receipt."""

from driftpin.chat.compaction import Compaction
from driftpin.chat.messages import Message
from driftpin.chat.receipts import Outcome, ReceiptEntry, outcome_entry
from driftpin.chat.tokens import TokenCounts
from driftpin.identity import Actor
from driftpin.operations.claim_turn import require_worker
from driftpin.operations.finish_turn import finish_in
from driftpin.operations.send_message import add_message
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.turn_values import StreamedText
from driftpin.store.values import TurnState
from driftpin.store.writing import receipts, turns
from driftpin.store.writing.compactions import add_compaction


async def commit_answer(
    store: Store,
    actor: Actor,
    lease: TurnLease,
    sent: ReceiptEntry,
    *,
    snapshot_id: int | None,
    message: Message | None,
    outcome: Outcome,
    tokens: TokenCounts | None = None,
    error_code: str = "",
    compaction: Compaction | None = None,
    unkept: StreamedText | None = None,
    ends_turn: bool = False,
) -> None:
    """Store the answer to the request `sent`; without a message only its outcome.

    `unkept` are those of its words that no reader of the stream has had. An answer that asks for
    nothing more `ends_turn`.

    A request that summed messages up has a `compaction`, which holds from then on.

    Raises LeaseLost, and then nothing is stored.
    """
    require_worker(actor)
    entry = outcome_entry(sent, outcome, tokens=tokens, error_code=error_code)

    async def commit(transaction: Transaction) -> None:
        # Positions are given under the chat's lock, as for a message that is sent meanwhile.
        state = await turns.hold_turn(transaction, lease)
        transaction.frees_no_turn = True
        await receipts.add_entry(transaction, entry, snapshot_id)
        if message is not None:
            await turns.add_tool_calls(transaction, lease, message.calls)
            await add_message(transaction, lease.chat_id, lease.workspace_id, lease.turn, message)
        if compaction is not None:
            await add_compaction(transaction, lease, compaction)
        if ends_turn:
            # Readers have the rest of its words from its messages then.
            await finish_in(transaction, lease, state, TurnState.DONE)
        elif unkept is not None and unkept.text:
            await turns.add_chunk(transaction, lease, unkept)

    await store.database.write(commit)


__all__ = ["commit_answer"]
