"""Add an agent to a workspace."""

from driftpin.credentials import TokenKind, mint_token
from driftpin.identity import Actor, WorkspaceId
from driftpin.operations.names import accept_name
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.accounts import get_agent
from driftpin.store.store import Store
from driftpin.store.values import AgentRow
from driftpin.store.writing.accounts import insert_agent, insert_token
from driftpin.store.writing.permits import Lock, permit_on_workspace


async def enrol_agent(
    store: Store, actor: Actor, workspace_id: WorkspaceId, name: str
) -> tuple[AgentRow, str]:
    """Return a new agent and the secret of its token, which is kept nowhere.

    It replaces nobody until a push of it is accepted.
    """
    require_user(actor)
    accepted = accept_name(name, "name")
    secret, credential = mint_token(TokenKind.AGENT)

    async def operation(transaction: Transaction) -> AgentRow:
        await permit_on_workspace(
            transaction, actor, workspace_id, action="enrol_agent", lock=Lock.SHARED
        )
        agent_id = await insert_agent(transaction, workspace_id, accepted)
        await insert_token(transaction, credential, agent_id, label=accepted, expires_at=None)
        return await get_agent(transaction.connection, actor, agent_id)

    return await store.database.write(operation), secret


__all__ = ["enrol_agent"]
