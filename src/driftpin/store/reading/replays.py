"""Whether moves to a part of a head give what was pinned: each is made again from its snapshots.

Snapshots go after their retention. What is left is compared as far as it goes: without the head it
is known what was not taken from it.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import Row, Select, select, tuple_

from driftpin.context.holds import blended
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.identity import Digest
from driftpin.store.database import Database
from driftpin.store.reading.consistency import TAKEN
from driftpin.store.reading.manifests import SnapshotDamaged, parse_stored_manifest
from driftpin.store.tables import blobs, chat_pin_history, chats, snapshots

MOVES_PER_PAGE: Final = 100
PLACE: Final = tuple_(chat_pin_history.c.chat_id, chat_pin_history.c.revision)

AnyRow = Row[*tuple[Any, ...]]


async def find_wrong_parts(database: Database) -> AsyncIterator[str]:
    """Give moves whose verb and inputs, done again, come to something else than was pinned."""
    page = _moves()
    while True:
        async with database.read() as connection:
            rows = (await connection.execute(page)).all()
        for row in rows:
            if not await _is_right(database, row):
                yield f"{row.chat_id}/{row.revision}"
        if len(rows) < MOVES_PER_PAGE:
            return
        page = _moves().where(PLACE > tuple_(rows[-1].chat_id, rows[-1].revision))


def _moves() -> Select[Any]:
    return (
        select(chat_pin_history, chats.c.workspace_id)
        .join(chats, chats.c.id == chat_pin_history.c.chat_id)
        .where(chat_pin_history.c.inputs.contains(f'"{TAKEN}":', autoescape=True))
        .order_by(chat_pin_history.c.chat_id, chat_pin_history.c.revision)
        .limit(MOVES_PER_PAGE)
    )


async def _is_right(database: Database, row: AnyRow) -> bool:
    try:
        inputs = json.loads(row.inputs)
        head_digest, taken = Digest(inputs["head"]), frozenset(inputs[TAKEN])
    except (ValueError, KeyError, TypeError):
        return False
    known = await _read(database, row, {row.from_digest, row.to_digest, head_digest})
    before, after = known.get(row.from_digest), known.get(row.to_digest)
    head = known.get(head_digest)
    if after is None or before is None:
        return True
    if head is None:
        return _less(before, taken) == _less(after, taken)
    return blended(before, head, taken).digest == after.digest


def _less(snapshot: Snapshot, sources: frozenset[str]) -> Digest:
    return snapshot_of(r for r in snapshot.resources if r.source not in sources).digest


async def _read(database: Database, row: AnyRow, digests: set[Any]) -> dict[Digest, Snapshot]:
    """Return those of the workspace's snapshots that are still there; damage is found elsewhere."""
    statement = (
        select(snapshots.c.digest, blobs.c.content)
        .join(blobs, blobs.c.id == snapshots.c.manifest_blob_id)
        .where(snapshots.c.workspace_id == row.workspace_id, snapshots.c.digest.in_(digests))
    )
    async with database.read() as connection:
        rows = (await connection.execute(statement)).all()
    found: dict[Digest, Snapshot] = {}
    for stored in rows:
        try:
            found[stored.digest] = parse_stored_manifest(stored.content, stored.digest)
        except SnapshotDamaged:
            continue
    return found


__all__ = ["find_wrong_parts"]
