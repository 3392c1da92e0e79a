"""Which replica holds an agent's link: one row per connected agent, with a lease.

Whether a lease has run out is judged by the database's own time, so replicas whose clocks differ
agree about it.
"""

from datetime import timedelta

from sqlalchemy import delete, select, update

from driftpin.identity import AgentId, LinkId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import agent_links, agents


async def put_link(
    transaction: Transaction, agent_id: AgentId, link_id: LinkId, holder: str, lease_s: float
) -> None:
    """Make this the agent's link, in place of any other; the agent must be locked."""
    dialect, connection = dialect_of(transaction.connection), transaction.connection
    values = {
        "link_id": link_id,
        "holder": holder,
        "lease_until": dialect.present(transaction.now, timedelta(seconds=lease_s)),
        "seen_at": transaction.now,
    }
    changed = await connection.execute(
        update(agent_links).where(agent_links.c.agent_id == agent_id).values(**values)
    )
    if changed.rowcount == 0:
        await connection.execute(agent_links.insert().values(agent_id=agent_id, **values))
    transaction.has_events = True


async def extend_links(transaction: Transaction, holder: str, lease_s: float) -> int:
    """Hold every link of the holder for longer; return how many it has."""
    until = dialect_of(transaction.connection).present(transaction.now, timedelta(seconds=lease_s))
    changed = await transaction.connection.execute(
        update(agent_links)
        .where(agent_links.c.holder == holder)
        .values(lease_until=until, seen_at=transaction.now)
    )
    return changed.rowcount


async def remove_link(transaction: Transaction, agent_id: AgentId, link_id: LinkId) -> bool:
    """Remove the link if it is still the agent's, and keep when the agent was seen last."""
    is_this = (agent_links.c.agent_id == agent_id, agent_links.c.link_id == link_id)
    changed = await transaction.connection.execute(delete(agent_links).where(*is_this))
    if changed.rowcount == 0:
        return False
    await transaction.connection.execute(
        update(agents).where(agents.c.id == agent_id).values(seen_at=transaction.now)
    )
    transaction.has_events = True
    return True


async def remove_links(transaction: Transaction) -> int:
    """Remove every link: no process holds any."""
    return (await transaction.connection.execute(delete(agent_links))).rowcount


async def find_holder(transaction: Transaction, agent_id: AgentId) -> str | None:
    """Return who holds the agent's link at this moment."""
    statement = select(agent_links.c.holder).where(
        agent_links.c.agent_id == agent_id,
        dialect_of(transaction.connection).is_held(agent_links.c.lease_until),
    )
    holder: str | None = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return holder


__all__ = ["extend_links", "find_holder", "put_link", "remove_link", "remove_links"]
