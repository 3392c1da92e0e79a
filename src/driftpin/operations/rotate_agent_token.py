"""Give an agent a new token."""

from datetime import timedelta

from driftpin import limits
from driftpin.credentials import TokenKind, mint_token
from driftpin.identity import Actor, AgentId
from driftpin.operations.agent_lock import unlock_agent
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import TokenRow
from driftpin.store.writing.accounts import expire_agent_tokens, insert_token
from driftpin.store.writing.permits import Lock, permit_on_agent


async def rotate_agent_token(store: Store, actor: Actor, agent_id: AgentId) -> tuple[TokenRow, str]:
    """Return a new token of the agent with its secret; the ones before it end after a grace time.

    For the workspace's owner and administrators. A locked agent is unlocked, and the tokens that
    two of it shared end at once.
    """
    require_user(actor)
    secret, credential = mint_token(TokenKind.AGENT)

    async def operation(transaction: Transaction) -> TokenRow:
        agent = await permit_on_agent(
            transaction, actor, agent_id, action="rotate_agent_token", lock=Lock.EXCLUSIVE
        )
        grace_s = limits.ROTATED_TOKEN_GRACE_S
        if agent.locked_at is not None:
            await unlock_agent(transaction, agent)
            grace_s = 0
        ends_at = transaction.now + timedelta(seconds=grace_s)
        await expire_agent_tokens(transaction, agent_id, ends_at)
        return await insert_token(
            transaction, credential, agent_id, label=agent.name, expires_at=None
        )

    return await store.database.write(operation), secret


__all__ = ["rotate_agent_token"]
