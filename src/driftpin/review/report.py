"""A round as it is reported: one document from which every form is written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from driftpin.review.deciding import Decided
from driftpin.review.diff import FileChange
from driftpin.review.finding import Finding, Side, State
from driftpin.review.inputs import RoundInputs
from driftpin.review.ledger import ReviewState, RoundSummary
from driftpin.review.spending import money_text

SCHEMA_VERSION: Final = 1


class Placement(StrEnum):
    """Where a finding can be shown: on a line of the diff, on its file, or in the body."""

    LINE = "line"
    FILE = "file"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Placed:
    """A finding and where it is shown; never on a line that is only near."""

    finding: Finding
    placement: Placement


@dataclass(frozen=True, slots=True)
class Cost:
    """Money: of a round, of all rounds, and of those for each finding that was verified."""

    round: int
    review: int
    per_verified: int | None

    @property
    def text(self) -> str:
        """The cost in words."""
        told = f"{money_text(self.round)}; all rounds {money_text(self.review)}"
        if self.per_verified is None:
            return told
        return f"{told}, {money_text(self.per_verified)} for each verified finding"


@dataclass(frozen=True, slots=True)
class RoundReport:
    """Everything that a report may tell. `before` is the state that the round began with."""

    inputs: RoundInputs
    decided: Decided
    before: ReviewState
    findings: tuple[Placed, ...]

    @property
    def summary(self) -> RoundSummary:
        """The round in the log."""
        return self.decided.event.summary

    @property
    def rounds(self) -> tuple[RoundSummary, ...]:
        """The log with this round at its end."""
        return (*self.before.rounds, self.summary)

    @property
    def cost(self) -> "Cost | None":
        """What the round and the review cost; None where nobody said what models cost."""
        if not self.inputs.settings.prices:
            return None
        review = sum(each.money for each in self.rounds)
        verified = sum(each.finding.state is State.VERIFIED for each in self.findings)
        return Cost(self.summary.money, review, -(-review // verified) if verified else None)

    @property
    def live(self) -> tuple[Placed, ...]:
        """What still asks for something."""
        kept = (each for each in self.findings if not each.finding.is_settled)
        return tuple(each for each in kept if not each.finding.is_note)

    @property
    def new(self) -> tuple[Placed, ...]:
        """What this round found."""
        names = set(self.summary.new)
        return tuple(each for each in self.findings if each.finding.id in names)


def report_of(inputs: RoundInputs, decided: Decided, before: ReviewState) -> RoundReport:
    """Return the report of a round."""
    placed = tuple(
        Placed(each, placement_of(each, inputs.changes)) for each in decided.event.findings
    )
    return RoundReport(inputs, decided, before, placed)


def placement_of(finding: Finding, changes: Sequence[FileChange]) -> Placement:
    """Return where a finding can be shown in a diff."""
    place = finding.place
    for change in changes:
        is_old = place.side is Side.OLD
        if place.path != (change.old_path if is_old else change.path):
            continue
        lines = {line.old if is_old else line.new for line in change.lines}
        return Placement.LINE if place.last in lines else Placement.FILE
    return Placement.BODY


def counts_by_severity(findings: Sequence[Placed]) -> dict[str, int]:
    """Return how many there are of each severity, the most severe first."""
    found: dict[str, int] = {}
    for each in sorted(findings, key=lambda placed: placed.finding.severity.rank):
        name = each.finding.severity.value
        found[name] = found.get(name, 0) + 1
    return found


def report_to_json(report: RoundReport) -> str:
    """Return the report as JSON with a stable order."""
    return json.dumps(document_of(report), indent=2, ensure_ascii=True) + "\n"


def document_of(report: RoundReport) -> dict[str, object]:
    """Return the report as plain values."""
    inputs, decided, summary = report.inputs, report.decided, report.summary
    coverage = decided.coverage
    return {
        "schema": SCHEMA_VERSION,
        "tool": {"name": "driftpin", "version": inputs.tool_version},
        "target": inputs.target,
        "round": summary.number,
        "range": {
            "text": inputs.range_text,
            "base": inputs.base,
            "merge_base": inputs.merge_base,
            "head": inputs.head,
        },
        "snapshot": inputs.snapshot,
        **({"dirty_since": inputs.dirty_since} if inputs.dirty_since else {}),
        "manifest": inputs.digest,
        "verdict": summary.verdict.value,
        "gaps": list(decided.gaps.texts),
        "open": counts_by_severity(report.live),
        "new": list(summary.new),
        "verified": list(summary.verified),
        "findings": [_finding(each) for each in report.findings],
        "dropped": [_plain(each) for each in decided.event.dropped],
        "refused": list(decided.refused),
        **({"grouping": list(decided.grouping)} if decided.grouping else {}),
        "good": list(decided.good),
        "addressed_messages": list(decided.addressed),
        "panel": {
            "roles": list(summary.panel),
            "not_run": list(summary.not_run),
            "failed": list(summary.failed),
            **({"reused": list(decided.reused)} if decided.reused else {}),
        },
        "coverage": {
            "roles": list(coverage.roles),
            "files": [{"path": path, "roles": list(roles)} for path, roles in coverage.files],
        },
        **_readings(decided),
        "tokens": {
            "total": summary.tokens,
            "by_phase": {name: each.tokens for name, each in decided.spent_by_phase.items()},
        },
        **_money(report),
        "rounds": [_round(each) for each in report.rounds],
    }


def _readings(decided: Decided) -> dict[str, object]:
    """Return what reviewers read, where one of them read anything."""
    listed = [_plain(each) for each in decided.readings]
    return {"reading": listed} if listed else {}


def _money(report: RoundReport) -> dict[str, object]:
    """Return what it cost, where somebody said what models cost."""
    cost = report.cost
    if cost is None:
        return {}
    by_phase = report.decided.spent_by_phase
    return {
        "money": {
            "round": money_text(cost.round),
            "by_phase": {name: money_text(each.money) for name, each in by_phase.items()},
            "review": money_text(cost.review),
            "per_verified": None if cost.per_verified is None else money_text(cost.per_verified),
        }
    }


_RARE: Final = frozenset({"money", "is_partial"})


def _round(summary: RoundSummary) -> dict[str, object]:
    written = _plain(summary)
    return {name: value for name, value in written.items() if name not in _RARE or value}


def _finding(placed: Placed) -> dict[str, object]:
    written = _plain(placed.finding)
    written.pop("anchor")
    return {**written, "placement": placed.placement.value}


def _plain(value: object) -> dict[str, object]:
    plain: Mapping[str, object] = msgspec.to_builtins(value)
    return dict(plain)


__all__ = [
    "Cost",
    "Placed",
    "Placement",
    "RoundReport",
    "counts_by_severity",
    "document_of",
    "placement_of",
    "report_of",
    "report_to_json",
]
