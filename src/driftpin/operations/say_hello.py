"""An agent's run begins, or says that it goes on."""

from collections.abc import Mapping

from driftpin.errors import PushOutdated
from driftpin.events.event import EventKind
from driftpin.identity import Actor, AgentId
from driftpin.operations.agent_lock import is_flapping, is_take_over, lock_agent, refuse_locked
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.reading.accounts import get_agent
from driftpin.store.store import Store
from driftpin.store.values import HelloOutcome
from driftpin.store.writing.accounts import begin_run, find_run_incarnation, keep_hello
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, PermittedAgent, permit_on_agent


async def say_hello(
    store: Store,
    actor: Actor,
    *,
    run_id: str,
    hostname: str,
    os: str,
    version: str,
    roots: Mapping[str, str],
) -> HelloOutcome:
    """Return the incarnation that this run pushes with, and the head that it goes on from.

    A run that is new gets the next incarnation and fences the runs before it; the newest run keeps
    its own. Raises PushOutdated (`fenced`) for a run that a newer one took over from, and Forbidden
    (`agent_locked`).
    """
    agent_id = require_agent(actor)
    hello = {"hostname": hostname, "os": os, "version": version, "roots": dict(roots)}

    async def operation(transaction: Transaction) -> HelloOutcome | None:
        agent = await permit_on_agent(
            transaction, actor, agent_id, action="say_hello", lock=Lock.EXCLUSIVE
        )
        refuse_locked(agent.locked_at)
        known = await find_run_incarnation(transaction, agent_id, run_id)
        if known is None:
            earlier = await get_agent(transaction.connection, actor, agent_id)
            takes_over = is_take_over(hello, earlier)
            if takes_over and await is_flapping(transaction, agent):
                await lock_agent(transaction, agent)
                return None
            await _begin(transaction, agent, run_id, takes_over=takes_over)
        elif known < agent.incarnation:
            raise PushOutdated("A newer run of this agent took over from this one.", code="fenced")
        await keep_hello(transaction, agent_id, hello)
        return await _outcome(transaction, actor, agent_id)

    outcome = await store.database.write(operation)
    if outcome is None:
        # The lock is committed, and so is its event.
        refuse_locked(store.database.clock.now())
    assert outcome is not None, "a locked agent was refused"
    return outcome


async def _begin(
    transaction: Transaction, agent: PermittedAgent, run_id: str, *, takes_over: bool
) -> None:
    incarnation = agent.incarnation + 1
    await begin_run(transaction, agent.id, run_id, incarnation, takes_over=takes_over)
    await record_event(
        transaction,
        EventKind.AGENT_STATE,
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        payload={"state": "hello", "incarnation": incarnation},
    )


async def _outcome(transaction: Transaction, actor: Actor, agent_id: AgentId) -> HelloOutcome:
    agent = await get_agent(transaction.connection, actor, agent_id)
    has_pushed = agent.head_incarnation == agent.incarnation
    return HelloOutcome(
        agent_id=agent.id,
        workspace_id=agent.workspace_id,
        incarnation=agent.incarnation,
        head=agent.head,
        head_seq=agent.head_seq if has_pushed else 0,
    )


__all__ = ["say_hello"]
