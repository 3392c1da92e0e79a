"""Calls to agents: each row moves forwards only, and is started by one holder, once."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update

from driftpin import limits
from driftpin.identity import Actor, AgentId, CallId
from driftpin.store.call_values import LONG_METHODS, CallRow, CallState
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.agent_calls import call_from
from driftpin.store.tables import agent_calls, agent_links


async def count_open_calls(transaction: Transaction, agent_id: AgentId) -> int:
    """Return how many calls to the agent are not over."""
    statement = select(func.count()).where(
        agent_calls.c.agent_id == agent_id, agent_calls.c.finished_at.is_(None)
    )
    count: int = (await transaction.connection.execute(statement)).scalar_one()
    return count


async def insert_call(
    transaction: Transaction,
    actor: Actor,
    agent_id: AgentId,
    method: str,
    params: Mapping[str, Any],
    *,
    started_by: str | None,
) -> CallId:
    """Write down a call before it is sent; with `started_by` it is that holder's from here on."""
    call_id = CallId(transaction.ids.fresh(transaction.now))
    is_started = started_by is not None
    present = dialect_of(transaction.connection).present(transaction.now)
    await transaction.connection.execute(
        insert(agent_calls).values(
            id=call_id,
            agent_id=agent_id,
            method=method,
            params=json.dumps(dict(params), sort_keys=True),
            asked_by=actor.name,
            state=CallState.STARTED if is_started else CallState.NOT_STARTED,
            holder=started_by,
            created_at=present,
            started_at=present if is_started else None,
        )
    )
    transaction.has_events = not is_started
    return call_id


async def start_calls(transaction: Transaction, holder: str, limit: int) -> tuple[CallRow, ...]:
    """Start calls that wait for links of the holder, the oldest first, and return them."""
    dialect = dialect_of(transaction.connection)
    held = select(agent_links.c.agent_id).where(agent_links.c.holder == holder)
    chosen = (
        select(agent_calls.c.id)
        .where(
            agent_calls.c.state == CallState.NOT_STARTED,
            agent_calls.c.finished_at.is_(None),
            agent_calls.c.agent_id.in_(held),
        )
        .order_by(agent_calls.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await transaction.connection.execute(chosen)).scalars())
    if not ids:
        return ()
    statement = (
        update(agent_calls)
        .where(agent_calls.c.id.in_(ids))
        .values(state=CallState.STARTED, holder=holder, started_at=dialect.present(transaction.now))
        .returning(agent_calls)
    )
    rows = (await transaction.connection.execute(statement)).all()
    return tuple(sorted(map(call_from, rows), key=lambda call: call.id))


async def close_call(
    transaction: Transaction,
    call_id: CallId,
    *,
    was: CallState,
    state: CallState,
    result: str | None = None,
    error_code: str | None = None,
    error_text: str | None = None,
) -> bool:
    """End a call that is in the state `was`; return whether it was."""
    present = dialect_of(transaction.connection).present(transaction.now)
    changed = await transaction.connection.execute(
        update(agent_calls)
        .where(
            agent_calls.c.id == call_id,
            agent_calls.c.state == was,
            agent_calls.c.finished_at.is_(None),
        )
        .values(
            state=state,
            result=result,
            error_code=error_code,
            error_text=error_text,
            finished_at=present,
        )
    )
    transaction.has_events = True
    return changed.rowcount == 1


async def set_progress(transaction: Transaction, call_id: CallId, written: str) -> None:
    """Keep how far a call has come that is under way, and wake whoever waits for it."""
    await transaction.connection.execute(
        update(agent_calls)
        .where(
            agent_calls.c.id == call_id,
            agent_calls.c.state == CallState.STARTED,
            agent_calls.c.finished_at.is_(None),
        )
        .values(progress=written)
    )
    transaction.has_events = True


async def close_lost_calls(transaction: Transaction) -> int:
    """End calls that nobody can be at work on any more; return how many.

    A started one is unknown once its holder holds no link of the agent, or after the longest time
    that it may take; one that nobody has started after the shortest never will be.
    """
    dialect, connection = dialect_of(transaction.connection), transaction.connection
    present = dialect.present(transaction.now)
    long_ago = dialect.present(transaction.now, -timedelta(seconds=limits.AGENT_CALL_LONGEST_S))
    very_long_ago = dialect.present(
        transaction.now, -timedelta(seconds=limits.AGENT_LONG_CALL_LONGEST_S)
    )
    is_long = agent_calls.c.method.in_(sorted(LONG_METHODS))
    started_at = agent_calls.c.started_at
    is_late = or_(and_(~is_long, started_at < long_ago), and_(is_long, started_at < very_long_ago))
    is_held = exists().where(
        agent_links.c.agent_id == agent_calls.c.agent_id,
        agent_links.c.holder == agent_calls.c.holder,
        dialect.is_held(agent_links.c.lease_until),
    )
    is_open = agent_calls.c.finished_at.is_(None)
    is_lost = and_(
        agent_calls.c.state == CallState.STARTED,
        or_(~is_held, is_late),
    )
    lost = await connection.execute(
        update(agent_calls)
        .where(is_open, is_lost)
        .values(state=CallState.UNKNOWN, error_code="call_unknown", finished_at=present)
    )
    is_ignored = and_(
        agent_calls.c.state == CallState.NOT_STARTED, agent_calls.c.created_at < long_ago
    )
    ignored = await connection.execute(
        update(agent_calls)
        .where(is_open, is_ignored)
        .values(error_code="agent_offline", finished_at=present)
    )
    return lost.rowcount + ignored.rowcount


async def remove_calls(transaction: Transaction, *, before: datetime, limit: int) -> int:
    """Remove up to `limit` calls that are over and were made before; the audit keeps theirs."""
    chosen = (
        select(agent_calls.c.id)
        .where(agent_calls.c.created_at < before, agent_calls.c.finished_at.is_not(None))
        .order_by(agent_calls.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await transaction.connection.execute(chosen)).scalars())
    if ids:
        await transaction.connection.execute(delete(agent_calls).where(agent_calls.c.id.in_(ids)))
    return len(ids)


__all__ = [
    "close_call",
    "close_lost_calls",
    "count_open_calls",
    "insert_call",
    "remove_calls",
    "start_calls",
]
