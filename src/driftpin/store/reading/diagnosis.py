"""What `driftpin doctor` asks a database, quickly, without changing anything."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.store.database import Database, EngineKind
from driftpin.store.event_order import RESTORE_EPOCH
from driftpin.store.schema import find_revision
from driftpin.store.tables import (
    blobs,
    deployment,
    snapshot_entries,
    snapshots,
    workspace_usage,
    workspaces,
)
from driftpin.store.values import Quotas

SETTINGS: Final = ("fsync", "full_page_writes", "synchronous_commit", "server_version_num")
# From here on a quota is near its end.
NEAR: Final = 0.9


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A workspace (`workspace`) or an owner (`user`) that has used most of its bytes."""

    kind: str
    id: str
    used_bytes: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What the database said. Without a schema of this release only the first three are known."""

    revision: str | None
    settings: dict[str, str] = field(default_factory=dict)
    skew_s: float = 0.0
    epoch: int = 0
    overdue_blobs: int = 0
    quota_uses: tuple[QuotaUse, ...] = ()


async def read_facts(
    database: Database, *, head: str, now: datetime, grace: timedelta
) -> DatabaseFacts:
    """Return the facts; `head` is the revision whose tables are asked."""
    async with database.read() as connection:
        revision = await find_revision(connection)
        settings, skew_s = await _engine_facts(connection, database.engine_kind, now)
        if revision != head:
            return DatabaseFacts(revision, settings, skew_s)
        return DatabaseFacts(
            revision,
            settings,
            skew_s,
            epoch=await _epoch(connection),
            overdue_blobs=await _overdue_blobs(connection, now - 2 * grace),
            quota_uses=await _quota_uses(connection, database.quotas),
        )


async def _engine_facts(
    connection: AsyncConnection, kind: EngineKind, now: datetime
) -> tuple[dict[str, str], float]:
    if kind is EngineKind.SQLITE:
        return {}, 0.0
    asked = [func.current_setting(name).label(name) for name in SETTINGS]
    row = (await connection.execute(select(func.clock_timestamp().label("there"), *asked))).one()
    told = dict(row._mapping)  # noqa: SLF001 the documented way to a mapping
    return {name: str(told[name]) for name in SETTINGS}, (told["there"] - now).total_seconds()


async def _epoch(connection: AsyncConnection) -> int:
    statement = select(deployment.c.content).where(deployment.c.name == RESTORE_EPOCH)
    return int((await connection.execute(statement)).scalar_one_or_none() or 0)


async def _overdue_blobs(connection: AsyncConnection, before: datetime) -> int:
    naming = (snapshot_entries.c.blob_id, snapshots.c.manifest_blob_id)
    statement = (
        select(func.count())
        .select_from(blobs)
        .where(
            blobs.c.offered_at < before,
            *(~exists().where(column == blobs.c.id) for column in naming),
        )
    )
    return int((await connection.execute(statement)).scalar_one())


async def _quota_uses(connection: AsyncConnection, quotas: Quotas) -> tuple[QuotaUse, ...]:
    found: list[QuotaUse] = []
    total = func.sum(workspace_usage.c.blob_bytes)
    joined = workspace_usage.join(workspaces, workspaces.c.id == workspace_usage.c.workspace_id)
    asked = (
        ("workspace", workspaces.c.id, quotas.workspace_bytes_max),
        ("user", workspaces.c.owner_id, quotas.user_bytes_max),
    )
    for kind, column, bytes_max in asked:
        if bytes_max is None:
            continue
        statement = (
            select(column, total)
            .select_from(joined)
            .group_by(column)
            .having(total >= int(bytes_max * NEAR))
        )
        rows = await connection.execute(statement)
        found += [QuotaUse(kind, str(id_), int(used), bytes_max) for id_, used in rows]
    return tuple(found)


__all__ = ["DatabaseFacts", "QuotaUse", "read_facts"]
