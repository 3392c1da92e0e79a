"""Storing a snapshot that was pushed, imported or derived: its bytes first, then its rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from driftpin.context.manifest import Snapshot
from driftpin.errors import Rejected, TooLarge
from driftpin.failpoints import Failpoint
from driftpin.identity import Digest, WorkspaceId
from driftpin.operations.push_checks import (
    check_bodies,
    check_snapshot,
    refuse_missing,
)
from driftpin.operations.size_checks import check_sizes
from driftpin.store.database import Transaction
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.blobs import StoredBlob, add_blobs, find_blobs, require_room
from driftpin.store.writing.snapshots import (
    Line,
    NewSnapshot,
    Origin,
    add_snapshot,
    blobs_of_base,
    find_snapshot,
    lines_of,
    read_base,
)

NO_BODIES: Final[Mapping[Digest, bytes]] = {}
NO_BLOBS: Final[Mapping[Digest, StoredBlob]] = {}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A snapshot that may be stored, with the bytes that came along."""

    snapshot: Snapshot
    lines: tuple[Line, ...]
    bodies: Mapping[Digest, bytes]
    needed: frozenset[Digest] = field(init=False)
    offered: Mapping[Digest, bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Note once which blobs it takes, and which of them came along."""
        digest = self.snapshot.digest
        named = {line.digest for line in self.lines if line.digest is not None}
        object.__setattr__(self, "needed", frozenset(named | {digest}))
        object.__setattr__(self, "offered", {**self.bodies, digest: self.snapshot.manifest})


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
    *,
    beside: SnapshotRef | None = None,
) -> SnapshotRef:
    """Do the same with a snapshot that was looked for in vain.

    `beside` is one that it probably has most in common with, of the same workspace and kept until
    the transaction ends: what the two share is there already.
    """
    base = None if beside is None else await read_base(transaction, beside)
    known = NO_BLOBS if base is None else blobs_of_base(base)
    candidate = _Candidate(snapshot, lines_of(snapshot), bodies)
    present = await _check(transaction, workspace_id, candidate, known)
    new = {digest: candidate.offered[digest] for digest in candidate.needed - present.keys()}
    if new:
        present |= await add_blobs(transaction, workspace_id, new, manifest=snapshot.digest)
        if origin is not Origin.DERIVED:
            # What is made of stored snapshots brings no bytes from outside.
            await require_room(transaction, workspace_id, new)
        await transaction.reach(Failpoint.PUSH_BLOBS)
    added = NewSnapshot(snapshot, candidate.lines, origin, base)
    return await add_snapshot(transaction, workspace_id, added, present)


async def check_new_snapshot(
    transaction: Transaction, workspace_id: WorkspaceId, snapshot: Snapshot
) -> None:
    """Refuse a snapshot that could not be stored out of what the workspace has."""
    candidate = _Candidate(snapshot, lines_of(snapshot), NO_BODIES)
    await _check(transaction, workspace_id, candidate, NO_BLOBS)


async def _check(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    candidate: _Candidate,
    known: Mapping[Digest, StoredBlob],
) -> dict[Digest, StoredBlob]:
    """Refuse a snapshot that could not be stored; return those of its blobs that are there.

    They come with those that are `known` to be there, kept until the transaction ends.
    """
    check_snapshot(candidate.snapshot)
    check_bodies(candidate.snapshot, candidate.bodies)
    found = await find_blobs(transaction, workspace_id, candidate.needed - known.keys())
    present = {**known, **found}
    missing = candidate.needed - present.keys()
    refuse_missing(missing - candidate.offered.keys())
    sizes = {digest: blob.size_bytes for digest, blob in present.items()}
    sizes |= {digest: len(candidate.offered[digest]) for digest in missing}
    check_sizes(candidate.lines, sizes)
    return present


async def store_selected(
    transaction: Transaction, workspace_id: WorkspaceId, snapshot: Snapshot
) -> SnapshotRef:
    """Store what a selection made of two snapshots; raises Rejected if it passes a limit.

    Each of the two kept to every limit, so it is the selection that is refused.
    """
    with refusing_selection():
        return await store_snapshot(transaction, workspace_id, snapshot, {}, Origin.DERIVED)


@contextmanager
def refusing_selection() -> Iterator[None]:
    """Say of a limit that was passed that the selection breaks it."""
    try:
        yield
    except TooLarge as passed:
        raise Rejected(str(passed), code=passed.code, **passed.fields) from passed


__all__ = [
    "check_new_snapshot",
    "refusing_selection",
    "store_new_snapshot",
    "store_selected",
    "store_snapshot",
]
