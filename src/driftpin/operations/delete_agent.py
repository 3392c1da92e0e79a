"""Delete an agent."""

from driftpin.events.event import EventKind
from driftpin.identity import Actor, AgentId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.accounts import get_agent
from driftpin.store.store import Store
from driftpin.store.writing.accounts import mark_agent_deleted
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_agent, permit_on_workspace


async def delete_agent(store: Store, actor: Actor, agent_id: AgentId) -> None:
    """Delete the agent: its tokens are refused as `agent_gone`, and pins from it stay.

    Chats go on naming it, so that they are bound again when another agent pushes.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        agent = await get_agent(transaction.connection, actor, agent_id)
        await permit_on_workspace(
            transaction, actor, agent.workspace_id, action="delete_agent", lock=Lock.EXCLUSIVE
        )
        await permit_on_agent(
            transaction, actor, agent_id, action="delete_agent", lock=Lock.EXCLUSIVE
        )
        await mark_agent_deleted(transaction, agent_id)
        await record_event(
            transaction,
            EventKind.AGENT_STATE,
            workspace_id=agent.workspace_id,
            agent_id=agent_id,
            payload={"state": "deleted"},
        )

    await store.database.write(operation)


__all__ = ["delete_agent"]
