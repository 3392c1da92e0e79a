"""Snapshots and blobs, only through something that the caller may read."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import NotFound
from driftpin.identity import Actor, Digest, WorkspaceId
from driftpin.store.access import readable_blobs, readable_snapshots
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.accounts import get_agent, get_workspace
from driftpin.store.reading.manifests import sound_blob, sound_manifest
from driftpin.store.reading.pins import ENTRY_COLUMNS, entries_from
from driftpin.store.tables import blobs, snapshot_entries, snapshots
from driftpin.store.values import PinnedEntry, SnapshotRef, WorkspaceHead


async def get_workspace_head(
    connection: AsyncConnection, actor: Actor, workspace_id: WorkspaceId
) -> WorkspaceHead:
    """Return the workspace's current agent with its head's manifest and entries."""
    workspace = await get_workspace(connection, actor, workspace_id)
    if workspace.current_agent_id is None:
        return WorkspaceHead(None, None, ())
    agent = await get_agent(connection, actor, workspace.current_agent_id)
    if agent.head is None:
        return WorkspaceHead(agent, None, ())
    manifest = await _read_manifest(connection, agent.head)
    return WorkspaceHead(agent, manifest, await list_entries(connection, agent.head))


async def list_entries(
    connection: AsyncConnection, snapshot: SnapshotRef
) -> tuple[PinnedEntry, ...]:
    """Return every line of a snapshot whose sight was granted before."""
    statement = (
        select(*ENTRY_COLUMNS)
        .select_from(snapshot_entries)
        .outerjoin(blobs, blobs.c.id == snapshot_entries.c.blob_id)
        .where(snapshot_entries.c.snapshot_id == snapshot.id)
        .order_by(snapshot_entries.c.source, snapshot_entries.c.path)
    )
    return entries_from(await connection.execute(statement))


async def get_snapshot_manifest(connection: AsyncConnection, actor: Actor, digest: Digest) -> bytes:
    """Return the manifest of the snapshot in whichever workspace the actor may read it."""
    statement = (
        select(blobs.c.content)
        .select_from(snapshots.join(blobs, blobs.c.id == snapshots.c.manifest_blob_id))
        .where(snapshots.c.digest == digest, readable_snapshots(actor))
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return sound_manifest(row.content, digest)


async def read_blob(connection: AsyncConnection, actor: Actor, digest: Digest) -> bytes:
    """Return the blob's bytes out of whichever workspace the actor may read it in."""
    statement = (
        select(blobs.c.content).where(blobs.c.digest == digest, readable_blobs(actor)).limit(1)
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return sound_blob(row.content, digest)


async def read_blobs(
    connection: AsyncConnection,
    actor: Actor,
    workspace_id: WorkspaceId,
    digests: Collection[Digest],
) -> dict[Digest, bytes]:
    """Return those of the blobs that the workspace has and the actor may read."""
    if not digests:
        return {}
    statement = select(blobs.c.digest, blobs.c.content).where(
        blobs.c.workspace_id == workspace_id,
        dialect_of(connection).is_digest_of(blobs.c.digest, sorted(digests)),
        readable_blobs(actor),
    )
    rows = await connection.execute(statement)
    return {row.digest: sound_blob(row.content, row.digest) for row in rows}


async def _read_manifest(connection: AsyncConnection, snapshot: SnapshotRef) -> bytes:
    statement = (
        select(blobs.c.content)
        .join(snapshots, snapshots.c.manifest_blob_id == blobs.c.id)
        .where(snapshots.c.id == snapshot.id)
    )
    return sound_manifest((await connection.execute(statement)).scalar_one(), snapshot.digest)


__all__ = [
    "get_snapshot_manifest",
    "get_workspace_head",
    "list_entries",
    "read_blob",
    "read_blobs",
]
