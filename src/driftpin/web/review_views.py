"""Reviews for people: where each stands, what was found, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from driftpin.identity import Digest, ReviewId, WorkspaceId

# How the severities and verdicts look: by words first, and in the colours of drift.
TONES = {
    "P0": "risky",
    "P1": "risky",
    "P2": "behavioural",
    "P3": "notation",
    "CHANGES_REQUESTED": "risky",
    "INCOMPLETE": "behavioural",
    "BLOCKED": "behavioural",
    "COMMENT": "notation",
    "APPROVE": "clean",
    "verified": "clean",
    "open": "behavioural",
    "contested": "behavioural",
}


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """One review in a list."""

    id: ReviewId
    target: str
    round: int
    verdict: str
    open_count: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewList:
    """The reviews that a person may read."""

    lines: tuple[ReviewLine, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding; `reasons` are its texts by their names, without empty ones."""

    id: str
    severity: str
    state: str
    place: str
    statement: str
    quote: str
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One round in the log."""

    number: int
    head: str
    verdict: str
    panel: tuple[str, ...]
    not_run: tuple[str, ...]
    failed: tuple[str, ...]
    new: tuple[str, ...]
    verified: tuple[str, ...]
    deferred: int
    tokens: int


@dataclass(frozen=True, slots=True)
class DroppedLine:
    """A claim that became no finding of its own."""

    role: str
    severity: str
    place: str
    statement: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReviewShown:
    """One round of a review; `line` is of its newest one."""

    line: ReviewLine
    workspace_id: WorkspaceId
    number: int
    verdict: str
    opened: str
    range_text: str
    base: str
    head: str
    context: Digest
    digest: Digest
    tokens: int
    published_at: datetime
    notes: tuple[tuple[str, str], ...]
    live: tuple[FindingLine, ...]
    findings: tuple[FindingLine, ...]
    rounds: tuple[RoundLine, ...]
    chats: tuple[tuple[str, str], ...]
    dropped: tuple[DroppedLine, ...]
    files: tuple[tuple[str, int], ...]
    readings: tuple[tuple[str, int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a finding stood after a round, and why."""

    round: int
    state: str
    why: str
    reply: str


@dataclass(frozen=True, slots=True)
class FindingShown:
    """One finding with everything that was said of it, the newest round first."""

    line: ReviewLine
    finding: FindingLine
    moments: tuple[Moment, ...]
    dropped: tuple[DroppedLine, ...]


def tone(name: str) -> str:
    """Return the class of a badge."""
    return f"severity-{TONES[name]}" if name in TONES else ""


__all__ = [
    "DroppedLine",
    "FindingLine",
    "FindingShown",
    "Moment",
    "ReviewLine",
    "ReviewList",
    "ReviewShown",
    "RoundLine",
    "tone",
]
