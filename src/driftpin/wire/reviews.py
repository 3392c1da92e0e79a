"""The record of one round of a review as a document: `review.json`, read and checked.

Everything that publishes a round has this document and nothing else: the forge and the server. It
is written by `review.report`; `schema` rises when a reader of this release could misread it.
"""

from typing import Annotated, Literal

from pydantic import Field

from driftpin import review_limits
from driftpin.wire.reading import read_shape
from driftpin.wire.shape import DigestText, IdText, InstantText, ReplyShape, Shape

_Text = Annotated[str, Field(max_length=review_limits.REVIEW_DOCUMENT_TEXT_CHARACTERS_MAX)]
_Name = Annotated[str, Field(max_length=1_000)]
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Object = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
_FindingId = Annotated[str, Field(pattern=r"^(CRF|NOTE)-[1-9][0-9]{0,8}$")]
_Amount = Annotated[str, Field(pattern=r"^[0-9]{1,12}\.[0-9]{2,6}$")]
_Share = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["P0", "P1", "P2", "P3", "P4", "Nit", "Note"]
State = Literal[
    "open",
    "claimed",
    "verified",
    "contested",
    "acknowledged",
    "withdrawn",
    "obsolete",
    "merged",
]
Verdict = Literal["BLOCKED", "INCOMPLETE", "CHANGES_REQUESTED", "COMMENT", "APPROVE"]
SETTLED: frozenset[State] = frozenset(
    {"verified", "acknowledged", "withdrawn", "obsolete", "merged"}
)


class _Listed:
    """How long a list of a document may be."""

    of = Field(max_length=review_limits.REVIEW_DOCUMENT_ITEMS_MAX)


_Names = Annotated[tuple[_Name, ...], _Listed.of]
_Texts = Annotated[tuple[_Text, ...], _Listed.of]
# Messages of commits and praise are as long as somebody made them.
_LongTexts = Annotated[
    tuple[Annotated[str, Field(max_length=review_limits.REVIEW_ANSWER_BYTES_MAX)], ...], _Listed.of
]
_Ids = Annotated[tuple[_FindingId, ...], _Listed.of]
_Counts = Annotated[dict[_Name, _Count], Field(max_length=100)]


class ToolShape(Shape):
    """What wrote the document."""

    name: _Name
    version: _Name


class RangeShape(Shape):
    """What was reviewed, as object names."""

    text: _Name
    base: _Object
    merge_base: _Object
    head: _Object


class PlaceShape(Shape):
    """Lines of a file, both ends included; an empty path means the change itself."""

    path: _Text
    first: _Count
    last: _Count
    side: Literal["old", "new"]

    @property
    def text(self) -> str:
        """The place as people write it."""
        if not self.path:
            return "the change itself"
        lines = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.path}:{lines}"


class VoiceShape(Shape):
    """One reviewer who raised a finding."""

    role: _Name
    severity: Severity


class ClaimShape(Shape):
    """What one reviewer said."""

    role: _Name
    severity: Severity
    place: PlaceShape
    category: _Text
    statement: _Text
    symbol: _Text
    quote: _Text
    evidence: _Text
    trigger: _Text
    outcome: _Text
    fix: _Text
    proof: _Text
    confidence: _Share
    cites: _Text


class DroppedShape(Shape):
    """A claim that became no finding of its own, by which rule, and what became of it."""

    claim: ClaimShape
    rule: _Name
    reason: _Text
    round: _Count
    into: _Name


class FindingShape(Shape):
    """A finding as it stands after the round."""

    id: _FindingId
    severity: Severity
    place: PlaceShape
    fingerprint: _Name
    category: _Text
    statement: _Text
    quote: _Text
    evidence: _Text
    trigger: _Text
    outcome: _Text
    fix: _Text
    proof: _Text
    voices: Annotated[tuple[VoiceShape, ...], _Listed.of]
    raised_by: _Count
    asked: _Count
    confidence: _Share
    state: State
    first_round: _Count
    seen_round: _Count
    quoted_role: _Name
    conflict: _Text
    why: _Text
    caused_by: _Name
    reply: _Text
    is_undecided: bool
    placement: Literal["line", "file", "body"]

    @property
    def is_settled(self) -> bool:
        """Whether it asks nothing of anybody any more."""
        return self.state in SETTLED

    @property
    def is_note(self) -> bool:
        """Whether it never asked for anything."""
        return self.severity == "Note"

    @property
    def is_live(self) -> bool:
        """Whether it still asks for something."""
        return not self.is_settled and not self.is_note


