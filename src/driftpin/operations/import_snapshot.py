"""Store a snapshot that is nobody's head, so that a chat can be made on it."""

from collections.abc import Iterable

from driftpin.context.manifest import Snapshot
from driftpin.identity import Actor, Digest, WorkspaceId
from driftpin.operations.stored_snapshots import store_snapshot
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.heads import lock_workspace
from driftpin.store.writing.permits import permit_on_workspace
from driftpin.store.writing.snapshots import Origin


async def import_snapshot(
    store: Store,
    actor: Actor,
    workspace_id: WorkspaceId,
    snapshot: Snapshot,
    blobs: Iterable[tuple[Digest, bytes]],
) -> SnapshotRef:
    """Return the stored snapshot. It goes after its grace unless something comes to name it.

    Raises what a push does for a snapshot that is wrong, too large or lacks blobs.
    """
    require_user(actor)
    bodies = dict(blobs)

    async def store_it(transaction: Transaction) -> SnapshotRef:
        await permit_on_workspace(transaction, actor, workspace_id, action="snapshot.import")
        await lock_workspace(transaction, workspace_id)
        return await store_snapshot(transaction, workspace_id, snapshot, bodies, Origin.IMPORTED)

    return await store.database.write(store_it)


__all__ = ["import_snapshot"]
