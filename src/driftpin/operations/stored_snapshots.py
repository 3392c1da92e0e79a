"""Storing a snapshot that was pushed, imported or derived: its bytes first, then its rows."""

from collections.abc import Mapping

from driftpin.context.manifest import Snapshot
from driftpin.failpoints import Failpoint
from driftpin.identity import Digest, WorkspaceId
from driftpin.operations.push_checks import (
    check_bodies,
    check_snapshot,
    named_digests,
    refuse_missing,
)
from driftpin.operations.size_checks import check_sizes
from driftpin.store.database import Transaction
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.blobs import add_blobs, find_blobs, require_room
from driftpin.store.writing.snapshots import Origin, add_snapshot, find_snapshot


async def store_snapshot(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    snapshot: Snapshot,
    bodies: Mapping[Digest, bytes],
    origin: Origin,
) -> SnapshotRef:
    """Return the stored snapshot; one that the workspace has already is not written again.

    Everything is checked before anything is written. Raises BlobsMissing with the digests that
    are neither stored nor among `bodies`; bodies that nothing names are left out.
    """
    stored = await find_snapshot(transaction, workspace_id, snapshot.digest)
    if stored is not None:
        return stored
    return await store_new_snapshot(transaction, workspace_id, snapshot, bodies, origin)


async def store_new_snapshot(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    snapshot: Snapshot,
    bodies: Mapping[Digest, bytes],
    origin: Origin,
) -> SnapshotRef:
    """Do the same with a snapshot that was looked for in vain."""
    check_snapshot(snapshot)
    check_bodies(snapshot, bodies)
    wanted = named_digests(snapshot) | {snapshot.digest}
    present = await find_blobs(transaction, workspace_id, wanted)
    offered = {**bodies, snapshot.digest: snapshot.manifest}
    missing = wanted - present.keys()
    refuse_missing(missing - offered.keys())
    new = {digest: offered[digest] for digest in missing}
    sizes = {digest: blob.size_bytes for digest, blob in present.items()}
    check_sizes(snapshot, sizes | {digest: len(content) for digest, content in new.items()})
    if new:
        present |= await add_blobs(transaction, workspace_id, new)
        if origin is not Origin.DERIVED:
            # What is made of stored snapshots brings no bytes from outside.
            await require_room(transaction, workspace_id, new)
        await transaction.reach(Failpoint.PUSH_BLOBS)
    return await add_snapshot(transaction, workspace_id, snapshot, present, origin)


__all__ = ["store_new_snapshot", "store_snapshot"]
