"""How much a database holds, for whoever watches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.tables import blobs, turns
from driftpin.store.turn_values import UNFINISHED


@dataclass(frozen=True, slots=True)
class Stock:
    """Bytes of all blobs, and how many turns are in each state that is not an end."""

    blob_bytes: int = 0
    turns: Mapping[str, int] = field(default_factory=dict)


async def count_stock(connection: AsyncConnection, actor: Actor) -> Stock:
    """Count; for workers."""
    require_worker(actor)
    size = await connection.scalar(select(func.coalesce(func.sum(blobs.c.size_bytes), 0)))
    by_state = (
        select(turns.c.state, func.count())
        .where(turns.c.state.in_(UNFINISHED))
        .group_by(turns.c.state)
    )
    found = dict.fromkeys((state.value for state in UNFINISHED), 0)
    found |= {row[0]: row[1] for row in await connection.execute(by_state)}
    return Stock(int(size or 0), found)


__all__ = ["Stock", "count_stock"]
