"""What is posted, in words: everything that a model or a change wrote comes out as text alone."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from driftpin import review_limits
from driftpin.review.escaping import code_block, code_span, plain
from driftpin.review.github.markers import Kind, Marker, key_of, manifest_of
from driftpin.wire.reviews import FindingShape, ReviewDocument

_LEFT_OUT: Final = "Some of it is left out here for its length; `review.json` has the whole."
_LEGEND: Final = (
    "P0 data loss, breach or outage · P1 real defect · P2 real weakness · P3 minor · "
    "P4 outside the change · Nit · Note. Ids are never reused."
)
_HOW: Final = (
    "Answer in a finding's thread with `fixed`, `contested: why` or `acknowledged: why`, or here "
    "with `/driftpin-review fixed CRF-1`; `/driftpin-review` runs the next round."
)
_TITLES: Final = {
    "APPROVE": "Nothing is open.",
    "COMMENT": "Some findings are open; none blocks.",
    "CHANGES_REQUESTED": "A finding blocks.",
    "INCOMPLETE": "The round is not complete, so it approves nothing.",
    "BLOCKED": "The round did not run.",
}
# Before every line of quoted code: no bot reads a command at the beginning of a line.
_MARGIN: Final = "| "
_RANKS: Final = ("P0", "P1", "P2", "P3", "P4", "Nit", "Note")


def fitted(marker: Marker, parts: Iterable[str]) -> str:
    """Return a body within the forge's limit: whole parts in their order, and a word about more."""
    room = review_limits.FORGE_BODY_CHARACTERS_MAX - len(marker.line) - len(_LEFT_OUT) - 10
    kept: list[str] = []
    is_whole = True
    for part in parts:
        if not part:
            continue
        if len(part) + 2 > room:
            is_whole = False
            continue
        room -= len(part) + 2
        kept.append(part)
    kept += [] if is_whole else [_LEFT_OUT]
    return "\n\n".join([marker.line, *kept])


def finding_body(document: ReviewDocument, finding: FindingShape) -> str:
    """Return the comment that opens a finding's thread."""
    marker = Marker(key_of(document), Kind.FINDING, document.round, about=(finding.id,))
    return fitted(marker, _finding_parts(finding))


def _finding_parts(finding: FindingShape, where: str = "") -> Iterator[str]:
    yield f"**{finding.severity}** [{finding.id}] {plain(finding.statement)}"
    if where:
        yield code_span(where)
    if finding.quote:
        yield code_block(finding.quote, _MARGIN)
    for name, text in _reasons(finding):
        if text:
            yield f"- {name}: {plain(text)}"


def _reasons(finding: FindingShape) -> tuple[tuple[str, str], ...]:
    voices = ", ".join(f"{each.role} {each.severity}" for each in finding.voices)
    return (
        ("evidence", finding.evidence),
        ("consequence", finding.outcome),
        ("trigger", finding.trigger),
        ("fix", finding.fix),
        ("proof", finding.proof),
        ("conflict", finding.conflict),
        ("caused by", finding.caused_by),
        ("state", finding.why),
        ("raised", f"by {finding.raised_by} of {finding.asked}: {voices}"),
    )


def round_body(
    document: ReviewDocument,
    in_body: Sequence[FindingShape],
    *,
    has_moved: bool,
    has_lines: bool,
) -> str:
    """Return the body of the review of a round; `in_body` are the findings that stand in it."""
    marker = Marker(
        key_of(document),
        Kind.ROUND,
        document.round,
        manifest_of(document),
        about=tuple(each.id for each in in_body),
    )
    parts = _round_parts(document, in_body, has_moved=has_moved, has_lines=has_lines)
    return fitted(marker, parts)


def _round_parts(
    document: ReviewDocument,
    in_body: Sequence[FindingShape],
    *,
    has_moved: bool,
    has_lines: bool,
) -> Iterator[str]:
    yield f"**{document.verdict}**, round {document.round}. {_TITLES[document.verdict]}"
    if has_moved:
        head = document.range.head[:12]
        yield f"The head moved meanwhile; this is about `{head}`, and approves nothing."
    yield from (f"- not complete: {plain(gap)}" for gap in document.gaps)
    yield from (f"- good: {plain(text)}" for text in document.good)
    if document.verified:
        yield f"Verified as fixed: {', '.join(document.verified)}."
    yield f"Open: {_counted(document)}. New: {', '.join(document.new) or 'nothing'}."
    worst = sorted(document.live, key=lambda each: _RANKS.index(each.severity))[:2]
    for each in worst:
        yield f"First: **{each.severity}** [{each.id}] {plain(each.statement)}"
    if document.addressed_messages:
        yield "A message of a commit addresses the reviewer; it was treated as data."
    if not has_lines:
        yield "The forge took no comment on a line of this head, so all findings stand here."
    for each in in_body:
        yield "\n\n".join(_finding_parts(each, each.place.text))


