"""Stored snapshots as values again, with the bytes that a comparison needs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.context.manifest import (
    Entries,
    Part,
    Snapshot,
    entries_of,
    part_beside,
    resources_of,
    snapshot_of,
)
from driftpin.context.resource import blobs_of
from driftpin.errors import Conflict, Unavailable
from driftpin.identity import Digest, digest_of
from driftpin.store.dialects import dialect_for
from driftpin.store.engines import EngineKind
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
ALL_STORED: Final = STORED.where(snapshots.c.id.in_(bindparam("its_ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class StoredEntries:
    """What an intact manifest lists, as it is written."""

    digest: Digest
    entries: Entries


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
    rows = await _read_stored(connection, snapshot_ids)
    return {row.id: _stored_snapshot(row) for row in rows}


async def read_entries(
    connection: AsyncConnection, snapshot_ids: Collection[int]
) -> dict[int, StoredEntries]:
    """Return the entries of these snapshots by id; raises the same."""
    rows = await _read_stored(connection, snapshot_ids)
    return {
        row.id: StoredEntries(row.digest, entries_of(sound_manifest(row.content, row.digest)))
        for row in rows
    }


async def _read_stored(
    connection: AsyncConnection, snapshot_ids: Collection[int]
) -> Sequence[Row[*tuple[Any, ...]]]:
    wanted = sorted(set(snapshot_ids))
    rows = (await connection.execute(ALL_STORED, {"its_ids": wanted})).all()
    if len(rows) < len(wanted):
        raise SnapshotGone
    return rows


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
    asked = {"its_id": snapshot_id, "its_digests": sorted(digests)}
    rows = await connection.execute(_bodies(EngineKind(connection.dialect.name)), asked)
    return {row.digest: sound_blob(row.content, row.digest) for row in rows}


@lru_cache(maxsize=len(EngineKind))
def _bodies(engine: EngineKind) -> Select[Any]:
    its_id = bindparam("its_id", type_=snapshots.c.id.type)
    workspace_id = select(snapshots.c.workspace_id).where(snapshots.c.id == its_id)
    return select(blobs.c.digest, blobs.c.content).where(
        blobs.c.workspace_id == workspace_id.scalar_subquery(),
        dialect_for(engine).is_listed_digest(blobs.c.digest, "its_digests"),
    )


def compared(pin: StoredEntries, head: StoredEntries) -> tuple[Part, Part]:
    """Return as much of both as lies between them."""
    return (
        Part(part_beside(pin.entries, head.entries), pin.digest),
        Part(part_beside(head.entries, pin.entries), head.digest),
    )


def changed_digests(pairs: Iterable[tuple[Part, Part]]) -> set[Digest]:
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
    "StoredEntries",
    "changed_digests",
    "check_intact",
    "compared",
    "parse_stored_manifest",
    "read_bodies",
    "read_entries",
    "read_snapshots",
    "sound_blob",
    "sound_manifest",
]
