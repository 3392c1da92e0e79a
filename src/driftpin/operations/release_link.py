"""An agent's link has ended."""

from driftpin.identity import Actor, AgentId, LinkId
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_links import remove_link


async def release_link(store: Store, actor: Actor, agent_id: AgentId, link_id: LinkId) -> bool:
    """Let the link go unless a newer one took its place; return whether it was the agent's.

    For workers.
    """
    require_worker(actor)

    async def operation(transaction: Transaction) -> bool:
        return await remove_link(transaction, agent_id, link_id)

    return await store.database.write(operation)


__all__ = ["release_link"]
