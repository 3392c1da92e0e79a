"""The report as SARIF 2.1.0, for tools that show findings of analysers."""

from collections.abc import Mapping
from typing import Final

from driftpin.review.finding import Finding, Severity, State
from driftpin.review.report import RoundReport
from driftpin.wire.sarif import file_location, sarif_document

_LEVELS: Final = {
    Severity.P0: "error",
    Severity.P1: "error",
    Severity.P2: "warning",
    Severity.P3: "warning",
    Severity.P4: "note",
    Severity.NIT: "note",
    Severity.NOTE: "note",
}
_SUPPRESSED: Final = frozenset({State.ACKNOWLEDGED, State.WITHDRAWN})
_GONE: Final = frozenset({State.VERIFIED, State.OBSOLETE, State.MERGED})


def report_to_sarif(report: RoundReport) -> str:
    """Return the report as SARIF, in a stable order."""
    findings = [each.finding for each in report.findings]
    rules = sorted({_rule(each) for each in findings})
    driver = {
        "name": "driftpin review",
        "version": report.inputs.tool_version,
        "rules": [{"id": rule, "shortDescription": {"text": rule}} for rule in rules],
    }
    return sarif_document(
        driver,
        [_result(each, rules, report) for each in findings if _is_told(each, report)],
        automation_id=f"driftpin/{report.inputs.target}/{report.summary.number}",
        properties={
            "verdict": report.summary.verdict.value,
            "snapshot": report.inputs.snapshot,
            "head": report.inputs.head,
        },
    )


def _rule(finding: Finding) -> str:
    return f"{finding.quoted_role or finding.voices[0].role}/{finding.category}"


def _is_told(finding: Finding, report: RoundReport) -> bool:
    """Whether it is in this round's results: what went in an earlier round is no longer told."""
    known = report.before.findings.get(finding.id)
    was_gone = known is not None and known.state in _GONE
    return not (was_gone and finding.state in _GONE)


def _result(finding: Finding, rules: list[str], report: RoundReport) -> dict[str, object]:
    rule, place = _rule(finding), finding.place
    result: dict[str, object] = {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"[{finding.id}] {finding.statement}"},
        "locations": [file_location(place.path, place.first, place.last)],
        "partialFingerprints": {"driftpin/v1": finding.fingerprint.removeprefix("sha256:")},
        "baselineState": _baseline(finding, report),
        "properties": {
            "id": finding.id,
            "severity": finding.severity.value,
            "state": finding.state.value,
            "raisedBy": finding.raised_by,
            "asked": finding.asked,
        },
    }
    if finding.state in _SUPPRESSED:
        result["suppressions"] = [_suppression(finding)]
    return result


def _baseline(finding: Finding, report: RoundReport) -> str:
    """Return how the finding compares with the round before."""
    known = report.before.findings.get(finding.id)
    if finding.state in _GONE:
        return "absent"
    if known is None or known.state in _GONE:
        return "new"
    is_same = known.anchor == finding.anchor and known.state is finding.state
    return "unchanged" if is_same and known.place == finding.place else "updated"


def _suppression(finding: Finding) -> Mapping[str, object]:
    return {
        "kind": "external",
        "status": "accepted",
        "justification": finding.reply or finding.why or finding.state.value,
    }


__all__ = ["report_to_sarif"]
