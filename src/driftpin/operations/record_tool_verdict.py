"""Write into the audit that a tool which was called is not the pinned one any more."""

from driftpin.identity import Actor, ChatId
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.audit import record_audit


async def record_tool_verdict(
    store: Store, actor: Actor, chat_id: ChatId, *, tool: str, verdict: str, policy: str
) -> None:
    """Leave a row that says what was found and which policy decided; for workers."""
    require_worker(actor)

    async def operation(transaction: Transaction) -> None:
        await record_audit(
            transaction,
            actor,
            "call_changed_tool",
            f"chat:{chat_id}",
            tool=tool,
            verdict=verdict,
            policy=policy,
        )

    await store.database.write(operation)


__all__ = ["record_tool_verdict"]
