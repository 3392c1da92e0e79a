"""An agent's link is held by this process from now on."""

from driftpin.errors import PushOutdated
from driftpin.identity import Actor, LinkId
from driftpin.operations.agent_lock import refuse_locked
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_links import put_link
from driftpin.store.writing.permits import Lock, permit_on_agent


async def hold_link(
    store: Store, actor: Actor, *, incarnation: int | None, holder: str, lease_s: float
) -> LinkId:
    """Make the acting agent's newest link the holder's, and return the link's id.

    Whoever held one before finds out by it. Raises PushOutdated (`fenced`) for a link of a run that
    a newer one took over from, and Forbidden (`agent_locked`).
    """
    agent_id = require_agent(actor)

    async def operation(transaction: Transaction) -> LinkId:
        agent = await permit_on_agent(
            transaction, actor, agent_id, action="hold_link", lock=Lock.EXCLUSIVE
        )
        if incarnation is not None and incarnation < agent.incarnation:
            raise PushOutdated("A newer run of this agent has taken over.", code="fenced")
        refuse_locked(agent.locked_at)
        link_id = LinkId(transaction.ids.fresh(transaction.now))
        await put_link(transaction, agent_id, link_id, holder, lease_s)
        return link_id

    return await store.database.write(operation)


__all__ = ["hold_link"]
