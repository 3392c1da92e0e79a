"""What lies between two snapshots, as a person reads it; and the moves of a pin."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from driftpin import limits
from driftpin.context.diff import ResourceDiff
from driftpin.context.drift import Drift
from driftpin.context.tokens import RefreshCost
from driftpin.context.tool_drift import ToolDrift
from driftpin.context.unified import Budget
from driftpin.identity import ChatId, Digest
from driftpin.store.values import HistoryRow
from driftpin.web.diff_rows import Line, Row, side_by_side, unified
from driftpin.web.wording import whose


@dataclass(frozen=True, slots=True)
class TextShown:
    """The difference of one file; of the two forms only the one that was asked for is filled."""

    path: str
    notes: tuple[str, ...]
    added_lines: int
    removed_lines: int
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class EntryShown:
    """One source that differs."""

    source: str
    previous_source: str
    kind: str
    change: str
    severity: str
    is_flapping: bool
    findings: tuple[str, ...]
    tools: tuple[ToolDrift, ...]
    texts: tuple[TextShown, ...]


@dataclass(frozen=True, slots=True)
class HeldShown:
    """One source that the chat keeps as it is; `change` says in words what is held off."""

    source: str
    previous_source: str
    change: str


@dataclass(frozen=True, slots=True)
class DifferenceShown:
    """Everything that differs between two snapshots."""

    chat_id: ChatId
    title: str
    before: Digest | None
    after: Digest | None
    severity: str
    entries: tuple[EntryShown, ...]
    cost: RefreshCost | None
    is_unified: bool
    is_drift: bool
    may_refresh: bool
    revision: int
    held: tuple[HeldShown, ...] = ()


@dataclass(frozen=True, slots=True)
class MoveShown:
    """One move of a pin. One that can be rolled back to has `can_return`."""

    revision: int
    verb: str
    actor: str
    at: datetime
    before: Digest | None
    after: Digest | None
    severity: str
    can_return: bool


@dataclass(frozen=True, slots=True)
class HistoryShown:
    """The moves of a pin, newest first."""

    chat_id: ChatId
    title: str
    moves: tuple[MoveShown, ...]
    may_update: bool
    next: str | None


def entries_shown(
    drift: Drift,
    diffs: Sequence[ResourceDiff],
    flapping: Collection[str],
    *,
    is_unified: bool,
) -> tuple[EntryShown, ...]:
    """Return every entry with its texts, the worst ones first."""
    ordered = sorted(drift.entries, key=lambda entry: entry.severity, reverse=True)
    budget = Budget(work=limits.PAGE_COMPARED_WORDS_MAX)
    texts: dict[str, tuple[TextShown, ...]] = {entry.source: () for entry in ordered}
    has_tools = {entry.source for entry in ordered if entry.tools}
    for found in diffs:
        shown = _text(found, budget, has_tools=found.source in has_tools, is_unified=is_unified)
        texts[found.source] = (*texts.get(found.source, ()), shown)
    return tuple(
        EntryShown(
            source=entry.source,
            previous_source=entry.previous_source or "",
            kind=entry.kind.value,
            change=entry.change.value,
            severity=entry.severity.value,
            is_flapping=not entry.sources.isdisjoint(flapping),
            findings=tuple(
                f"{finding.code.replace('_', ' ')}: {finding.preview}" for finding in entry.findings
            ),
            tools=entry.tools,
            texts=texts[entry.source],
        )
        for entry in ordered
    )


def held_shown(held: Drift) -> tuple[HeldShown, ...]:
    """Return what is held of a drift."""
    return tuple(
        HeldShown(
            source=entry.source,
            previous_source=entry.previous_source or "",
            change=f"{entry.change.value}, {entry.severity.value}",
        )
        for entry in held.entries
    )


def moves_shown(
    rows: Iterable[HistoryRow], reader: str, present: Digest | None
) -> tuple[MoveShown, ...]:
    """Return the moves as `reader` sees them."""
    return tuple(
        MoveShown(
            revision=row.revision,
            verb=row.verb,
            actor=whose(row.actor, reader),
            at=row.at,
            before=row.from_digest,
            after=row.to_digest,
            severity="" if row.severity is None else row.severity.value,
            can_return=row.to_digest not in (None, present),
        )
        for row in rows
    )


def _text(found: ResourceDiff, budget: Budget, *, has_tools: bool, is_unified: bool) -> TextShown:
    rows = side_by_side(found.text, budget) if found.text else ()
    # What differs of tools is shown part by part, and need not be told in lines again.
    notes = [note for note in found.notes if not (has_tools and note.startswith(("tool ", "  ")))]
    return TextShown(
        path=found.path,
        notes=tuple(notes),
        added_lines=found.added_lines,
        removed_lines=found.removed_lines,
        rows=() if is_unified else rows,
        lines=unified(rows) if is_unified else (),
    )


__all__ = [
    "DifferenceShown",
    "EntryShown",
    "HeldShown",
    "HistoryShown",
    "MoveShown",
    "TextShown",
    "entries_shown",
    "held_shown",
    "moves_shown",
]
