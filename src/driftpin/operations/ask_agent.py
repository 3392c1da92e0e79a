"""Ask an agent something: the row is written before anything is sent."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from driftpin import limits
from driftpin.errors import TooLarge, Unavailable
from driftpin.identity import Actor, ActorKind, AgentId, CallId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_calls import count_open_calls, insert_call
from driftpin.store.writing.agent_links import find_holder
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.permits import permit_on_agent

NOTHING_MORE: Final[Mapping[str, str]] = MappingProxyType({})


async def ask_agent(
    store: Store,
    actor: Actor,
    agent_id: AgentId,
    method: str,
    params: Mapping[str, Any],
    *,
    holder: str,
    about: Mapping[str, str] = NOTHING_MORE,
) -> tuple[CallId, bool]:
    """Write down the call; return its id, and whether `holder` holds the link and has started it.

    For users, and for workers who carry out a turn; `about` is for the audit. Nothing is queued for
    an agent that is away. Raises Unavailable (`agent_offline`, `agent_busy`) and TooLarge.
    """
    if actor.kind is not ActorKind.WORKER:
        require_user(actor)
    if len(json.dumps(dict(params))) > limits.AGENT_CALL_PARAMS_BYTES_MAX:
        raise TooLarge(limit="agent_call_params", maximum=limits.AGENT_CALL_PARAMS_BYTES_MAX)

    async def operation(transaction: Transaction) -> tuple[CallId, bool]:
        await permit_on_agent(transaction, actor, agent_id, action="ask_agent")
        holds = await find_holder(transaction, agent_id)
        if holds is None:
            raise agent_offline()
        if await count_open_calls(transaction, agent_id) >= limits.LINK_CALLS_IN_FLIGHT_MAX:
            raise Unavailable("Too many calls to this agent are under way.", code="agent_busy")
        is_here = holds == holder
        call_id = await insert_call(
            transaction, actor, agent_id, method, params, started_by=holder if is_here else None
        )
        await record_audit(
            transaction,
            actor,
            "ask_agent",
            f"agent:{agent_id}",
            **about,
            call=call_id,
            method=method,
        )
        return call_id, is_here

    return await store.database.write(operation)


def agent_offline() -> Unavailable:
    """Return the refusal of a call to an agent that is not connected."""
    return Unavailable(
        "The workspace's agent is not connected.",
        code="agent_offline",
        retry_after_s=limits.AGENT_OFFLINE_RETRY_S,
    )


__all__ = ["NOTHING_MORE", "agent_offline", "ask_agent"]
