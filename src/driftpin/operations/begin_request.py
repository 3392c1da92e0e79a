"""Write down what a model request is built from, before it is sent."""

from driftpin.chat.receipts import (
    Outcome,
    Phase,
    ReceiptEntry,
    RequestRecord,
    digest_of_entry,
    outcome_entry,
    sent_entry,
)
from driftpin.identity import Actor, Digest
from driftpin.operations.claim_turn import require_worker
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.writing import receipts, turns


async def begin_request(
    store: Store,
    actor: Actor,
    lease: TurnLease,
    request: RequestRecord,
    *,
    revision: int,
    snapshot_id: int | None,
) -> ReceiptEntry:
    """Append the receipt's first entry and return it; the turn remembers and holds its pin.

    A request whose worker died before the outcome gets the outcome `unknown` first, so that the
    chain stays whole. Raises LeaseLost.
    """
    require_worker(actor)

    async def begin(transaction: Transaction) -> ReceiptEntry:
        await turns.record_pin_of_turn(transaction, lease, revision, snapshot_id)
        entry = sent_entry(request, previous=await _settle_last(transaction, lease))
        await receipts.add_entry(transaction, entry, snapshot_id)
        return entry

    return await store.database.write(begin)


async def _settle_last(transaction: Transaction, lease: TurnLease) -> Digest | None:
    """Return the digest of the chain's last entry, which is an outcome afterwards."""
    last = await receipts.find_last_entry(transaction, lease.chat_id)
    if last is None:
        return None
    if last.entry.phase is Phase.OUTCOME:
        return digest_of_entry(last.entry)
    settled = outcome_entry(last.entry, Outcome.UNKNOWN)
    # Of the pin that was asked with, which need not be the one that is asked with now.
    await receipts.add_entry(transaction, settled, last.snapshot_id)
    return digest_of_entry(settled)


__all__ = ["begin_request"]
