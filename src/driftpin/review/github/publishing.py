"""Publishing a recorded round: one review, comments on files, answers in threads, one status.

Everything is looked for before it is posted, so what was posted by a run that was cut off is found
by the next one. The review, with everything on lines in it, is one call. A head that moved is
published for what it was, and approves nothing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from driftpin import review_limits
from driftpin.errors import Conflict, Rejected, UsageError
from driftpin.review.github.api import Author, GitHub, Posted, Pull
from driftpin.review.github.calls import MaybeMade
from driftpin.review.github.markers import Kind, Marker, find_marker, key_of
from driftpin.review.github.placing import InBody, OnFile, OnLine, Spot, forge_diff
from driftpin.review.github.wording import (
    answer_body,
    finding_body,
    round_body,
    status_body,
)
from driftpin.wire.reviews import FindingShape, ReviewDocument

_REJECTED: Final = "forge_rejected"


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did: how much it posted, and what it came to."""

    posted: int
    event: str
    has_moved: bool


@dataclass(frozen=True, slots=True)
class _Present:
    """The threads and the answers that stand there by the publisher's own hand."""

    threads: Mapping[str, int]
    answers: Collection[Marker]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a review is posted: as what, and with or without comments on lines."""

    event: str
    has_lines: bool


class Publisher:
    """Publishes the rounds of one review to one pull request."""

    def __init__(self, github: GitHub, document: ReviewDocument, *, may_approve: bool) -> None:
        """Publish `document`; without `may_approve` every review is a comment."""
        self._github = github
        self._document = document
        self._may_approve = may_approve
        self._key = key_of(document)
        self._author = Author(None)
        self._posted = 0
        # What this run posted: a list that is read at once may not have it yet.
        self._told: set[str] = set()

    def publish(self) -> Published:
        """Post what is not there yet. Raises what the calls raise; run it again to go on.

        Raises UsageError (`pull_closed`) and Conflict (`other_ledger`, `round_outdated`).
        """
        self._author = self._github.author()
        pull = self._github.get()
        if pull.state != "open":
            raise UsageError("The pull request is closed.", code="pull_closed")
        has_moved = pull.head.sha != self._document.range.head
        rounds = self._own_rounds()
        self._check_ledger(rounds)
        event = self._event(has_moved=has_moved)
        if all(each.round != self._document.round for each in rounds):
            self._publish_round(pull, rounds, event, has_moved=has_moved)
        self._publish_files(pull)
        self._publish_answers()
        self._publish_status()
        return Published(self._posted, event, has_moved)

    def _own_rounds(self) -> tuple[Marker, ...]:
        return tuple(mark for _, mark in self._own(self._github.reviews(), Kind.ROUND))

    def _own(self, posted: Iterable[Posted], kind: Kind) -> Iterator[tuple[Posted, Marker]]:
        """Yield what the publisher posted of this review."""
        for each in posted:
            marker = find_marker(each.text)
            is_of_review = marker is not None and (marker.key, marker.kind) == (self._key, kind)
            if marker is not None and is_of_review and self._author.wrote(each):
                yield each, marker

    def _check_ledger(self, rounds: tuple[Marker, ...]) -> None:
        mine = self._document.round
        if any(each.round > mine for each in rounds):
            text = f"A later round than {mine} is published already."
            raise Conflict(text, code="round_outdated")
        known = {each.number: each.manifest for each in self._document.rounds}
        for each in rounds:
            manifest = known.get(each.round, "").removeprefix("sha256:")
            if not manifest.startswith(each.manifest):
                raise Conflict(
                    f"Round {each.round} was published from another ledger; keep the state "
                    "directory between runs.",
                    code="other_ledger",
                )

    def _event(self, *, has_moved: bool) -> str:
        if not self._may_approve or has_moved:
            return "COMMENT"
        return {"APPROVE": "APPROVE", "CHANGES_REQUESTED": "REQUEST_CHANGES"}.get(
            self._document.verdict, "COMMENT"
        )

    def _present(self) -> _Present:
        """Return the threads and answers of this review that stand there."""
        listed = tuple(self._github.review_comments())
        answers = {marker for _, marker in self._own(listed, Kind.ANSWER)}
        return _Present(self._threads(listed), answers)

    def _threads(self, *lists: Iterable[Posted]) -> dict[str, int]:
        """Return the first comment about each finding that has one."""
        found: dict[str, int] = {}
        for posted, marker in self._own(chain(*lists), Kind.FINDING):
            if posted.in_reply_to_id is None:
                found.setdefault(marker.about[0], posted.id)
        return found

    def _to_tell(self, rounds: tuple[Marker, ...]) -> tuple[FindingShape, ...]:
        """Return what was never told: open findings without a thread, and new notes."""
        threads = self._threads(self._github.review_comments(), self._github.comments())
        told = {name for each in rounds for name in each.about} | set(threads) | self._told
        new = set(self._document.new)
        return tuple(
            each
            for each in self._document.findings
            if not each.is_settled and each.id not in told and (each.is_live or each.id in new)
        )

    def _publish_round(
        self, pull: Pull, rounds: tuple[Marker, ...], event: str, *, has_moved: bool
    ) -> None:
        """Post the review. Refused ones are posted with less: as a comment, then without lines."""
        diff = forge_diff(self._github.files(self._document.range.head, pull))
        placed = [(each, diff.place(each)) for each in self._to_tell(rounds)]
        ways = [_Way(event, has_lines=True), _Way("COMMENT", has_lines=True)]
        for way in ways[1:] if event == "COMMENT" else ways:
            try:
                return self._make_round(placed, way, has_moved=has_moved)
            except Rejected as refusal:
                if refusal.code != _REJECTED:
                    raise
        nowhere: list[tuple[FindingShape, Spot]] = [(each, InBody()) for each, _ in placed]
        return self._make_round(nowhere, _Way("COMMENT", has_lines=False), has_moved=has_moved)

    def _make_round(
        self, placed: list[tuple[FindingShape, Spot]], way: "_Way", *, has_moved: bool
    ) -> None:
        document = self._document
        in_body = [each for each, spot in placed if isinstance(spot, InBody)]
        body = round_body(document, in_body, has_moved=has_moved, has_lines=way.has_lines)
        on_lines = [(each, spot) for each, spot in placed if isinstance(spot, OnLine)]
        comments = [spot.written(finding_body(document, each)) for each, spot in on_lines]
        commit = document.range.head if way.has_lines else None
        self._make_once(
            lambda: any(each.round == document.round for each in self._own_rounds()),
            lambda: self._github.make_review(body, way.event, commit, comments),
        )
        self._told |= {each.id for each in in_body} | {each.id for each, _ in on_lines}

    def _make_once(self, is_there: Callable[[], bool], make: Callable[[], None]) -> None:
        """Make something that is not there; look again when nobody knows whether it was made."""
        for number in range(1, review_limits.FORGE_TRIES_MAX + 1):
            try:
                make()
            except MaybeMade:
                if is_there():
                    return
                if number == review_limits.FORGE_TRIES_MAX:
                    raise
                self._github.wait(review_limits.FORGE_RETRY_FIRST_S * 2 ** (number - 1))
                if is_there():
                    return
            else:
                self._posted += 1
                return

    def _publish_files(self, pull: Pull) -> None:
        """Post what belongs to a file and to no line of it, as a thread of its own."""
        wanted = self._to_tell(self._own_rounds())
        if not wanted:
            return
        diff = forge_diff(self._github.files(self._document.range.head, pull))
        for finding in wanted:
            spot = diff.place(finding)
            if isinstance(spot, OnFile | OnLine):
                self._publish_file(finding, spot.path)

    def _publish_file(self, finding: FindingShape, path: str) -> None:
        document = self._document
        body = finding_body(document, finding)
        try:
            self._make_once(
                lambda: finding.id in self._threads(self._github.review_comments()),
                lambda: self._github.make_file_comment(body, document.range.head, path),
            )
        except Rejected as refusal:
            if refusal.code != _REJECTED:
                raise
            # A head that was pushed away takes no comment on its files any more.
            self._make_once(
                lambda: finding.id in self._threads(self._github.comments()),
                lambda: self._github.make_comment(body),
            )

    def _publish_answers(self) -> None:
        """Say in the threads what this round made of earlier findings."""
        present = self._present()
        for finding, number in _answered(self._document):
            thread = present.threads.get(finding.id)
            marker = find_marker(answer_body(self._document, finding, number))
            if thread is not None and marker not in present.answers:
                self._answer(thread, finding, number, marker)

    def _answer(
        self, thread: int, finding: FindingShape, number: int, marker: Marker | None
    ) -> None:
        body = answer_body(self._document, finding, number)
        self._make_once(
            lambda: marker in self._present().answers,
            lambda: self._github.answer(thread, body),
        )

    def _publish_status(self) -> None:
        body = status_body(self._document)
        known = self._statuses()
        if not known:
            self._make_once(lambda: bool(self._statuses()), lambda: self._github.make_comment(body))
        elif known[0].text.replace("\r\n", "\n") != body:
            self._github.rewrite_comment(known[0].id, body)
            self._posted += 1

    def _statuses(self) -> list[Posted]:
        found = [posted for posted, _ in self._own(self._github.comments(), Kind.STATUS)]
        return sorted(found, key=lambda posted: posted.id)


def _answered(document: ReviewDocument) -> Iterator[tuple[FindingShape, int]]:
    """Yield the findings about which something is said, with the round that says it."""
    number = document.round
    beginnings = (f"round {number}: ", f"reopened in round {number}")
    for each in document.findings:
        if each.first_round == number:
            continue
        if each.state == "acknowledged":
            yield each, 0
        elif each.why.startswith(beginnings):
            yield each, number


__all__ = ["Published", "Publisher"]
