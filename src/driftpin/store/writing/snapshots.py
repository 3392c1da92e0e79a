"""Snapshots: immutable, one row per digest in a workspace, their entries beside them.

A snapshot is stored beside the one before it, of which it mostly has the same lines: PostgreSQL
copies those itself, and gets only the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ARRAY,
    Row,
    Select,
    TableValuedAlias,
    and_,
    bindparam,
    exists,
    insert,
    select,
    true,
    union_all,
)
from sqlalchemy.engine import Result

from driftpin.context.manifest import Snapshot
from driftpin.context.resource import blobs_of
from driftpin.identity import Digest, WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.dialects.postgresql import PostgresDialect
from driftpin.store.tables import blobs, snapshot_entries, snapshots
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


class Line(NamedTuple):
    """One entry of a snapshot, by what it says; without a digest for what names no bytes."""

    source: str
    path: str
    kind: str
    status: str
    reason: str
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class Base:
    """A stored snapshot with its lines, which one to be stored shares with it, or most of them.

    It must be kept until the transaction ends.
    """

    id: int
    lines: Mapping[Line, StoredBlob | None]


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """What is to be stored, and how it came to be."""

    snapshot: Snapshot
    lines: tuple[Line, ...]
    origin: Origin
    base: Base | None


ENTRY_COLUMNS: Final = ("source", "path", "kind", "status", "reason", "blob_id")
PLACE_COLUMNS: Final = ("source", "path")
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
    row = {name: parameter_of(snapshots, name) for name in SNAPSHOT_COLUMNS}
    dialect = PostgresDialect()
    added = dialect.insert_new(snapshots).values(row).returning(snapshots.c.id).cte("added")
    listed = _listed("entry", ENTRY_COLUMNS)
    other = _listed("other", PLACE_COLUMNS)
    entry = snapshot_entries.c
    is_other = exists().where(entry.source == other.c.source, entry.path == other.c.path)
    base_id = bindparam("base_id", type_=snapshots.c.id.type)
    copied = [entry[name] for name in ENTRY_COLUMNS]
    entries = insert(snapshot_entries).from_select(
        ["snapshot_id", *ENTRY_COLUMNS],
        union_all(
            select(added.c.id, *listed.c).select_from(added.join(listed, true())),
            select(added.c.id, *copied)
            .select_from(added.join(snapshot_entries, entry.snapshot_id == base_id))
            .where(~is_other),
        ),
    )
    return select(added.c.id).add_cte(entries.cte("entries"))


def _listed(prefix: str, names: tuple[str, ...]) -> TableValuedAlias:
    """Return entries that come as one array for each of these columns."""
    columns = [snapshot_entries.c[name] for name in names]
    arrays = [bindparam(f"{prefix}_{each.name}", type_=ARRAY(each.type)) for each in columns]
    return PostgresDialect().listed(columns, arrays, name=f"{prefix}_rows")


INSERT_AT_ONCE: Final = _insert_at_once()
LINES: Final = (
    select(
        *(snapshot_entries.c[name] for name in ENTRY_COLUMNS if name != "blob_id"),
        blobs.c.digest,
        blobs.c.id,
        blobs.c.size_bytes,
    )
    .outerjoin(blobs, blobs.c.id == snapshot_entries.c.blob_id)
    .where(snapshot_entries.c.snapshot_id == bindparam("its_id", type_=snapshots.c.id.type))
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


def lines_of(snapshot: Snapshot) -> tuple[Line, ...]:
    """Return a line for every blob that the snapshot names, and for what names none."""
    lines: list[Line] = []
    for resource in snapshot.resources:
        kind, status, reason = str(resource.kind), str(resource.status), resource.reason
        named = blobs_of(resource)
        if not named:
            lines.append(Line(resource.source, "", kind, status, reason, None))
        for source, path, digest in named:
            lines.append(Line(source, path, kind, status, reason, digest))
    return tuple(lines)


async def read_base(transaction: Transaction, snapshot: SnapshotRef) -> Base:
    """Return a stored snapshot with its lines, each with where its bytes are."""
    rows = (await transaction.connection.execute(LINES, {"its_id": snapshot.id})).all()
    return Base(
        snapshot.id,
        {
            Line(source, path, kind, status, reason, digest): (
                None if row_id is None else StoredBlob(row_id, size_bytes)
            )
            for source, path, kind, status, reason, digest, row_id, size_bytes, *_ in rows
        },
    )


def blobs_of_base(base: Base) -> dict[Digest, StoredBlob]:
    """Return the blobs that a stored snapshot names."""
    return {
        line.digest: blob
        for line, blob in base.lines.items()
        if line.digest is not None and blob is not None
    }


async def add_snapshot(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    new: NewSnapshot,
    stored: Mapping[Digest, StoredBlob],
) -> SnapshotRef:
    """Store a snapshot that the workspace lacks; one that came in meanwhile is returned instead.

    `stored` has every blob that the snapshot names, and its manifest.
    """
    snapshot = new.snapshot
    named = {line.digest for line in new.lines if line.digest is not None}
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
        "size_bytes": sum(stored[digest].size_bytes for digest in named),
        "origin": new.origin.value,
        "created_at": transaction.now,
        **ref,
    }
    insert_it = _insert_beside if transaction.is_shared else _insert_whole
    snapshot_id = await insert_it(transaction, values, new, stored)
    if snapshot_id is None:
        taken = await find_snapshot(transaction, workspace_id, snapshot.digest)
        assert taken is not None, "a key that is taken has its row"
        return taken
    return SnapshotRef(id=snapshot_id, **ref)


async def _insert_beside(
    transaction: Transaction,
    values: Mapping[str, Any],
    new: NewSnapshot,
    stored: Mapping[Digest, StoredBlob],
) -> int | None:
    """Insert a snapshot with its entries; None, and nothing inserted, if it is there already."""
    there = {} if new.base is None else new.base.lines
    fresh = [_entry(line, stored) for line in new.lines if line not in there]
    other = there.keys() - set(new.lines)
    asked = {
        **row_parameters(snapshots, values),
        "base_id": None if new.base is None else new.base.id,
        **{f"entry_{name}": [entry[name] for entry in fresh] for name in ENTRY_COLUMNS},
        "other_source": [line.source for line in other],
        "other_path": [line.path for line in other],
    }
    added: int | None = await transaction.connection.scalar(INSERT_AT_ONCE, asked)
    return added


async def _insert_whole(
    transaction: Transaction,
    values: Mapping[str, Any],
    new: NewSnapshot,
    stored: Mapping[Digest, StoredBlob],
) -> int | None:
    """Do the same on SQLite, where nothing is gained by copying."""
    connection = transaction.connection
    dialect = dialect_of(connection)
    inserting_it = dialect.insert_new(snapshots).returning(snapshots.c.id)
    added: int | None = await connection.scalar(inserting_it, dict(values))
    if added is not None:
        rows = [{"snapshot_id": added, **_entry(line, stored)} for line in new.lines]
        await dialect.insert_rows(connection, snapshot_entries, rows)
    return added


def _entry(line: Line, stored: Mapping[Digest, StoredBlob]) -> dict[str, Any]:
    """Return the row of a line, but for the snapshot that it belongs to."""
    blob_id = None if line.digest is None else stored[line.digest].id
    return dict(zip(ENTRY_COLUMNS, (*line[:-1], blob_id), strict=True))


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
    "NewSnapshot",
    "Origin",
    "add_snapshot",
    "blobs_of_base",
    "find_snapshot",
    "find_snapshot_by_id",
    "lines_of",
    "read_base",
    "ref_from",
]
