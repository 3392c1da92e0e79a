"""Stored snapshots as values again, with the bytes that a comparison needs."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.context.manifest import Snapshot, resources_of, snapshot_of
from driftpin.context.resource import blobs_of
from driftpin.errors import Conflict, Unavailable
from driftpin.identity import Digest, digest_of
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import blobs, snapshots
from driftpin.store.values import SnapshotRef

MANIFEST: Final = (
    select(blobs.c.content)
    .join(snapshots, snapshots.c.manifest_blob_id == blobs.c.id)
    .where(snapshots.c.id == bindparam("its_id", type_=snapshots.c.id.type))
)
STORED: Final = select(
    snapshots.c.id,
    snapshots.c.digest,
    snapshots.c.prompt_digest,
    snapshots.c.tools_digest,
    blobs.c.content,
).join(blobs, blobs.c.id == snapshots.c.manifest_blob_id)


class SnapshotDamaged(Conflict):
    """The stored bytes of a snapshot are not what its digest says; run `driftpin fsck`."""

    default_code = "snapshot_damaged"


class SnapshotGone(Unavailable):
    """A snapshot was collected while it was being read, since nothing names it now; look again."""

    default_code = "pin_moving"


class BlobDamaged(Conflict):
    """The stored bytes of this blob are not what its digest says; run `driftpin fsck`."""

    default_code = "blob_damaged"


def sound_blob(content: bytes, digest: Digest) -> bytes:
    """Return the bytes of a blob; raises BlobDamaged unless they recompute to the digest."""
    if digest_of(content) != digest:
        raise BlobDamaged(digest=digest)
    return content


def sound_manifest(manifest: bytes, digest: Digest) -> bytes:
    """Return a snapshot's manifest; raises SnapshotDamaged unless it recomputes to the digest."""
    if digest_of(manifest) != digest:
        raise SnapshotDamaged(digest=digest)
    return manifest


def parse_stored_manifest(manifest: bytes, digest: Digest) -> Snapshot:
    """Return the snapshot that a stored manifest stands for.

    Raises SnapshotDamaged unless the bytes recompute to the digest: nothing is pinned, compared or
    shown from a manifest that is not the one that was accepted.
    """
    try:
        snapshot = snapshot_of(resources_of(manifest))
    except (ValueError, KeyError, TypeError, AssertionError) as failure:
        raise SnapshotDamaged(digest=digest) from failure
    if snapshot.digest != digest:
        raise SnapshotDamaged(digest=digest)
    return snapshot


async def read_snapshots(
    connection: AsyncConnection, snapshot_ids: Collection[int]
) -> dict[int, Snapshot]:
    """Return these snapshots by id.

    Raises SnapshotDamaged if one of them is not intact, and SnapshotGone if one is not there.
    """
    statement = STORED.where(snapshots.c.id.in_(sorted(snapshot_ids)))
    rows = (await connection.execute(statement)).all()
    if len(rows) < len(set(snapshot_ids)):
        raise SnapshotGone
    return {row.id: _stored_snapshot(row) for row in rows}


def _stored_snapshot(row: Row[*tuple[Any, ...]]) -> Snapshot:
    """Return the snapshot of a row of STORED.

    Bytes with the digest of an accepted manifest are that manifest, so what was derived from it
    then needs no second look; `driftpin fsck` takes one.
    """
    manifest = sound_manifest(row.content, row.digest)
    return Snapshot(
        resources=resources_of(manifest),
        manifest=manifest,
        digest=row.digest,
        prompt_digest=row.prompt_digest,
        tools_digest=row.tools_digest,
    )


async def check_intact(connection: AsyncConnection, snapshot: SnapshotRef) -> None:
    """Refuse a snapshot whose stored manifest does not recompute to its digest."""
    found = await connection.execute(MANIFEST, {"its_id": snapshot.id})
    sound_manifest(found.scalar_one(), snapshot.digest)


async def read_bodies(
    connection: AsyncConnection, snapshot_id: int, digests: Collection[Digest]
) -> dict[Digest, bytes]:
    """Return the bytes of these blobs out of the workspace that the snapshot belongs to."""
    if not digests:
        return {}
    workspace_id = (
        select(snapshots.c.workspace_id).where(snapshots.c.id == snapshot_id).scalar_subquery()
    )
    statement = select(blobs.c.digest, blobs.c.content).where(
        blobs.c.workspace_id == workspace_id,
        dialect_of(connection).is_digest_of(blobs.c.digest, sorted(digests)),
    )
    rows = await connection.execute(statement)
    return {row.digest: sound_blob(row.content, row.digest) for row in rows}


def changed_digests(pairs: Iterable[tuple[Snapshot, Snapshot]]) -> set[Digest]:
    """Return the blobs of every resource that is not the same on both sides of a pair."""
    found: set[Digest] = set()
    for pin, head in pairs:
        old = {resource.source: resource for resource in pin.resources}
        new = {resource.source: resource for resource in head.resources}
        for source in old.keys() | new:
            before, after = old.get(source), new.get(source)
            if before != after:
                sides = [side for side in (before, after) if side is not None]
                found.update(blob.digest for side in sides for blob in blobs_of(side))
    return found


__all__ = [
    "BlobDamaged",
    "SnapshotDamaged",
    "SnapshotGone",
    "changed_digests",
    "check_intact",
    "parse_stored_manifest",
    "read_bodies",
    "read_snapshots",
    "sound_blob",
    "sound_manifest",
]
