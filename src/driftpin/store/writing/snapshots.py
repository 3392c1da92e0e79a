"""Snapshots: immutable, one row per digest in a workspace, their entries beside them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.engine import Result

from driftpin.context.manifest import Snapshot
from driftpin.context.resource import NamedBlob, Resource, blobs_of
from driftpin.identity import Digest, WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import snapshot_entries, snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.blobs import StoredBlob


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


BY_DIGEST: Final = (
    select(*REF_COLUMNS)
    .where(
        snapshots.c.workspace_id
        == bindparam("its_workspace_id", type_=snapshots.c.workspace_id.type),
        snapshots.c.digest == bindparam("its_digest", type_=snapshots.c.digest.type),
    )
    .with_for_update(read=True, key_share=True)
)
BY_ID: Final = (
    select(*REF_COLUMNS)
    .where(snapshots.c.id == bindparam("its_id", type_=snapshots.c.id.type))
    .with_for_update(read=True, key_share=True)
)


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
    named = [entry for resource in snapshot.resources for entry in blobs_of(resource)]
    ref_values = {
        "digest": snapshot.digest,
        "prompt_digest": snapshot.prompt_digest,
        "tools_digest": snapshot.tools_digest,
        "has_holes": snapshot.has_holes,
    }
    statement = (
        dialect_of(transaction.connection)
        .insert_new(snapshots)
        .values(
            workspace_id=workspace_id,
            manifest_blob_id=stored[snapshot.digest].id,
            resource_count=len(snapshot.resources),
            size_bytes=sum(stored[digest].size_bytes for digest in {blob.digest for blob in named}),
            origin=origin.value,
            created_at=transaction.now,
            **ref_values,
        )
        .returning(snapshots.c.id)
    )
    snapshot_id = (await transaction.connection.execute(statement)).scalar_one_or_none()
    if snapshot_id is None:
        taken = await find_snapshot(transaction, workspace_id, snapshot.digest)
        assert taken is not None, "a key that is taken has its row"
        return taken
    rows = [
        row for resource in snapshot.resources for row in _entries(snapshot_id, resource, stored)
    ]
    await dialect_of(transaction.connection).insert_rows(
        transaction.connection, snapshot_entries, rows
    )
    return SnapshotRef(
        id=snapshot_id,
        digest=snapshot.digest,
        prompt_digest=snapshot.prompt_digest,
        tools_digest=snapshot.tools_digest,
        has_holes=snapshot.has_holes,
    )


def _entries(
    snapshot_id: int, resource: Resource, stored: Mapping[Digest, StoredBlob]
) -> list[dict[str, Any]]:
    named: tuple[NamedBlob | None, ...] = blobs_of(resource) or (None,)
    return [
        {
            "snapshot_id": snapshot_id,
            "source": resource.source,
            "path": blob.path if blob else "",
            "kind": resource.kind.value,
            "status": resource.status.value,
            "reason": resource.reason,
            "blob_id": stored[blob.digest].id if blob else None,
        }
        for blob in named
    ]


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
    "REF_COLUMNS",
    "Origin",
    "add_snapshot",
    "find_snapshot",
    "find_snapshot_by_id",
    "ref_from",
]
