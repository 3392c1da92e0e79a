"""The report as Markdown: the status, what the round found, and every finding with its reasons."""

from collections.abc import Iterable, Iterator, Sequence

from driftpin.review.escaping import code_block, code_span, plain
from driftpin.review.finding import Finding, State
from driftpin.review.ledger import RoundSummary
from driftpin.review.report import Placed, Placement, RoundReport, counts_by_severity

_FILES_NAMED_MAX = 10
_TITLES = {
    "APPROVE": "Nothing is open.",
    "COMMENT": "Some findings are open; none blocks.",
    "CHANGES_REQUESTED": "A finding blocks.",
    "INCOMPLETE": "The round is not complete, so it approves nothing.",
    "BLOCKED": "The round did not run.",
}
_LEGEND = (
    "P0 data loss, breach or outage · P1 real defect · P2 real weakness · P3 minor · "
    "P4 outside the change · Nit · Note. Ids are never reused."
)


def report_to_markdown(report: RoundReport) -> str:
    """Return the whole report."""
    parts = [
        *_headline(report),
        *_addressed(report),
        *_round_review(report),
        *_details(report.live, "Open findings"),
        *_table(report.findings),
        *_both_sides(report.findings),
        *_log(report.rounds),
        *_reused(report),
        *_coverage(report),
        *_readings(report),
        _LEGEND,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(report: RoundReport) -> Iterator[str]:
    summary, inputs = report.summary, report.inputs
    verdict = summary.verdict.value
    yield f"# {verdict}: round {summary.number} of {plain(inputs.target)}"
    acknowledged = _count(report.findings, State.ACKNOWLEDGED)
    known = f" {acknowledged} acknowledged." if acknowledged else ""
    counts = counts_by_severity(report.live)
    told = ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"
    yield f"{_TITLES[verdict]} Open: {told}.{known}"
    settled = sum(each.finding.is_settled for each in report.findings)
    yield "\n".join(
        [
            f"- range: {code_span(inputs.range_text)} ({inputs.base[:12]} to {inputs.head[:12]})",
            f"- context: `{inputs.snapshot}`, pinned from the base{_dirty(inputs.dirty_since)}",
            f"- panel: {len(summary.panel)} reviewers and the scout; {settled} findings settled",
            f"- tokens: {summary.tokens}",
            *([] if report.cost is None else [f"- cost: {report.cost.text}"]),
            f"- driftpin {inputs.tool_version}",
        ]
    )
    if report.decided.gaps.texts:
        yield "\n".join(f"- not complete: {plain(gap)}" for gap in report.decided.gaps.texts)
    if report.decided.grouping:
        yield "\n".join(f"- grouping: {plain(note)}" for note in report.decided.grouping)


def _dirty(since: str) -> str:
    return f"; dirty since {plain(since)}, rebase to be reviewed under it" if since else ""


def _count(findings: Iterable[Placed], state: State) -> int:
    return sum(each.finding.state is state for each in findings)


def _addressed(report: RoundReport) -> Iterator[str]:
    for message in report.decided.addressed:
        yield "A message of a commit addresses the reviewer; it was treated as data:"
        yield code_block(message)


def _round_review(report: RoundReport) -> Iterator[str]:
    decided, summary = report.decided, report.summary
    yield f"## Round {summary.number}"
    if decided.good:
        yield "\n".join(f"- good: {plain(text)}" for text in decided.good)
    if summary.verified:
        yield f"Verified as fixed: {', '.join(summary.verified)}."
    new = ", ".join(f"{n} {name}" for name, n in counts_by_severity(report.new).items())
    yield f"New: {new or 'none'}. Deferred: {summary.deferred}."
    if report.live:
        worst = min(report.live, key=lambda each: each.finding.severity.rank).finding
        yield f"First: **{worst.severity.value}** {worst.id}, {plain(worst.statement)}"


def _details(findings: Sequence[Placed], title: str) -> Iterator[str]:
    if findings:
        yield f"## {title}"
    for each in sorted(findings, key=lambda placed: placed.finding.severity.rank):
        yield from finding_parts(each)


def finding_parts(placed: Placed) -> Iterator[str]:
    """Yield a finding in parts: what, where, why, and who says so."""
    finding = placed.finding
    yield f"### **{finding.severity.value}** [{finding.id}] {plain(finding.statement)}"
    where = "" if placed.placement is Placement.LINE else f" ({_PLACES[placed.placement]})"
    yield f"{code_span(finding.place.text)}{where}, {finding.state.value}"
    if finding.quote:
        yield code_block(finding.quote)
    yield "\n".join(f"- {name}: {plain(text)}" for name, text in _reasons(finding) if text)


_PLACES = {Placement.FILE: "no line of the diff", Placement.BODY: "outside the diff"}


def _reasons(finding: Finding) -> tuple[tuple[str, str], ...]:
    voices = ", ".join(f"{each.role} {each.severity.value}" for each in finding.voices)
    ranks = [each.severity.rank for each in finding.voices]
    spread = "; they differ by more than one level" if max(ranks) - min(ranks) > 1 else ""
    return (
        ("evidence", finding.evidence),
        ("trigger", finding.trigger),
        ("outcome", finding.outcome),
        ("fix", finding.fix),
        ("proof", finding.proof),
        ("conflict", finding.conflict),
        ("caused by", finding.caused_by),
        ("state", finding.why),
        ("raised", f"by {finding.raised_by} of {finding.asked}: {voices}{spread}"),
        ("quoted from", finding.quoted_role),
    )


def _table(findings: Sequence[Placed]) -> Iterator[str]:
    if not findings:
        return
    yield "## All findings"
    rows = ["| id | severity | state | place | finding |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| {each.finding.id} | {each.finding.severity.value} | {each.finding.state.value} "
        f"| {plain(each.finding.place.text)} | {plain(each.finding.statement)} |"
        for each in findings
    ]
    yield "\n".join(rows)


def _both_sides(findings: Sequence[Placed]) -> Iterator[str]:
    states = {State.CONTESTED, State.ACKNOWLEDGED}
    for finding in (each.finding for each in findings if each.finding.state in states):
        yield (
            f"{finding.id} is {finding.state.value}. The review: {plain(finding.statement)} "
            f"The author: {plain(finding.reply) or 'no words'}"
        )


def _log(rounds: Sequence[RoundSummary]) -> Iterator[str]:
    yield "## Rounds"
    rows = [
        "| round | range | panel | new | verified | deferred | failed | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {each.number} | {plain(each.range_text)} {each.head[:12]} | {len(each.panel)} "
        f"| {', '.join(each.new) or '-'} | {', '.join(each.verified) or '-'} | {each.deferred} "
        f"| {', '.join(each.failed) or '-'} | {each.verdict.value} |"
        for each in rounds
    ]
    yield "\n".join(rows)
    last = rounds[-1]
    yield f"Panel of round {last.number}: {', '.join(last.panel) or 'the scout alone'}."
    if last.not_run:
        yield "Not run: " + "; ".join(plain(text) for text in last.not_run) + "."


def _reused(report: RoundReport) -> Iterator[str]:
    if report.decided.reused:
        told = "; ".join(plain(text) for text in report.decided.reused)
        yield f"Answers of earlier rounds on the same inputs, not asked for again: {told}."


def _coverage(report: RoundReport) -> Iterator[str]:
    files = report.decided.coverage.files
    rows = ["| file | reviewers |", "| --- | --- |"]
    rows += [f"| {plain(path)} | {len(roles)} |" for path, roles in files]
    if files:
        yield "## Who was given which file"
        yield "\n".join(rows)


def _readings(report: RoundReport) -> Iterator[str]:
    rows = ["| reviewer | calls | files read beside the diff |", "| --- | --- | --- |"]
    rows += [
        f"| {plain(each.reviewer)} | {each.calls} | {_files(each.files)} |"
        for each in report.decided.readings
    ]
    if report.decided.readings:
        yield "## Who read what"
        yield "\n".join(rows)


def _files(paths: Sequence[str]) -> str:
    named = ", ".join(plain(path) for path in paths[:_FILES_NAMED_MAX])
    more = len(paths) - _FILES_NAMED_MAX
    return f"{named} and {more} more" if more > 0 else named or "none"


__all__ = ["finding_parts", "report_to_markdown"]
