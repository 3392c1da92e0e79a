"""An agent was heard of."""

from driftpin.identity import Actor
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.accounts import keep_seen
from driftpin.store.writing.permits import permit_on_agent


async def mark_agent_seen(store: Store, actor: Actor) -> None:
    """Note when the acting agent was last heard of; no event tells of it."""
    agent_id = require_agent(actor)

    async def operation(transaction: Transaction) -> None:
        await permit_on_agent(transaction, actor, agent_id, action="mark_agent_seen")
        await keep_seen(transaction, agent_id)

    await store.database.write(operation)


__all__ = ["mark_agent_seen"]
