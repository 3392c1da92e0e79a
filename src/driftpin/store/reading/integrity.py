"""What must hold of stored rows (spec/pinning.md §11), asked while they are in use.

Each query looks at rows of one instant and gives those that break its rule, so nothing that others
commit meanwhile looks like damage. Bytes are read page by page.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select, text

from driftpin.context.resource import blobs_of
from driftpin.identity import Digest, digest_of
from driftpin.store.database import Database, EngineKind
from driftpin.store.event_order import highest_removed
from driftpin.store.reading.manifests import SnapshotDamaged, parse_stored_manifest
from driftpin.store.tables import (
    agent_heads,
    agents,
    blobs,
    chat_pin_history,
    chat_pins,
    events,
    snapshot_entries,
    snapshots,
    workspace_usage,
    workspaces,
)

BLOBS_PER_PAGE: Final = 64
SNAPSHOTS_PER_PAGE: Final = 32

AnyRow = Row[*tuple[Any, ...]]


async def find_damaged_pages(database: Database) -> list[str]:
    """Return what SQLite finds wrong with its file; PostgreSQL says it when it reads a page."""
    if database.engine_kind is not EngineKind.SQLITE:
        return []
    async with database.read_one_instant() as connection:
        told = (await connection.execute(text("PRAGMA integrity_check(20)"))).scalars().all()
    return [] if list(told) == ["ok"] else [str(line) for line in told]


async def find_damaged_blobs(database: Database) -> AsyncIterator[tuple[int, Digest]]:
    """Give every blob whose bytes or size are not what its row says."""
    statement = select(blobs.c.id, blobs.c.digest, blobs.c.size_bytes, blobs.c.content)
    async for row in _pages(database, statement, blobs.c.id, BLOBS_PER_PAGE):
        if digest_of(row.content) != row.digest or len(row.content) != row.size_bytes:
            yield row.id, row.digest


async def find_damaged_snapshots(database: Database) -> AsyncIterator[tuple[int, Digest]]:
    """Give every snapshot whose manifest, digests or entries contradict each other."""
    statement = select(
        snapshots.c.id,
        snapshots.c.digest,
        snapshots.c.prompt_digest,
        snapshots.c.tools_digest,
        snapshots.c.has_holes,
        blobs.c.content,
    ).join(blobs, blobs.c.id == snapshots.c.manifest_blob_id)
    async for row in _pages(database, statement, snapshots.c.id, SNAPSHOTS_PER_PAGE):
        if not await _is_sound(database, row):
            yield row.id, row.digest


async def _is_sound(database: Database, row: AnyRow) -> bool:
    try:
        snapshot = parse_stored_manifest(row.content, row.digest)
    except SnapshotDamaged:
        return False
    derived = (snapshot.prompt_digest, snapshot.tools_digest, snapshot.has_holes)
    if derived != (row.prompt_digest, row.tools_digest, bool(row.has_holes)):
        return False
    named = {
        (blob.source, blob.path, blob.digest)
        for resource in snapshot.resources
        for blob in blobs_of(resource)
    }
    statement = (
        select(snapshot_entries.c.source, snapshot_entries.c.path, blobs.c.digest)
        .select_from(snapshots)
        .outerjoin(snapshot_entries, snapshot_entries.c.snapshot_id == snapshots.c.id)
        .outerjoin(blobs, blobs.c.id == snapshot_entries.c.blob_id)
        .where(snapshots.c.id == row.id)
    )
    async with database.read() as connection:
        entries = (await connection.execute(statement)).all()
    stored = {tuple(entry) for entry in entries if entry.digest is not None}
    # No row at all: the snapshot was collected while it was being looked at.
    return stored == named or not entries


def unexplained_pins() -> Select[Any]:
    """Choose pins that their newest history row does not give, or whose revisions have gaps."""
    newest = select(func.max(chat_pin_history.c.revision)).where(
        chat_pin_history.c.chat_id == chat_pins.c.chat_id
    )
    count = select(func.count()).where(chat_pin_history.c.chat_id == chat_pins.c.chat_id)
    last = chat_pin_history.alias("last")
    target = (
        select(last.c.to_digest)
        .where(last.c.chat_id == chat_pins.c.chat_id, last.c.revision == chat_pins.c.revision)
        .correlate(chat_pins)
        .scalar_subquery()
    )
    pinned = (
        select(snapshots.c.digest)
        .where(snapshots.c.id == chat_pins.c.snapshot_id)
        .correlate(chat_pins)
        .scalar_subquery()
    )
    return select(chat_pins.c.chat_id).where(
        or_(
            chat_pins.c.revision != func.coalesce(newest.scalar_subquery(), 0),
            chat_pins.c.revision != count.scalar_subquery(),
            target.is_distinct_from(pinned),
        )
    )


def broken_chains() -> Select[Any]:
    """Choose history rows that do not begin where the row before them ended."""
    before = chat_pin_history.alias("before")
    follows = and_(
        before.c.chat_id == chat_pin_history.c.chat_id,
        before.c.revision == chat_pin_history.c.revision - 1,
    )
    return (
        select(chat_pin_history.c.chat_id, chat_pin_history.c.revision)
        .outerjoin(before, follows)
        .where(chat_pin_history.c.from_digest.is_distinct_from(before.c.to_digest))
    )


def history_without_event() -> Select[Any]:
    """Choose history rows whose event should be there and is not; old events go by retention.

    Events go in the order of their transactions, so behind the oldest number that is left some with
    a higher one may be gone.
    """
    oldest = select(func.min(events.c.id)).scalar_subquery()
    is_there = exists().where(events.c.id == chat_pin_history.c.event_id)
    return select(chat_pin_history.c.chat_id, chat_pin_history.c.revision).where(
        ~is_there,
        chat_pin_history.c.event_id >= oldest,
        chat_pin_history.c.event_id > func.coalesce(highest_removed(), 0),
    )


def references_elsewhere() -> Select[Any]:
    """Choose pins that name a snapshot of another workspace."""
    return (
        select(chat_pins.c.chat_id)
        .join(snapshots, snapshots.c.id == chat_pins.c.snapshot_id)
        .where(snapshots.c.workspace_id != chat_pins.c.workspace_id)
    )


def miscounted_usage() -> Select[Any]:
    """Choose workspaces whose count of bytes is not what their blobs come to."""
    stored = (
        select(func.coalesce(func.sum(blobs.c.size_bytes), 0))
        .where(blobs.c.workspace_id == workspaces.c.id)
        .scalar_subquery()
    )
    return (
        select(workspaces.c.id)
        .outerjoin(workspace_usage, workspace_usage.c.workspace_id == workspaces.c.id)
        .where(func.coalesce(workspace_usage.c.blob_bytes, 0) != stored)
    )


def heads_without_record() -> Select[Any]:
    """Choose agents whose head was never recorded as accepted, or is not the newest that was."""
    newest = agent_heads.alias("newest")
    recorded = (
        select(newest.c.digest)
        .where(newest.c.agent_id == agents.c.id)
        .order_by(newest.c.incarnation.desc(), newest.c.seq.desc())
        .limit(1)
        .correlate(agents)
        .scalar_subquery()
    )
    return (
        select(agents.c.id)
        .join(snapshots, snapshots.c.id == agents.c.head_id)
        .where(recorded.is_distinct_from(snapshots.c.digest))
    )


async def find_rows(database: Database, statement: Select[Any]) -> list[str]:
    """Return the keys that a query of this module chooses, as text, of one instant."""
    async with database.read() as connection:
        rows = (await connection.execute(statement)).all()
    return ["/".join(str(value) for value in row) for row in rows]


async def _pages(
    database: Database, statement: Select[Any], key: ColumnElement[int], size: int
) -> AsyncIterator[AnyRow]:
    after = 0
    while True:
        page = statement.where(key > after).order_by(key).limit(size)
        async with database.read() as connection:
            rows = (await connection.execute(page)).all()
        for row in rows:
            yield row
        if len(rows) < size:
            return
        after = rows[-1].id


__all__ = [
    "broken_chains",
    "find_damaged_blobs",
    "find_damaged_pages",
    "find_damaged_snapshots",
    "find_rows",
    "heads_without_record",
    "history_without_event",
    "miscounted_usage",
    "references_elsewhere",
    "unexplained_pins",
]
