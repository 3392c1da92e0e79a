"""Make a snapshot out of one that is stored: the part of it that some sources name."""

from collections.abc import Collection

from driftpin.context.manifest import snapshot_of
from driftpin.errors import Rejected
from driftpin.identity import WorkspaceId
from driftpin.operations.stored_snapshots import store_snapshot
from driftpin.store.database import Transaction
from driftpin.store.reading.manifests import read_snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.snapshots import Origin


async def require_sources(
    transaction: Transaction, snapshot_id: int, sources: Collection[str]
) -> None:
    """Refuse sources that the snapshot does not list; raises Rejected (`unknown_source`)."""
    whole = (await read_snapshots(transaction.connection, {snapshot_id}))[snapshot_id]
    unknown = set(sources) - {resource.source for resource in whole.resources}
    if unknown:
        raise Rejected(
            "The snapshot does not list all of these sources.",
            code="unknown_source",
            field="sources",
            sources=sorted(unknown),
        )


async def derive_subset(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    snapshot_id: int,
    sources: Collection[str],
) -> SnapshotRef:
    """Return the stored snapshot that lists only these sources of another one.

    It has its own manifest and digest and is checked like a pushed one. A source that the other one
    does not list is not there in the part either: it may have been removed since it was chosen.
    """
    whole = (await read_snapshots(transaction.connection, {snapshot_id}))[snapshot_id]
    part = snapshot_of(r for r in whole.resources if r.source in set(sources))
    return await store_snapshot(transaction, workspace_id, part, {}, Origin.DERIVED)


__all__ = ["derive_subset", "require_sources"]