class PanelShape(Shape):
    """Who was asked, who was not, who failed, and whose answer is that of an earlier round."""

    roles: _Names
    not_run: _Texts
    failed: _Names
    reused: _Texts = ()


class CoveredShape(Shape):
    """A file and the reviewers who were given it."""

    path: _Text
    roles: _Names


class CoverageShape(Shape):
    """File by role."""

    roles: _Names
    files: Annotated[tuple[CoveredShape, ...], _Listed.of]


class ReadingShape(Shape):
    """What one reviewer read with its tools, as code saw it."""

    reviewer: _Name
    calls: _Count
    refused: _Count
    files: Annotated[tuple[_Text, ...], _Listed.of]
    probes: _Names
    digest: DigestText


class TokensShape(Shape):
    """What the round took."""

    total: _Count
    by_phase: _Counts


class MoneyShape(Shape):
    """What the round and its review cost, in the currency of the prices."""

    round: _Amount
    by_phase: Annotated[dict[_Name, _Amount], Field(max_length=100)]
    review: _Amount
    per_verified: _Amount | None


class RoundShape(Shape):
    """A line of the log of rounds."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]
    base: _Object
    head: _Object
    range_text: _Name
    snapshot: DigestText
    panel: _Names
    not_run: _Texts
    failed: _Names
    verdict: Verdict
    new: _Ids
    verified: _Ids
    deferred: _Count
    tokens: _Count
    manifest: DigestText
    money: _Count = 0
    is_partial: bool = False


class ReviewDocument(Shape):
    """`review.json`, whole."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    tool: ToolShape
    target: Annotated[str, Field(min_length=1, max_length=1_000)]
    round: Annotated[int, Field(ge=1, le=1_000_000)]
    range: RangeShape
    snapshot: DigestText
    dirty_since: _Name = ""
    manifest: DigestText
    verdict: Verdict
    gaps: _Texts
    open: _Counts
    new: _Ids
    verified: _Ids
    findings: Annotated[tuple[FindingShape, ...], _Listed.of]
    dropped: Annotated[tuple[DroppedShape, ...], _Listed.of]
    refused: _Texts
    grouping: _Texts = ()
    good: _LongTexts
    addressed_messages: _LongTexts
    panel: PanelShape
    coverage: CoverageShape
    reading: Annotated[tuple[ReadingShape, ...], _Listed.of] = ()
    tokens: TokensShape
    money: MoneyShape | None = None
    rounds: Annotated[tuple[RoundShape, ...], Field(min_length=1, max_length=1_000)]

    @property
    def live(self) -> tuple[FindingShape, ...]:
        """The findings that still ask for something."""
        return tuple(each for each in self.findings if each.is_live)


class PublishReviewRequest(Shape):
    """The record of a round: `review.json` to the byte, and the chat each reviewer answered in."""

    document: Annotated[
        str, Field(min_length=2, max_length=review_limits.REVIEW_DOCUMENT_BYTES_MAX)
    ]
    digest: DigestText | None = None
    chats: Annotated[dict[_Name, IdText], Field(max_length=review_limits.REVIEW_CHATS_MAX)] = Field(
        default_factory=dict
    )


class ReviewShape(ReplyShape):
    """A review as it stands after its newest round."""

    id: IdText
    workspace_id: IdText
    target: str
    round: int
    verdict: str
    open: int
    created_at: InstantText
    updated_at: InstantText


def read_review(content: bytes) -> ReviewDocument:
    """Return the document; raises Malformed, Rejected or TooLarge for the first broken rule."""
    return read_shape(ReviewDocument, content)


__all__ = [
    "ClaimShape",
    "DroppedShape",
    "FindingShape",
    "PlaceShape",
    "PublishReviewRequest",
    "ReviewDocument",
    "ReviewShape",
    "RoundShape",
    "read_review",
]
