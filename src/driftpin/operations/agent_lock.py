"""Keeping two live agents with one token from taking over from each other for ever.

A newer run fences the one before it, which stops. Where something starts that one again, it fences
the newer in its turn, and every swap moves the head. After a few swaps in a minute the agent is
locked: neither run gets in until its owner has given it a new token (spec/bad-input.md H9).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from driftpin import limits
from driftpin.errors import Forbidden, Gone
from driftpin.events.event import EventKind
from driftpin.identity import Actor
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.values import AgentRow
from driftpin.store.writing.accounts import count_take_overs, keep_agent_locked
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import LockedAgent, LockedWorkspace, lock_for_push
from driftpin.store.writing.permits import PermittedAgent

# What tells one place where an agent runs from another, of what it says of itself.
PLACE: Final = ("hostname", "roots")


def refuse_locked(locked_at: datetime | None) -> None:
    """Raise Forbidden (`agent_locked`) for an agent that is locked."""
    if locked_at is not None:
        raise Forbidden(
            "Two agents with this token took over from each other again and again, so neither gets"
            " in. Stop one of them, and give the other a new token.",
            code="agent_locked",
        )


async def meet_agent(transaction: Transaction, actor: Actor) -> tuple[LockedWorkspace, LockedAgent]:
    """Take the acting agent's workspace and the agent for this transaction alone.

    Raises Gone (`agent_gone`), and Forbidden (`agent_locked`).
    """
    locked = await lock_for_push(transaction, require_agent(actor))
    if locked is None or any(row.deleted_at is not None for row in locked):
        raise Gone("This agent was deleted; enrol it again.", code="agent_gone")
    refuse_locked(locked[1].locked_at)
    return locked


def is_take_over(hello: Mapping[str, Any], earlier: AgentRow) -> bool:
    """Whether a new run takes over from one that may well be alive.

    A run that came from another place does, or one whose predecessor's link is up. An agent that
    crashes and is started again where it was does not, however often.
    """
    said = earlier.hello
    if said is None:
        return False
    return earlier.is_connected or any(hello[name] != said.get(name) for name in PLACE)


async def is_flapping(transaction: Transaction, agent: PermittedAgent) -> bool:
    """Whether one more run that takes over now is one too many."""
    since = transaction.now - timedelta(seconds=limits.TAKE_OVERS_COUNTED_S)
    taken_over = await count_take_overs(transaction, agent.id, since)
    return taken_over >= limits.TAKE_OVERS_MAX


async def lock_agent(transaction: Transaction, agent: PermittedAgent) -> None:
    """Let no run of the agent in, and tell its owner."""
    await keep_agent_locked(transaction, agent.id, transaction.now)
    await _tell(transaction, agent, "locked")


async def unlock_agent(transaction: Transaction, agent: PermittedAgent) -> None:
    """Let runs in again, and forget how often they took over."""
    await keep_agent_locked(transaction, agent.id, None)
    await _tell(transaction, agent, "unlocked")


async def _tell(transaction: Transaction, agent: PermittedAgent, state: str) -> None:
    await record_event(
        transaction,
        EventKind.AGENT_STATE,
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        payload={"state": state},
    )


__all__ = [
    "is_flapping",
    "is_take_over",
    "lock_agent",
    "meet_agent",
    "refuse_locked",
    "unlock_agent",
]
