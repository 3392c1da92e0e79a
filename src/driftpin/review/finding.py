"""Claims, findings and their parts: the values that every step of a review hands on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType, TypedDict

FindingId = NewType("FindingId", str)


class Severity(StrEnum):
    """How much a finding matters, by its consequence; the most severe first."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    NIT = "Nit"
    NOTE = "Note"

    @property
    def rank(self) -> int:
        """The place in the order, 0 for the most severe."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}
BLOCKING: Final = frozenset({Severity.P0, Severity.P1})
# These must say what sets them off and what comes of it.
NEEDS_TRIGGER: Final = frozenset({Severity.P0, Severity.P1, Severity.P2, Severity.P3})


class Side(StrEnum):
    """Which version of a file a line belongs to: the base, or the pinned head."""

    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Place:
    """A range of lines, both ends included, counted from 1; an empty path means the change."""

    path: str
    first: int
    last: int
    side: Side = Side.NEW

    @property
    def text(self) -> str:
        """The place as people write it."""
        if not self.path:
            return "the change itself"
        lines = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.path}:{lines}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one reviewer says is wrong; `quote` is code at the place, `evidence` says why."""

    role: str
    severity: Severity
    place: Place
    category: str
    statement: str
    symbol: str = ""
    quote: str = ""
    evidence: str = ""
    trigger: str = ""
    outcome: str = ""
    fix: str = ""
    proof: str = ""
    confidence: float = 0.5
    cites: str = ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a finding is tied to: code, not line numbers. Texts are normalised lines."""

    path: str
    side: Side
    symbol: str
    lines: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


class State(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    CLAIMED = "claimed"
    VERIFIED = "verified"
    CONTESTED = "contested"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"
    OBSOLETE = "obsolete"
    MERGED = "merged"


SETTLED: Final = frozenset(
    {State.VERIFIED, State.WITHDRAWN, State.ACKNOWLEDGED, State.OBSOLETE, State.MERGED}
)


@dataclass(frozen=True, slots=True)
class Voice:
    """One reviewer who raised a finding, and how severe it was for them."""

    role: str
    severity: Severity


class Wording(TypedDict):
    """What a finding says and of which code: fields of it, as whoever speaks for it put them."""

    severity: Severity
    place: Place
    anchor: Anchor
    fingerprint: str
    category: str
    statement: str
    quote: str
    evidence: str
    trigger: str
    outcome: str
    fix: str
    proof: str
    quoted_role: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim, or several merged, that survived the cross-check; `n` of `k` reviewers raised it.

    `place` is where it stands at the head of `seen_round`; `why` says what its last change of
    state rests on; `caused_by` is the finding whose fix made this one. `is_undecided` after a
    verifier could not tell: somebody must look again.
    """

    id: FindingId
    severity: Severity
    place: Place
    anchor: Anchor
    fingerprint: str
    category: str
    statement: str
    quote: str
    evidence: str
    trigger: str
    outcome: str
    fix: str
    proof: str
    voices: tuple[Voice, ...]
    raised_by: int
    asked: int
    confidence: float
    state: State
    first_round: int
    seen_round: int
    quoted_role: str = ""
    conflict: str = ""
    why: str = ""
    caused_by: str = ""
    reply: str = ""
    is_undecided: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether it asks nothing of anybody any more."""
        return self.state in SETTLED

    @property
    def is_note(self) -> bool:
        """Whether it never asked for anything."""
        return self.severity is Severity.NOTE


@dataclass(frozen=True, slots=True)
class Dropped:
    """A claim that did not become a finding of its own: by which rule, why, and what became of it.

    `into` is the finding that it was merged with or that it repeats.
    """

    claim: Claim
    rule: str
    reason: str
    round: int
    into: str = ""


__all__ = [
    "BLOCKING",
    "NEEDS_TRIGGER",
    "SETTLED",
    "Anchor",
    "Claim",
    "Dropped",
    "Finding",
    "FindingId",
    "Place",
    "Severity",
    "Side",
    "State",
    "Voice",
    "Wording",
]