def _counted(document: ReviewDocument) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in document.open.items()) or "nothing"
    acknowledged = sum(each.state == "acknowledged" for each in document.findings)
    return f"{counts}; {acknowledged} acknowledged" if acknowledged else counts


def answer_body(document: ReviewDocument, finding: FindingShape, number: int) -> str:
    """Return what is said in a finding's thread about what became of it."""
    marker = Marker(key_of(document), Kind.ANSWER, number, about=(finding.id,), state=finding.state)
    said = _SAID[finding.state]
    parts = [f"[{finding.id}] {said}", plain(finding.why)]
    parts += [f"The author: {plain(finding.reply)}"] if finding.reply else []
    return fitted(marker, parts)


_SAID: Final = {
    "open": "is open.",
    "claimed": "is said to be fixed, which is not proved yet.",
    "verified": "is verified as fixed.",
    "contested": "stays, though it is contested.",
    "acknowledged": "is acknowledged; nothing more is asked.",
    "withdrawn": "is withdrawn.",
    "obsolete": "is obsolete.",
    "merged": "is merged with another.",
}


def status_body(document: ReviewDocument) -> str:
    """Return the status of the review, which is rewritten in every round."""
    marker = Marker(key_of(document), Kind.STATUS)
    return fitted(marker, _status_parts(document))


def _dirty(document: ReviewDocument) -> str:
    return f"; dirty since {plain(document.dirty_since)}" if document.dirty_since else ""


def _status_parts(document: ReviewDocument) -> Iterator[str]:
    yield f"### driftpin review: {document.verdict}"
    yield f"{_TITLES[document.verdict]} Open: {_counted(document)}."
    settled = sum(each.is_settled for each in document.findings)
    head, base = document.range.head[:12], document.range.merge_base[:12]
    yield "\n".join(
        [
            f"- round {document.round}, `{base}..{head}`",
            f"- {settled} settled, {document.tokens.total} tokens{_cost(document)}",
            f"- context `{document.snapshot}`, pinned from the base{_dirty(document)}",
            f"- driftpin {plain(document.tool.version)}",
        ]
    )
    yield from (f"- not complete: {plain(gap)}" for gap in document.gaps)
    yield from (f"- grouping: {plain(note)}" for note in document.grouping)
    yield from _both_sides(document)
    yield _rounds(document)
    yield from _table(document)
    yield _HOW
    yield _LEGEND


def _cost(document: ReviewDocument) -> str:
    """Return what it cost, where that is known."""
    money = document.money
    return "" if money is None else f", cost {money.round}, all rounds {money.review}"


def _table(document: ReviewDocument) -> Iterator[str]:
    """Yield the table of findings, as many rows as half of the room has."""
    if not document.findings:
        return
    rows = ["| id | severity | state | place | finding |", "| --- | --- | --- | --- | --- |"]
    room = review_limits.FORGE_BODY_CHARACTERS_MAX // 2
    ordered = sorted(document.findings, key=lambda each: each.is_settled)
    for number, each in enumerate(ordered):
        row = (
            f"| {each.id} | {each.severity} | {each.state} | {plain(each.place.text)} "
            f"| {plain(each.statement)} |"
        )
        room -= len(row)
        if room < 0:
            rows.append(f"| {len(ordered) - number} more | | | | in `review.json` |")
            break
        rows.append(row)
    yield "\n".join(rows)


def _both_sides(document: ReviewDocument) -> Iterator[str]:
    for each in document.findings:
        if each.state in {"contested", "acknowledged"}:
            author = plain(each.reply) or "no words"
            told = f"The review: {plain(each.statement)} The author: {author}"
            yield f"- {each.id} is {each.state}. {told}"


def _rounds(document: ReviewDocument) -> str:
    rows = [
        "| round | head | panel | not run | failed | new | verified | deferred | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {each.number} | `{each.head[:12]}` | {len(each.panel)} | {len(each.not_run)} "
        f"| {plain(', '.join(each.failed)) or '-'} | {', '.join(each.new) or '-'} "
        f"| {', '.join(each.verified) or '-'} | {each.deferred} | {each.verdict} |"
        for each in document.rounds[-50:]
    ]
    return "\n".join(rows)


__all__ = ["answer_body", "finding_body", "fitted", "round_body", "status_body"]
