"""The shapes of drifts, holds and histories, made from rows and values."""

from collections.abc import Collection, Iterable

from driftpin.context.diff import ResourceDiff
from driftpin.context.drift import Drift, DriftEntry
from driftpin.context.drift_json import entry_to_json
from driftpin.context.tokens import RefreshCost
from driftpin.identity import Digest
from driftpin.server.replies import digest_in
from driftpin.store.hold_values import HoldRow
from driftpin.store.values import HistoryRow, PinMove
from driftpin.wire.drift import (
    CostShape,
    DiffShape,
    DriftEntryShape,
    DriftShape,
    HistoryEntryShape,
    HoldShape,
)
from driftpin.wire.moves import MoveShape


def history_shape(row: HistoryRow) -> HistoryEntryShape:
    """Return one move of a pin."""
    return HistoryEntryShape.model_validate(
        {
            "revision": row.revision,
            "verb": row.verb,
            "inputs": row.inputs,
            "from": row.from_digest,
            "to": row.to_digest,
            "actor": row.actor,
            "severity": None if row.severity is None else row.severity.value,
            "at": row.at,
        }
    )


def hold_shape(row: HoldRow, *, is_in_force: bool) -> HoldShape:
    """Return one hold."""
    return HoldShape(
        source=row.source,
        digest=row.digest,
        in_force=is_in_force,
        held_by=row.held_by,
        held_at=row.held_at,
    )


def drift_shape(
    pin: Digest | None,
    head: Digest | None,
    drift: Drift,
    *,
    held: Drift,
    flapping: Collection[str] = (),
    diffs: Iterable[ResourceDiff] | None = None,
    cost: RefreshCost | None = None,
) -> DriftShape:
    """Return a drift, with diffs and cost where they were asked for.

    `flapping` names the sources that go back and forth.
    """
    return DriftShape(
        pin=pin,
        head=head,
        severity=None if drift.severity is None else drift.severity.value,
        entries=entry_shapes(drift, flapping),
        held=entry_shapes(held, flapping),
        diffs=None if diffs is None else tuple(_diff_shape(found) for found in diffs),
        cost=None if cost is None else cost_shape(cost),
    )


def entry_shapes(drift: Drift, flapping: Collection[str] = ()) -> tuple[DriftEntryShape, ...]:
    """Return the entries of a drift; `flapping` names the sources that go back and forth."""
    return tuple(_drift_entry(entry, flapping) for entry in drift.entries)


def _drift_entry(entry: DriftEntry, flapping: Collection[str]) -> DriftEntryShape:
    is_flapping = any(source in flapping for source in entry.sources)
    return DriftEntryShape.model_validate({**entry_to_json(entry), "flapping": is_flapping})


def _diff_shape(found: ResourceDiff) -> DiffShape:
    return DiffShape(
        source=found.source,
        path=found.path,
        text=found.text,
        truncated=found.truncated,
        notes=found.notes,
        added_lines=found.added_lines,
        removed_lines=found.removed_lines,
    )


def cost_shape(cost: RefreshCost) -> CostShape:
    """Return what a refresh costs."""
    return CostShape(
        tokens_before=cost.tokens_before,
        tokens_after=cost.tokens_after,
        tokens_gained=cost.gained,
        tokens_lost=cost.lost,
        cache_tokens_forfeited=cost.forfeited,
    )


def move_shape(move: PinMove) -> MoveShape:
    """Return where one pin stands after a verb."""
    return MoveShape(
        chat_id=move.chat_id,
        verb=move.verb,
        moved=move.moved,
        to=digest_in(move.snapshot),
        revision=move.revision,
    )


__all__ = ["cost_shape", "drift_shape", "entry_shapes", "history_shape", "hold_shape", "move_shape"]
