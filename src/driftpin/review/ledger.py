"""The ledger of a review: events that are only ever added, and the state that follows from them.

The id counter and every finding are part of the event that records a round, so that an id exists
exactly when its finding does and no crash can give it away twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import msgspec
import rfc8785

from driftpin.errors import Malformed, NotFound, Rejected
from driftpin.review.finding import Anchor, Dropped, Finding, FindingId, State
from driftpin.review.spending import Spent
from driftpin.review.verdict import Verdict


class ReplyKind(StrEnum):
    """What the author says about a finding."""

    FIXED = "fixed"
    CONTESTED = "contested"
    ACKNOWLEDGED = "acknowledged"


_STATE_OF_REPLY: Final = {
    ReplyKind.FIXED: State.CLAIMED,
    ReplyKind.CONTESTED: State.CONTESTED,
    ReplyKind.ACKNOWLEDGED: State.ACKNOWLEDGED,
}


@dataclass(frozen=True, slots=True)
class Settled:
    """The code that a settled finding rests on: what proves the fix, or what it was about."""

    id: FindingId
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """What a round was and came to, for the log of rounds.

    `is_partial` when somebody who was to look at the change did not.
    """

    number: int
    base: str
    head: str
    range_text: str
    snapshot: str
    panel: tuple[str, ...]
    not_run: tuple[str, ...]
    failed: tuple[str, ...]
    verdict: Verdict
    new: tuple[FindingId, ...]
    verified: tuple[FindingId, ...]
    deferred: int
    tokens: int
    manifest: str
    money: int = 0
    is_partial: bool = False

    @property
    def spent(self) -> Spent:
        """What the round took."""
        return Spent(self.tokens, self.money)


@dataclass(frozen=True, slots=True)
class RoundRecorded:
    """A finished round: all findings as they stand after it, and the next free number of ids."""

    summary: RoundSummary
    findings: tuple[Finding, ...]
    settled: tuple[Settled, ...]
    dropped: tuple[Dropped, ...]
    next_finding: int
    next_note: int


@dataclass(frozen=True, slots=True)
class Replied:
    """The author's word about one finding."""

    id: FindingId
    kind: ReplyKind
    text: str
    by: str
    at: str


Event = RoundRecorded | Replied


@dataclass(frozen=True, slots=True)
class ReviewState:
    """All that is known of a review; derived from its events and from nothing else."""

    findings: Mapping[FindingId, Finding] = field(default_factory=dict)
    settled: Mapping[FindingId, Anchor] = field(default_factory=dict)
    rounds: tuple[RoundSummary, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    replied: frozenset[FindingId] = frozenset()
    next_finding: int = 1
    next_note: int = 1

    @property
    def round(self) -> int:
        """The number of the last finished round, 0 before the first."""
        return self.rounds[-1].number if self.rounds else 0

    @property
    def spent(self) -> Spent:
        """What all finished rounds took."""
        return sum((each.spent for each in self.rounds), Spent())

    @property
    def live(self) -> tuple[Finding, ...]:
        """The findings that still ask for something, by their number."""
        found = (each for each in self.findings.values() if not each.is_settled)
        return tuple(sorted((each for each in found if not each.is_note), key=number_of))


def number_of(finding: Finding) -> int:
    """Return the number in a finding's id."""
    return int(finding.id.rpartition("-")[2])


def state_of(events: Iterable[Event]) -> ReviewState:
    """Return the state that a ledger's events add up to."""
    state = ReviewState()
    for event in events:
        state = _after(state, event)
    return state


def _after(state: ReviewState, event: Event) -> ReviewState:
    match event:
        case RoundRecorded():
            return ReviewState(
                findings={each.id: each for each in event.findings},
                settled={each.id: each.anchor for each in event.settled},
                rounds=(*state.rounds, event.summary),
                dropped=(*state.dropped, *event.dropped),
                next_finding=event.next_finding,
                next_note=event.next_note,
            )
        case Replied():
            return _after_reply(state, event)


def _after_reply(state: ReviewState, reply: Replied) -> ReviewState:
    finding = state.findings[reply.id]
    said = replace(
        finding,
        state=_STATE_OF_REPLY[reply.kind],
        reply=reply.text,
        why=f"{reply.kind.value} by {reply.by}",
    )
    settled = dict(state.settled)
    if said.is_settled:
        settled[reply.id] = finding.anchor
    return replace(
        state,
        findings={**state.findings, reply.id: said},
        settled=settled,
        replied=state.replied | {reply.id},
    )


def check_reply(state: ReviewState, wanted: str) -> Finding:
    """Return the finding that a reply is about, or raise NotFound or Rejected `settled`."""
    finding = state.findings.get(FindingId(wanted.upper()))
    if finding is None:
        raise NotFound(f"This review has no finding {wanted!r}.", code="no_finding")
    if finding.is_settled or finding.is_note:
        text = f"{finding.id} is {finding.state.value} and asks for no reply."
        raise Rejected(text, code="finding_settled")
    return finding


def event_to_bytes(event: Event) -> bytes:
    """Return an event as it is kept: canonical JSON."""
    kind = "round" if isinstance(event, RoundRecorded) else "reply"
    return rfc8785.dumps({"v": 1, "kind": kind, "event": msgspec.to_builtins(event)})


def event_from_bytes(content: bytes) -> Event:
    """Return the event that `event_to_bytes` wrote, or raise Malformed `bad_ledger`."""
    try:
        written = msgspec.json.decode(content)
        kinds: dict[str, type[Event]] = {"round": RoundRecorded, "reply": Replied}
        return msgspec.convert(written["event"], kinds[written["kind"]])
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Malformed(f"The ledger has a broken event: {error}.", code="bad_ledger") from None


__all__ = [
    "Event",
    "Replied",
    "ReplyKind",
    "ReviewState",
    "RoundRecorded",
    "RoundSummary",
    "Settled",
    "check_reply",
    "event_from_bytes",
    "event_to_bytes",
    "number_of",
    "state_of",
]
