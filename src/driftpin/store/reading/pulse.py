"""What a serving process looks at every second, in one statement."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ScalarSelect, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import column, table

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.dialects import dialect_of
from driftpin.store.event_order import RESTORE_EPOCH
from driftpin.store.tables import deployment, events

# The name of the row of `deployment` that holds the switch.
SYNC: Final = "sync"
VERSION_TABLE: Final = "alembic_version"


@dataclass(frozen=True, slots=True)
class SyncState:
    """Whether pushes are paused for the whole deployment, and since when."""

    is_paused: bool
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """The database as it is at this moment; `newest_event` is the number of the last one."""

    newest_event: int | None
    revision: str | None
    restore_epoch: int
    sync: SyncState


async def read_beat(connection: AsyncConnection, actor: Actor) -> Beat:
    """Return one look; for workers."""
    require_worker(actor)
    newest = (
        select(events.c.id)
        .where(events.c.transaction_id < dialect_of(connection).horizon())
        .order_by(events.c.transaction_id.desc(), events.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    revision = select(column("version_num", Text())).select_from(table(VERSION_TABLE))
    statement = select(
        newest.label("newest"),
        revision.limit(1).scalar_subquery().label("revision"),
        _fact(RESTORE_EPOCH).label("epoch"),
        _fact(SYNC).label("sync"),
    )
    row = (await connection.execute(statement)).one()
    return Beat(
        newest_event=row.newest,
        revision=row.revision,
        restore_epoch=int(row.epoch or 0),
        sync=read_sync(row.sync),
    )


def read_sync(content: str | None) -> SyncState:
    """Return what `write_sync` wrote; nothing was ever written means that nothing is paused."""
    if content is None:
        return SyncState(is_paused=False)
    kept = json.loads(content)
    return SyncState(kept["is_paused"], datetime.fromisoformat(kept["since"]))


def write_sync(state: SyncState) -> str:
    """Return the state as it is kept."""
    assert state.since is not None, "whoever pauses or resumes does it at a time"
    return json.dumps({"is_paused": state.is_paused, "since": state.since.isoformat()})


def _fact(name: str) -> ScalarSelect[Any]:
    return select(deployment.c.content).where(deployment.c.name == name).scalar_subquery()


__all__ = [
    "SYNC",
    "VERSION_TABLE",
    "Beat",
    "SyncState",
    "read_beat",
    "read_sync",
    "write_sync",
]
