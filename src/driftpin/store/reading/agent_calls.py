"""Calls to agents, and how the links stand over which they go."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.chat.tools import Progress
from driftpin.errors import NotFound
from driftpin.identity import Actor, CallId, Digest
from driftpin.store.access import require_worker, visible_agents
from driftpin.store.call_values import CallRow, CallState, LinkStanding
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.columns import object_from
from driftpin.store.tables import agent_calls, agent_links, agents, tokens


async def get_call(connection: AsyncConnection, actor: Actor, call_id: CallId) -> CallRow:
    """Return a call to an agent that the actor may see."""
    statement = (
        select(agent_calls)
        .join(agents, agents.c.id == agent_calls.c.agent_id)
        .where(agent_calls.c.id == call_id, visible_agents(actor))
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return call_from(row)


async def list_link_standings(
    connection: AsyncConnection, actor: Actor, secret_digests: Collection[Digest], now: datetime
) -> tuple[LinkStanding, ...]:
    """Return how the links stand that these tokens opened; tokens that are gone give none."""
    require_worker(actor)
    is_good = and_(
        tokens.c.revoked_at.is_(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)
    )
    statement = (
        select(
            agents.c.id,
            tokens.c.secret_digest,
            is_good.label("is_good"),
            agents.c.deleted_at,
            agents.c.incarnation,
            agent_links.c.link_id,
        )
        .join(agents, agents.c.id == tokens.c.agent_id)
        .outerjoin(agent_links, agent_links.c.agent_id == agents.c.id)
        .where(dialect_of(connection).is_digest_of(tokens.c.secret_digest, list(secret_digests)))
    )
    return tuple(
        LinkStanding(
            agent_id=row.id,
            secret_digest=row.secret_digest,
            is_good=bool(row.is_good),
            is_deleted=row.deleted_at is not None,
            incarnation=row.incarnation,
            link_id=row.link_id,
        )
        for row in await connection.execute(statement)
    )


def call_from(row: Row[Any]) -> CallRow:
    """Return the call of a row of `agent_calls`."""
    return CallRow(
        id=row.id,
        agent_id=row.agent_id,
        method=row.method,
        params=object_from(row.params) or {},
        state=CallState(row.state),
        holder=row.holder,
        result=None if row.result is None else json.loads(row.result),
        error_code=row.error_code,
        error_text=row.error_text,
        finished_at=row.finished_at,
        progress=None if row.progress is None else Progress(*json.loads(row.progress)),
    )


__all__ = ["call_from", "get_call", "list_link_standings"]
