"""The verdict: a pure function of what is open and of what was looked at. No model writes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from driftpin.review.finding import BLOCKING, Finding
from driftpin.review.spending import Span


class Verdict(StrEnum):
    """What a round came to."""

    BLOCKED = "BLOCKED"
    INCOMPLETE = "INCOMPLETE"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    COMMENT = "COMMENT"
    APPROVE = "APPROVE"


class ReviewExit(IntEnum):
    """The exit codes of `driftpin review`."""

    APPROVE = 0
    OPEN = 1
    BLOCKING = 2
    INCOMPLETE = 3
    BLOCKED = 4
    USAGE = 5
    BUDGET = 6


@dataclass(frozen=True, slots=True)
class Gaps:
    """What keeps a round from being complete; all empty for one that is."""

    failed: tuple[str, ...] = ()
    not_given: tuple[str, ...] = ()
    cannot_tell: tuple[str, ...] = ()
    over_budget: str = ""
    over_span: Span = Span.ROUND
    head_moved: bool = False
    missing: tuple[str, ...] = ()
    not_reviewable: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether somebody who was to look at the change did not."""
        left_out = self.failed or self.missing or self.not_given
        return bool(left_out or self.over_budget or self.not_reviewable)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every gap in words."""
        texts = [f"{role} failed" for role in self.failed]
        texts += [f"{role} is required and did not look" for role in self.missing]
        texts += [f"nobody was given {path}" for path in self.not_given]
        texts += [f"the verifier cannot tell about {name}" for name in self.cannot_tell]
        if self.not_reviewable:
            texts.append(f"the scout says that nobody can review it: {self.not_reviewable}")
        if self.over_budget:
            of = "" if self.over_span is Span.ROUND else f" of the {self.over_span}"
            texts.append(f"the budget{of} ended in {self.over_budget}")
        if self.head_moved:
            texts.append("the head moved while the round ran")
        return tuple(texts)


def verdict_of(findings: Iterable[Finding], gaps: Gaps) -> Verdict:
    """Return the verdict; the first rule that fits wins."""
    live = [each for each in findings if not each.is_settled and not each.is_note]
    if gaps.texts:
        return Verdict.INCOMPLETE
    if any(each.severity in BLOCKING for each in live):
        return Verdict.CHANGES_REQUESTED
    return Verdict.COMMENT if live else Verdict.APPROVE


_EXITS: Final = {
    Verdict.APPROVE: ReviewExit.APPROVE,
    Verdict.COMMENT: ReviewExit.OPEN,
    Verdict.CHANGES_REQUESTED: ReviewExit.BLOCKING,
    Verdict.INCOMPLETE: ReviewExit.INCOMPLETE,
    Verdict.BLOCKED: ReviewExit.BLOCKED,
}


def exit_of(verdict: Verdict, gaps: Gaps) -> ReviewExit:
    """Return the exit code of a round."""
    if verdict is Verdict.INCOMPLETE and gaps.over_budget:
        return ReviewExit.BUDGET
    return _EXITS[verdict]


__all__ = ["Gaps", "ReviewExit", "Verdict", "exit_of", "verdict_of"]
