"""Where pins go with their chats to another agent: to its head, less what they hold.

It is decided once per distinct pinned snapshot and distinct holds, so that it costs the same for
one chat and for a thousand that stand alike.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from driftpin.context.drift import Drift, Severity
from driftpin.context.holds import (
    NO_HOLDS,
    Holds,
    blended,
    holds_in_force,
    less_holds,
    open_sources,
)
from driftpin.errors import Rejected
from driftpin.identity import ChatId, Digest, WorkspaceId
from driftpin.operations.stored_snapshots import store_selected
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.reading.holds import read_holds
from driftpin.store.reading.manifests import read_snapshots
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.pins import LockedPin, PinVerb

log = structlog.get_logger(__name__)

Alike = tuple[int, frozenset[tuple[str, Digest | None]]]


@dataclass(frozen=True, slots=True)
class Course:
    """Chats that move to one snapshot by one verb; `overtaken` sources are held no longer."""

    verb: PinVerb
    chat_ids: tuple[ChatId, ...]
    target: SnapshotRef | None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    overtaken: frozenset[str] = frozenset()


async def rebind_courses(
    transaction: Transaction, pins: Sequence[LockedPin], head: SnapshotRef
) -> list[Course]:
    """Return the courses of the chats that may be pinned anew; those at risk are in none.

    Holds are reapplied: what the new head lists as the old one did stays held off.
    """
    held = await read_holds(transaction.connection, [pin.chat_id for pin in pins])
    groups: defaultdict[Alike, list[ChatId]] = defaultdict(list)
    for pin in pins:
        assert pin.snapshot_id is not None, "only a pinned chat is pinned anew"
        holds = held.get(pin.chat_id, NO_HOLDS)
        groups[pin.snapshot_id, frozenset(holds.items())].append(pin.chat_id)
    found = await find_drifts(transaction.connection, {(pin_id, head.id) for pin_id, _ in groups})
    await keep_drifts(transaction, found)
    courses: list[Course] = []
    for (pin_id, kept), chat_ids in groups.items():
        drift, holds = found[pin_id, head.id].drift, dict(kept)
        if less_holds(drift, holds).severity is Severity.RISKY:
            continue
        if not holds_in_force(drift, holds):
            courses.append(Course(PinVerb.REBIND, tuple(chat_ids), head, {}, frozenset(holds)))
            continue
        course = await _held_course(transaction, pins[0].workspace_id, (pin_id, head), drift, holds)
        if course is not None:
            courses.append(replace(course, chat_ids=tuple(chat_ids)))
    return courses


async def _held_course(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    pair: tuple[int, SnapshotRef],
    drift: Drift,
    holds: Holds,
) -> Course | None:
    """Return where a pin goes that keeps some of its resources; None if it stays.

    A snapshot that cannot be derived leaves the pin where it is, dirty, as a risky drift does.
    """
    pin_id, head = pair
    known = await read_snapshots(transaction.connection, {pin_id, head.id})
    taken = open_sources(drift, holds)
    derived = blended(known[pin_id], known[head.id], taken)
    if derived.digest == known[pin_id].digest:
        return None
    try:
        target = await store_selected(transaction, workspace_id, derived)
    except Rejected as refusal:
        log.warning("held_pin_not_derived", code=refusal.code, snapshot_id=pin_id)
        return None
    inputs = {"head": head.digest, "taken": sorted(taken)}
    overtaken = frozenset(holds) - holds_in_force(drift, holds).keys()
    return Course(PinVerb.REBIND, (), target, inputs, overtaken)


__all__ = ["Course", "rebind_courses"]
