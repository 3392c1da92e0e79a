"""Where a refresh takes a pin: to the head, or to a part of what differs from it.

What a selection comes to is decided from two immutable snapshots and the chat's holds, so a look
that only foresees it and the move itself cannot come to different ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftpin.context.drift import Drift
from driftpin.context.holds import (
    NO_HOLDS,
    Choice,
    Holds,
    Selection,
    blended,
    choose,
    holds_in_force,
    refuse_impossible,
)
from driftpin.context.manifest import Snapshot
from driftpin.errors import Conflict
from driftpin.operations.stored_snapshots import store_selected
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.reading.manifests import read_snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.seen_pins import SeenPin


@dataclass(frozen=True, slots=True)
class Sight:
    """A pin and its head with their contents, and everything that lies between them."""

    pin: Snapshot
    head: Snapshot
    drift: Drift


@dataclass(frozen=True, slots=True)
class Aim:
    """The snapshot that is to be pinned, what history says of it, and what is held afterwards."""

    target: SnapshotRef
    inputs: Mapping[str, Any]
    holds: Holds


async def look_at_both(transaction: Transaction, seen: SeenPin, head: SnapshotRef) -> Sight:
    """Return pin and head of a chat that has a pin; raises Conflict (`no_snapshot`) otherwise."""
    if seen.snapshot is None:
        raise Conflict("This chat has no pin yet; refresh it as a whole.", code="no_snapshot")
    pair = (seen.snapshot.id, head.id)
    known = await read_snapshots(transaction.connection, set(pair))
    found = await find_drifts(transaction.connection, [pair])
    await keep_drifts(transaction, found)
    drift = found[pair].drift if pair in found else Drift((), None)
    return Sight(known[pair[0]], known[pair[1]], drift)


def choice_of(sight: Sight, holds: Holds, selection: Selection | None) -> tuple[Choice, Holds]:
    """Return what is taken, and what is held afterwards; without a selection all is taken.

    Holds that the head has moved away from end here. Raises Conflict (`selection_conflict`),
    Rejected (`unknown_source`).
    """
    if selection is None:
        every = frozenset(source for entry in sight.drift.entries for source in entry.sources)
        return Choice(every, NO_HOLDS), NO_HOLDS
    refuse_impossible(selection, sight.pin, sight.head)
    choice = choose(sight.drift, holds, selection)
    kept = {
        source: digest
        for source, digest in holds_in_force(sight.drift, holds).items()
        if source not in choice.taken
    }
    return choice, {**kept, **choice.held}


async def aim_at_part(
    transaction: Transaction, seen: SeenPin, head: SnapshotRef, selection: Selection
) -> Aim:
    """Return where the selection takes the pin; what is derived for it is stored.

    It is checked like a pushed snapshot: raises Rejected (`too_large`).
    """
    sight = await look_at_both(transaction, seen, head)
    choice, holds = choice_of(sight, seen.holds, selection)
    derived = blended(sight.pin, sight.head, choice.taken)
    target = await store_selected(transaction, seen.chat.workspace_id, derived)
    inputs = {
        "head": head.digest,
        "taken": sorted(choice.taken),
        "held": sorted(choice.held),
    }
    return Aim(target, inputs, holds)


__all__ = ["Aim", "Sight", "aim_at_part", "choice_of", "look_at_both"]
