"""Drifts by (pin, head): kept once per distinct pair and version, made when they are missing."""

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import bindparam, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.context.drift import DRIFT_VERSION, Drift, drift
from driftpin.context.drift_json import drift_from_json
from driftpin.identity import AgentId
from driftpin.store.reading.manifests import (
    SnapshotDamaged,
    SnapshotGone,
    changed_digests,
    compared,
    read_bodies,
    read_entries,
)
from driftpin.store.tables import agents, chat_pins, drift_summaries

Outcome = TypeVar("Outcome")
Pair = tuple[int, int]
LOOKS_MAX: Final = 5
KEPT: Final = select(
    drift_summaries.c.pin_id, drift_summaries.c.head_id, drift_summaries.c.entries
).where(
    tuple_(drift_summaries.c.pin_id, drift_summaries.c.head_id).in_(
        bindparam("its_pairs", expanding=True)
    ),
    drift_summaries.c.version == DRIFT_VERSION,
)


@dataclass(frozen=True, slots=True)
class KnownDrift:
    """The drift from one snapshot to another; a fresh one was made now and is not kept yet."""

    drift: Drift
    is_fresh: bool


async def find_drifts(
    connection: AsyncConnection, pairs: Collection[Pair]
) -> dict[Pair, KnownDrift]:
    """Return the drift of every pair of snapshot ids, whether it was kept or not.

    Raises SnapshotDamaged if a pair that was never compared cannot be, and SnapshotGone if it was
    collected since its ids were read.
    """
    distinct = sorted({pair for pair in pairs if pair[0] != pair[1]})
    if not distinct:
        return {}
    found = await _read_kept(connection, distinct)
    missing = [pair for pair in distinct if pair not in found]
    return found | await compare_pairs(connection, missing)


async def find_sound_drifts(
    connection: AsyncConnection, pairs: Collection[Pair]
) -> dict[Pair, KnownDrift]:
    """Return the same without the pairs that cannot be compared, for lists that must not fail."""
    try:
        return await find_drifts(connection, pairs)
    except SnapshotDamaged:
        found: dict[Pair, KnownDrift] = {}
        for pair in set(pairs):
            with suppress(SnapshotDamaged):
                found |= await find_drifts(connection, [pair])
        return found


async def look_until_kept(look: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Return what `look` finds; it looks again if a head moved on and was collected meanwhile.

    Raises SnapshotGone after some looks: then all of it is being replaced all the time.
    """
    for _ in range(LOOKS_MAX - 1):
        with suppress(SnapshotGone):
            return await look()
    return await look()


async def list_missing_pairs(
    connection: AsyncConnection, agent_id: AgentId, limit: int
) -> list[Pair]:
    """Return distinct pairs of an agent's pins and its head that were never compared."""
    kept = exists().where(
        drift_summaries.c.pin_id == chat_pins.c.snapshot_id,
        drift_summaries.c.head_id == agents.c.head_id,
        drift_summaries.c.version == DRIFT_VERSION,
    )
    statement = (
        select(chat_pins.c.snapshot_id, agents.c.head_id)
        .join(agents, agents.c.id == chat_pins.c.agent_id)
        .where(
            chat_pins.c.agent_id == agent_id,
            chat_pins.c.snapshot_id != agents.c.head_id,
            agents.c.deleted_at.is_(None),
            ~kept,
        )
        .distinct()
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await connection.execute(statement)]


async def _read_kept(connection: AsyncConnection, pairs: list[Pair]) -> dict[Pair, KnownDrift]:
    rows = (await connection.execute(KEPT, {"its_pairs": pairs})).all()
    return {
        (row.pin_id, row.head_id): KnownDrift(
            drift_from_json(json.loads(row.entries)), is_fresh=False
        )
        for row in rows
    }


async def compare_pairs(connection: AsyncConnection, pairs: list[Pair]) -> dict[Pair, KnownDrift]:
    """Return the drift of every pair, made from the bytes whether it was kept or not."""
    if not pairs:
        return {}
    stored = await read_entries(connection, {snapshot_id for pair in pairs for snapshot_id in pair})
    found: dict[Pair, KnownDrift] = {}
    for head_id, pin_ids in _by_head(pairs).items():
        head = stored[head_id]
        sides = {pin_id: compared(stored[pin_id], head) for pin_id in pin_ids}
        wanted = changed_digests(sides.values())
        bodies = await read_bodies(connection, head_id, wanted)
        if bodies.keys() != wanted:
            raise SnapshotGone
        for pin_id, (pin, beside) in sides.items():
            found[pin_id, head_id] = KnownDrift(drift(pin, beside, bodies.get), is_fresh=True)
    return found


def _by_head(pairs: Iterable[Pair]) -> Mapping[int, list[int]]:
    grouped: defaultdict[int, list[int]] = defaultdict(list)
    for pin_id, head_id in pairs:
        grouped[head_id].append(pin_id)
    return grouped


__all__ = [
    "KnownDrift",
    "Pair",
    "compare_pairs",
    "find_drifts",
    "find_sound_drifts",
    "list_missing_pairs",
    "look_until_kept",
]
