"""Whether the drifts that are kept are what their two snapshots give, made again from the bytes.

Whether a chat is dirty, how badly, and what it holds is told from kept drifts; so one that is not
what was compared would tell it wrongly for every chat with this pin and this head.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import Row, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.context.drift import DRIFT_VERSION
from driftpin.context.drift_json import drift_to_json
from driftpin.store.database import Database
from driftpin.store.reading.drift_summaries import compare_pairs
from driftpin.store.reading.manifests import BlobDamaged, SnapshotDamaged, SnapshotGone
from driftpin.store.tables import drift_summaries

DRIFTS_PER_PAGE: Final = 32
PLACE: Final = tuple_(drift_summaries.c.pin_id, drift_summaries.c.head_id)

AnyRow = Row[*tuple[Any, ...]]


async def find_wrong_drifts(database: Database) -> AsyncIterator[str]:
    """Give the pairs whose kept drift is not the one between them; other damage is told apart."""
    page = _page()
    while True:
        async with database.read() as connection:
            rows = (await connection.execute(page)).all()
            wrong = [row for row in rows if not await _is_right(connection, row)]
        for row in wrong:
            yield f"{row.pin_id}/{row.head_id}"
        if len(rows) < DRIFTS_PER_PAGE:
            return
        page = _page().where(PLACE > tuple_(rows[-1].pin_id, rows[-1].head_id))


def _page() -> Select[Any]:
    return (
        select(drift_summaries)
        .where(drift_summaries.c.version == DRIFT_VERSION)
        .order_by(drift_summaries.c.pin_id, drift_summaries.c.head_id)
        .limit(DRIFTS_PER_PAGE)
    )


async def _is_right(connection: AsyncConnection, row: AnyRow) -> bool:
    pair = (row.pin_id, row.head_id)
    try:
        made = (await compare_pairs(connection, [pair]))[pair].drift
    except (SnapshotDamaged, SnapshotGone, BlobDamaged):
        return True
    try:
        kept = json.loads(row.entries)
    except ValueError:
        return False
    severity = None if made.severity is None else made.severity.value
    is_counted = row.entry_count == len(made.entries) and row.severity == severity
    return bool(is_counted and kept == drift_to_json(made))


__all__ = ["find_wrong_drifts"]
