"""A round as it is reported: one document from which every form is written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from driftpin.review.deciding import Decided
from driftpin.review.diff import FileChange
from driftpin.review.finding import Finding, Side
from driftpin.review.inputs import RoundInputs
from driftpin.review.ledger import ReviewState, RoundSummary

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
        "manifest": inputs.digest,
        "verdict": summary.verdict.value,
        "gaps": list(decided.gaps.texts),
        "open": counts_by_severity(report.live),
        "new": list(summary.new),
        "verified": list(summary.verified),
        "findings": [_finding(each) for each in report.findings],
        "dropped": [_plain(each) for each in decided.event.dropped],
        "refused": list(decided.refused),
        "good": list(decided.good),
        "addressed_messages": list(decided.addressed),
        "panel": {
            "roles": list(summary.panel),
            "not_run": list(summary.not_run),
            "failed": list(summary.failed),
        },
        "coverage": {
            "roles": list(coverage.roles),
            "files": [{"path": path, "roles": list(roles)} for path, roles in coverage.files],
        },
        "tokens": {"total": summary.tokens, "by_phase": dict(decided.tokens_by_phase)},
        "rounds": [_plain(each) for each in report.rounds],
    }


def _finding(placed: Placed) -> dict[str, object]:
    written = _plain(placed.finding)
    written.pop("anchor")
    return {**written, "placement": placed.placement.value}


def _plain(value: object) -> dict[str, object]:
    plain: Mapping[str, object] = msgspec.to_builtins(value)
    return dict(plain)


__all__ = [
    "Placed",
    "Placement",
    "RoundReport",
    "counts_by_severity",
    "document_of",
    "placement_of",
    "report_of",
    "report_to_json",
]
