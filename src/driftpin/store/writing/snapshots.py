"""Snapshots: immutable, one row per digest in a workspace, their entries beside them."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ARRAY, Row, Select, and_, bindparam, insert, select, true
from sqlalchemy.engine import Result

from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Resource, blobs_of
from driftpin.identity import Digest, WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.dialects.postgresql import PostgresDialect
from driftpin.store.tables import snapshot_entries, snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.blobs import StoredBlob
from driftpin.store.writing.together import parameter_of, row_parameters


class Origin(StrEnum):
    """How a snapshot came to be."""

    PUSHED = "pushed"
    IMPORTED = "imported"
    DERIVED = "derived"


REF_COLUMNS = (
    snapshots.c.id,
    snapshots.c.digest,
    snapshots.c.prompt_digest,
    snapshots.c.tools_digest,
    snapshots.c.has_holes,
)


IS_OF_DIGEST: Final = and_(
    snapshots.c.workspace_id == bindparam("its_workspace_id", type_=snapshots.c.workspace_id.type),
    snapshots.c.digest == bindparam("its_digest", type_=snapshots.c.digest.type),
)
BY_DIGEST: Final = (
    select(*REF_COLUMNS).where(IS_OF_DIGEST).with_for_update(read=True, key_share=True)
)
BY_ID: Final = (
    select(*REF_COLUMNS)
    .where(snapshots.c.id == bindparam("its_id", type_=snapshots.c.id.type))
    .with_for_update(read=True, key_share=True)
)


Entry = tuple[str, str, str, str, str, int | None]
ENTRY_COLUMNS: Final = ("source", "path", "kind", "status", "reason", "blob_id")
SNAPSHOT_COLUMNS: Final = (
    "workspace_id",
    "digest",
    "prompt_digest",
    "tools_digest",
    "has_holes",
    "manifest_blob_id",
    "resource_count",
    "size_bytes",
    "origin",
    "created_at",
)


def _insert_at_once() -> Select[tuple[int]]:
    """Return what inserts a snapshot and its entries on PostgreSQL, in one round trip."""
    dialect = PostgresDialect()
    row = {name: parameter_of(snapshots, name) for name in SNAPSHOT_COLUMNS}
    added = dialect.insert_new(snapshots).values(row).returning(snapshots.c.id).cte("added")
    columns = [snapshot_entries.c[name] for name in ENTRY_COLUMNS]
    arrays = [bindparam(f"entry_{column.name}", type_=ARRAY(column.type)) for column in columns]
    listed = dialect.listed(columns, arrays)
    entries = insert(snapshot_entries).from_select(
        ["snapshot_id", *ENTRY_COLUMNS],
        select(added.c.id, *listed.c).select_from(added.join(listed, true())),
    )
    return select(added.c.id).add_cte(entries.cte("entries"))


INSERT_AT_ONCE: Final = _insert_at_once()


async def find_snapshot(
    transaction: Transaction, workspace_id: WorkspaceId, digest: Digest
) -> SnapshotRef | None:
    """Return the workspace's snapshot with this digest, kept until the transaction ends."""
    asked = {"its_workspace_id": workspace_id, "its_digest": digest}
    return _first_ref(await transaction.connection.execute(BY_DIGEST, asked))


async def find_snapshot_by_id(transaction: Transaction, snapshot_id: int) -> SnapshotRef | None:
    """Return the snapshot, kept until the transaction ends; None if it was collected."""
    return _first_ref(await transaction.connection.execute(BY_ID, {"its_id": snapshot_id}))


async def add_snapshot(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    snapshot: Snapshot,
    stored: Mapping[Digest, StoredBlob],
    origin: Origin,
) -> SnapshotRef:
    """Store a snapshot that the workspace lacks; one that came in meanwhile is returned instead.

    `stored` has every blob that the snapshot names, and its manifest.
    """
    rows = [row for resource in snapshot.resources for row in _entries(resource, stored)]
    named = {blob_id for *_, blob_id in rows if blob_id is not None}
    ref: dict[str, Any] = {
        "digest": snapshot.digest,
        "prompt_digest": snapshot.prompt_digest,
        "tools_digest": snapshot.tools_digest,
        "has_holes": snapshot.has_holes,
    }
    values = {
        "workspace_id": workspace_id,
        "manifest_blob_id": stored[snapshot.digest].id,
        "resource_count": len(snapshot.resources),
        "size_bytes": sum(blob.size_bytes for blob in stored.values() if blob.id in named),
        "origin": origin.value,
        "created_at": transaction.now,
        **ref,
    }
    snapshot_id = await _insert(transaction, values, rows)
    if snapshot_id is None:
        taken = await find_snapshot(transaction, workspace_id, snapshot.digest)
        assert taken is not None, "a key that is taken has its row"
        return taken
    return SnapshotRef(id=snapshot_id, **ref)


async def _insert(
    transaction: Transaction, values: Mapping[str, Any], rows: Sequence[Entry]
) -> int | None:
    """Insert a snapshot with its entries; None, and nothing inserted, if it is there already."""
    connection = transaction.connection
    if transaction.is_shared:
        lists = {
            f"entry_{name}": [row[place] for row in rows]
            for place, name in enumerate(ENTRY_COLUMNS)
        }
        asked = {**row_parameters(snapshots, values), **lists}
        added: int | None = await connection.scalar(INSERT_AT_ONCE, asked)
        return added
    dialect = dialect_of(connection)
    inserting_it = dialect.insert_new(snapshots).returning(snapshots.c.id)
    found: int | None = await connection.scalar(inserting_it, dict(values))
    if found is not None:
        entries = [dict(zip(ENTRY_COLUMNS, row, strict=True)) for row in rows]
        of_it = [{"snapshot_id": found, **entry} for entry in entries]
        await dialect.insert_rows(connection, snapshot_entries, of_it)
    return found


def _entries(resource: Resource, stored: Mapping[Digest, StoredBlob]) -> list[Entry]:
    shown = (resource.kind.value, resource.status.value, resource.reason)
    return [
        (resource.source, blob.path, *shown, stored[blob.digest].id) for blob in blobs_of(resource)
    ] or [(resource.source, "", *shown, None)]


def _first_ref(result: Result[Any]) -> SnapshotRef | None:
    row = result.first()
    return None if row is None else ref_from(row)


def ref_from(row: Row[*tuple[Any, ...]]) -> SnapshotRef:
    """Return the snapshot of a row that selected `REF_COLUMNS`."""
    return SnapshotRef(
        id=row.id,
        digest=row.digest,
        prompt_digest=row.prompt_digest,
        tools_digest=row.tools_digest,
        has_holes=row.has_holes,
    )


__all__ = [
    "IS_OF_DIGEST",
    "REF_COLUMNS",
    "Origin",
    "add_snapshot",
    "find_snapshot",
    "find_snapshot_by_id",
    "ref_from",
]
