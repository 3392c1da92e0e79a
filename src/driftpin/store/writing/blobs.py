"""Blobs: bytes kept once per workspace, named by their digest. Digests are checked before."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, bindparam, exists, func, select, update

from driftpin.context.tokens import estimate_tokens
from driftpin.identity import Digest, WorkspaceId
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.dialects import dialect_for, dialect_of
from driftpin.store.tables import blobs, review_rounds, snapshot_entries, snapshots
from driftpin.store.writing.usage import check_quotas, count_usage

# One statement may carry this many digests on either engine.
DIGESTS_PER_STATEMENT: Final = 10_000
STORED_COLUMNS: Final = (blobs.c.digest, blobs.c.id, blobs.c.size_bytes)


class StoredBlob(NamedTuple):
    """Where bytes are kept, and how many."""

    id: int
    size_bytes: int


async def find_blobs(
    transaction: Transaction, workspace_id: WorkspaceId, digests: Iterable[Digest]
) -> dict[Digest, StoredBlob]:
    """Return those of the blobs that the workspace has.

    They stay until the transaction ends: the collector passes over rows that are locked.
    """
    found: dict[Digest, StoredBlob] = {}
    for some in _in_parts(digests):
        asked = {"its_workspace_id": workspace_id, "its_digests": some}
        rows = await transaction.connection.execute(_finding(transaction.engine), asked)
        found |= {digest: StoredBlob(row_id, size) for digest, row_id, size in rows.all()}
    return found


@lru_cache(maxsize=len(EngineKind))
def _finding(engine: EngineKind) -> Select[Any]:
    its_workspace_id = bindparam("its_workspace_id", type_=blobs.c.workspace_id.type)
    return (
        select(*STORED_COLUMNS)
        .where(
            blobs.c.workspace_id == its_workspace_id,
            dialect_for(engine).is_listed_digest(blobs.c.digest, "its_digests"),
        )
        .with_for_update(read=True, key_share=True)
    )


async def add_blobs(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    contents: Mapping[Digest, bytes],
    *,
    manifest: Digest | None = None,
) -> dict[Digest, StoredBlob]:
    """Store bytes that the workspace lacks; return where. The workspace must be locked.

    The tokens of all but a `manifest` are counted: no prompt has that.
    """
    rows = [
        {
            "workspace_id": workspace_id,
            "digest": digest,
            "size_bytes": len(content),
            "content": content,
            "offered_at": transaction.now,
            "tokens": None if digest == manifest else estimate_tokens(content),
        }
        for digest, content in sorted(contents.items())
    ]
    inserted = await dialect_of(transaction.connection).insert_rows(
        transaction.connection, blobs, rows, returning=STORED_COLUMNS
    )
    await count_usage(transaction, {workspace_id: _length_of(contents)})
    added = {digest: StoredBlob(row_id, size_bytes) for digest, row_id, size_bytes in inserted}
    # Whoever shares the workspace may have stored one of them at the same time.
    return added | await find_blobs(transaction, workspace_id, contents.keys() - added.keys())


async def require_room(
    transaction: Transaction, workspace_id: WorkspaceId, contents: Mapping[Digest, bytes]
) -> None:
    """Refuse bytes that were just added and are too many; raises TooLarge (`quota_exceeded`)."""
    await check_quotas(transaction, workspace_id, _length_of(contents))


def _length_of(contents: Mapping[Digest, bytes]) -> int:
    return sum(map(len, contents.values()))


async def renew_blobs(
    transaction: Transaction, workspace_id: WorkspaceId, digests: Iterable[Digest]
) -> None:
    """Begin the grace of blobs that were offered again anew."""
    for some in _in_parts(digests):
        await transaction.connection.execute(
            update(blobs)
            .where(
                blobs.c.workspace_id == workspace_id,
                dialect_of(transaction.connection).is_digest_of(blobs.c.digest, some),
            )
            .values(offered_at=transaction.now)
        )


async def count_unreferenced_bytes(transaction: Transaction, workspace_id: WorkspaceId) -> int:
    """Return how many bytes of the workspace no snapshot or review names."""
    is_named = exists().where(snapshot_entries.c.blob_id == blobs.c.id)
    is_manifest = exists().where(snapshots.c.manifest_blob_id == blobs.c.id)
    is_of_review = exists().where(review_rounds.c.blob_id == blobs.c.id)
    statement = select(func.coalesce(func.sum(blobs.c.size_bytes), 0)).where(
        blobs.c.workspace_id == workspace_id, ~is_named, ~is_manifest, ~is_of_review
    )
    return int((await transaction.connection.execute(statement)).scalar_one())


def _in_parts(digests: Iterable[Digest]) -> Iterable[Sequence[Digest]]:
    remaining = iter(sorted(set(digests)))
    while part := list(islice(remaining, DIGESTS_PER_STATEMENT)):
        yield part


__all__ = [
    "StoredBlob",
    "add_blobs",
    "count_unreferenced_bytes",
    "find_blobs",
    "renew_blobs",
    "require_room",
]
