"""From the record of a round to what a page shows of it."""

from collections.abc import Iterable, Sequence

from driftpin import limits
from driftpin.errors import NotFound
from driftpin.identity import Digest
from driftpin.store.review_values import ReviewRound, ReviewRow
from driftpin.web.review_views import (
    DroppedLine,
    FindingLine,
    FindingShown,
    Moment,
    ReviewLine,
    ReviewShown,
    RoundLine,
)
from driftpin.wire.reviews import (
    DroppedShape,
    FindingShape,
    ReviewDocument,
    RoundShape,
    read_review,
)

_ITEMS_MAX = limits.API_PAGE_ITEMS_MAX
_FILES_READ_MAX = 20


def review_line(row: ReviewRow) -> ReviewLine:
    """Return one line of a list."""
    return ReviewLine(row.id, row.target, row.round, row.verdict, row.open_count, row.updated_at)


def show_round(row: ReviewRow, published: ReviewRound) -> ReviewShown:
    """Return a round of a review."""
    document = read_review(published.document)
    counts = ", ".join(f"{number} {name}" for name, number in document.open.items())
    return ReviewShown(
        line=review_line(row),
        workspace_id=row.workspace_id,
        number=document.round,
        verdict=document.verdict,
        opened=counts or "nothing",
        range_text=document.range.text,
        base=document.range.merge_base,
        head=document.range.head,
        context=Digest(document.snapshot),
        digest=published.digest,
        tokens=document.tokens.total,
        published_at=published.at,
        notes=tuple(_notes(document)),
        live=_findings(document.live),
        findings=_findings(document.findings),
        rounds=tuple(_round_line(each) for each in reversed(document.rounds)),
        chats=tuple(sorted(published.chats.items())),
        dropped=_dropped(document.dropped),
        files=tuple((each.path, len(each.roles)) for each in document.coverage.files[:_ITEMS_MAX]),
        readings=tuple(
            (each.reviewer, each.calls, each.files[:_FILES_READ_MAX])
            for each in document.reading[:_ITEMS_MAX]
        ),
    )


def show_finding(row: ReviewRow, published: Sequence[ReviewRound], finding_id: str) -> FindingShown:
    """Return a finding through the rounds, the newest first; NotFound (`no_finding`)."""
    documents = [read_review(each.document) for each in published]
    through = [(each, _find(each, finding_id)) for each in documents]
    seen = [(document, found) for document, found in through if found is not None]
    if not seen:
        raise NotFound("This review has no such finding.", code="no_finding")
    dropped = [each for document in documents for each in document.dropped]
    return FindingShown(
        line=review_line(row),
        finding=_finding(seen[0][1]),
        moments=tuple(
            Moment(document.round, found.state, found.why, found.reply) for document, found in seen
        ),
        dropped=_dropped(each for each in dropped if each.into == finding_id),
    )


def _find(document: ReviewDocument, finding_id: str) -> FindingShape | None:
    return next((each for each in document.findings if each.id == finding_id), None)


def _notes(document: ReviewDocument) -> Iterable[tuple[str, str]]:
    yield from (("not complete", each) for each in document.gaps)
    if document.dirty_since:
        yield "context", f"The base has another one since {document.dirty_since}."
    yield from (("grouping", each) for each in document.grouping)
    yield from (("Good", each) for each in document.good)
    yield from (("addresses the reviewer", each) for each in document.addressed_messages)
    yield from (("refused", each) for each in document.refused)


def _findings(found: Iterable[FindingShape]) -> tuple[FindingLine, ...]:
    return tuple(_finding(each) for each in tuple(found)[:_ITEMS_MAX])


def _finding(found: FindingShape) -> FindingLine:
    voices = ", ".join(f"{each.role} {each.severity}" for each in found.voices)
    reasons = (
        ("Evidence", found.evidence),
        ("Trigger", found.trigger),
        ("Outcome", found.outcome),
        ("Fix", found.fix),
        ("Proof", found.proof),
        ("Conflict", found.conflict),
        ("Caused by", found.caused_by),
        ("State", found.why),
        ("The author", found.reply),
        ("Raised", f"by {found.raised_by} of {found.asked}: {voices}"),
    )
    return FindingLine(
        id=found.id,
        severity=found.severity,
        state=found.state,
        place=found.place.text,
        statement=found.statement,
        quote=found.quote,
        reasons=tuple((name, text) for name, text in reasons if text),
    )


def _dropped(dropped: Iterable[DroppedShape]) -> tuple[DroppedLine, ...]:
    return tuple(
        DroppedLine(
            role=each.claim.role,
            severity=each.claim.severity,
            place=each.claim.place.text,
            statement=each.claim.statement,
            rule=each.rule,
            reason=each.reason,
        )
        for each in tuple(dropped)[:_ITEMS_MAX]
    )


def _round_line(each: RoundShape) -> RoundLine:
    return RoundLine(
        number=each.number,
        head=each.head,
        verdict=each.verdict,
        panel=each.panel,
        not_run=each.not_run,
        failed=each.failed,
        new=each.new,
        verified=each.verified,
        deferred=each.deferred,
        tokens=each.tokens,
    )


__all__ = ["review_line", "show_finding", "show_round"]
