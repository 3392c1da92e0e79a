"""From a round's answers to findings, ids and verdict. Pure: the same book, the same outcome."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from driftpin.review.adjudication import SEMANTIC, sharpened
from driftpin.review.coverage import Coverage, coverage_of, given_to
from driftpin.review.cross_check import Group
from driftpin.review.finding import (
    Anchor,
    Dropped,
    Finding,
    FindingId,
    Place,
    Severity,
    State,
    Voice,
)
from driftpin.review.hostile_text import addressed_messages
from driftpin.review.inputs import ExchangeKey, is_end
from driftpin.review.ledger import RoundRecorded, RoundSummary, Settled, number_of
from driftpin.review.matching import Match, find_cause
from driftpin.review.planning import RoundBook, is_adjudication, is_ruling, plan
from driftpin.review.reading_record import Reading, readings_of
from driftpin.review.roster import SCOUT
from driftpin.review.sifting import Fate
from driftpin.review.spending import Spent
from driftpin.review.standing import Standing
from driftpin.review.verdict import Gaps, verdict_of
from driftpin.review.verification import Result, Ruling

# Kept among the exchanges of a round whose range meant another head when it ended.
HEAD_MOVED: Final = ExchangeKey("end.head-moved")


@dataclass(frozen=True, slots=True)
class Decided:
    """What a round came to: the event to record, and what reports tell beside it."""

    event: RoundRecorded
    coverage: Coverage
    gaps: Gaps
    good: tuple[str, ...]
    refused: tuple[str, ...]
    addressed: tuple[str, ...]
    spent_by_phase: Mapping[str, Spent]
    grouping: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()


class _Decision:
    """A round while it is decided."""

    def __init__(self, book: RoundBook) -> None:
        self.book = book
        self.findings = {each.finding.id: each.finding for each in book.standings}
        self.settled: dict[FindingId, Anchor] = dict(book.before.settled)
        self.dropped: list[Dropped] = []
        self.new: list[FindingId] = []
        self.verified: list[FindingId] = []
        self.cannot_tell: list[str] = []
        self.next_finding = book.before.next_finding
        self.next_note = book.before.next_note

    @property
    def number(self) -> int:
        return self.book.inputs.number

    def run(self) -> None:
        for standing in self.book.standings:
            self._settle(standing)
        for match in (*self.book.matches[0], *self.book.adjudicated.matches):
            self._repeat(match)
        for fate in self.book.adjudicated.fates:
            self._take(fate)
        self._merge()

    def _settle(self, standing: Standing) -> None:
        """Bring an earlier finding to where it stands at this head."""
        finding = standing.finding
        if standing.located is not None and not finding.is_settled:
            finding = replace(finding, place=standing.located.place, seen_round=self.number)
        self.findings[finding.id] = finding
        if not standing.needs_verifier:
            return
        ruling = self.book.ruling_on(finding)
        if ruling is None or ruling.result is Result.CANNOT_TELL:
            self._leave_undecided(finding, "the verifier could not tell")
            return
        self._apply(finding, ruling)

    def _apply(self, finding: Finding, ruling: Ruling) -> None:
        state = _STATES.get(ruling.result, State.OPEN)
        needs_quote = state in {State.VERIFIED, State.WITHDRAWN}
        if needs_quote and ruling.anchor is None:
            self._leave_undecided(finding, "the verifier quoted nothing that stands at the head")
            return
        if state is State.OPEN and finding.state is State.CONTESTED:
            state = State.CONTESTED
        why = f"round {self.number}: {ruling.why}"
        if ruling.quote:
            why += f" `{ruling.quote}`"
        self.findings[finding.id] = replace(finding, state=state, why=why, is_undecided=False)
        if state in {State.VERIFIED, State.WITHDRAWN, State.OBSOLETE}:
            self.settled[finding.id] = ruling.anchor or finding.anchor
            self.verified += [finding.id] if state is State.VERIFIED else []

    def _leave_undecided(self, finding: Finding, why: str) -> None:
        self.cannot_tell.append(finding.id)
        told = f"round {self.number}: {why}"
        self.findings[finding.id] = replace(finding, why=told, is_undecided=True)

    def _repeat(self, match: Match) -> None:
        """Let a group that repeats a finding add its voices, or reopen it, or be refused."""
        standing = match.standing
        finding = self.findings[standing.finding.id]
        if not standing.finding.is_settled:
            if finding.is_settled:
                self._drop(match.group, "verified this round", "its fix was proved", finding.id)
                return
            self.findings[finding.id] = replace(
                self._as_grave(finding, match),
                voices=_more_voices(finding.voices, match.group.voices),
            )
            if match.why:
                self._drop(match.group, SEMANTIC, match.why, finding.id)
            else:
                self._drop(match.group, "same finding", "it is open already", finding.id)
            return
        if standing.settled is not None and standing.settled.is_exact:
            why = f"{finding.state.value}, and the code has not changed since"
            told = f"{why}; {SEMANTIC}: {match.why}" if match.why else why
            self._drop(match.group, "settled", told, finding.id)
            return
        self.settled.pop(finding.id, None)
        self.new.append(finding.id)
        lead = match.group.lead
        self.findings[finding.id] = replace(
            self._as_grave(finding, match),
            state=State.OPEN,
            place=match.group.place,
            anchor=lead.anchor,
            quote=lead.claim.quote,
            evidence=lead.claim.evidence,
            seen_round=self.number,
            why=f"reopened in round {self.number}: the code that settled it is gone",
        )

    def _as_grave(self, finding: Finding, match: Match) -> Finding:
        """Return a finding as what a model says is the same puts it, where that is graver."""
        return sharpened(finding, match.group, match.why, self.number) if match.why else finding

    def _merge(self) -> None:
        """Let the lowest id speak where the code of several open findings has become one."""
        kept: dict[tuple[Place, str, tuple[str, ...]], FindingId] = {}
        for standing in self.book.standings:
            finding = self.findings[standing.finding.id]
            if standing.located is None or finding.is_settled or finding.is_note:
                continue
            code = (standing.located.place, finding.category.lower(), finding.anchor.lines)
            into = kept.setdefault(code, finding.id)
            if into != finding.id:
                self._merge_into(into, finding)

    def _merge_into(self, into: FindingId, finding: Finding) -> None:
        """Close a finding in favour of another, which is as grave as the graver of both."""
        host = self.findings[into]
        self.findings[into] = replace(
            host,
            severity=min(host.severity, finding.severity, key=lambda each: each.rank),
            voices=_more_voices(host.voices, finding.voices),
        )
        why = f"round {self.number}: its code and that of {into} have become one"
        self.findings[finding.id] = replace(
            finding, state=State.MERGED, why=why, is_undecided=False
        )
        self.settled[finding.id] = finding.anchor
        self.cannot_tell = [each for each in self.cannot_tell if each != finding.id]

    def _take(self, fate: Fate) -> None:
        """Make a finding of a new group, unless a rule says otherwise."""
        if fate.rule:
            self._drop(fate.group, fate.rule, fate.why, fate.into)
        else:
            self._allocate(fate.group, doubt=fate.doubt)

    def _allocate(self, group: Group, *, doubt: float) -> None:
        cause = find_cause(group, self.book.standings)
        finding = Finding(
            id=self._next_id(group.severity),
            **group.wording,
            voices=group.voices,
            raised_by=len(group.voices),
            asked=self._asked(group),
            confidence=round(self._confidence(group) * doubt, 2),
            state=State.OPEN,
            first_round=self.number,
            seen_round=self.number,
            conflict=group.conflict,
            caused_by="" if cause is None else cause.id,
        )
        self.findings[finding.id] = finding
        self.new.append(finding.id)
        for each in group.merged:
            why = f"merged with {finding.id}" + (f": {each.why}" if each.why else "")
            self.dropped.append(Dropped(each.claim, each.rule, why, self.number, finding.id))

    def _next_id(self, severity: Severity) -> FindingId:
        if severity is Severity.NOTE:
            self.next_note += 1
            return FindingId(f"NOTE-{self.next_note - 1}")
        self.next_finding += 1
        return FindingId(f"CRF-{self.next_finding - 1}")

    def _asked(self, group: Group) -> int:
        """Return how many could have raised it: the panel that answered to its file, and others."""
        answered = given_to(self.book, group.place.path) - {SCOUT}
        return len(answered | {voice.role for voice in group.voices})

    def _confidence(self, group: Group) -> float:
        """Return how sure: what the surest says, raised by those who agree."""
        others = (len(group.voices) - 1) / max(self._asked(group) - 1, 1)
        return min(group.confidence + (1 - group.confidence) * others, 0.99)

    def _drop(self, group: Group, rule: str, why: str, into: str = "") -> None:
        claims = [group.lead.claim, *(each.claim for each in group.merged)]
        self.dropped += [Dropped(claim, rule, why, self.number, into) for claim in claims]


_STATES = {
    Result.FIXED: State.VERIFIED,
    Result.OBSOLETE: State.OBSOLETE,
    Result.WITHDRAWN: State.WITHDRAWN,
}


def _role(key: str) -> str:
    return key.split(".")[1]


def _more_voices(known: Sequence[Voice], more: Sequence[Voice]) -> tuple[Voice, ...]:
    voices = {voice.role: voice for voice in (*more, *known)}
    return tuple(voices[role] for role in sorted(voices))


def decide(book: RoundBook) -> Decided:
    """Return what the round comes to with the answers that it has."""
    decision = _Decision(book)
    decision.run()
    planned = plan(book)
    coverage = coverage_of(book)
    gaps = Gaps(
        failed=tuple(sorted(set(_failed(book)))),
        not_given=coverage.not_given,
        cannot_tell=tuple(decision.cannot_tell),
        over_budget=planned.over_budget,
        over_span=planned.span,
        missing=book.panel.missing,
        not_reviewable=book.not_reviewable,
        head_moved=HEAD_MOVED in book.exchanges,
    )
    findings = tuple(
        sorted(decision.findings.values(), key=lambda each: (each.is_note, number_of(each)))
    )
    event = RoundRecorded(
        summary=_summary(book, decision, gaps, findings),
        findings=findings,
        settled=tuple(Settled(name, decision.settled[name]) for name in sorted(decision.settled)),
        dropped=tuple(decision.dropped),
        next_finding=decision.next_finding,
        next_note=decision.next_note,
    )
    return Decided(
        event=event,
        coverage=coverage,
        gaps=gaps,
        good=_good(book),
        refused=tuple(_refused(book)),
        addressed=addressed_messages(book.inputs),
        spent_by_phase=_spent_by_phase(book),
        grouping=book.adjudicated.notes,
        reused=tuple(_reused(book)),
        readings=readings_of(book.exchanges),
    )


def _summary(
    book: RoundBook, decision: _Decision, gaps: Gaps, findings: tuple[Finding, ...]
) -> RoundSummary:
    inputs = book.inputs
    return RoundSummary(
        number=inputs.number,
        base=inputs.base,
        head=inputs.head,
        range_text=inputs.range_text,
        snapshot=inputs.snapshot,
        panel=tuple(role.slug for role in book.panel.roles),
        not_run=book.panel.not_run,
        failed=gaps.failed,
        verdict=verdict_of(findings, gaps),
        new=tuple(decision.new),
        verified=tuple(decision.verified),
        deferred=sum(each.rule == "deferred" for each in decision.dropped),
        tokens=book.spent.tokens,
        manifest=inputs.digest,
        money=book.spent.money,
        is_partial=gaps.is_partial,
    )


def _failed(book: RoundBook) -> Iterator[str]:
    """Yield every role that was asked and gave no answer that can be read."""
    for key in book.exchanges:
        if is_end(key) or is_adjudication(key):
            continue
        if is_ruling(key):
            if book.rulings[key] is None:
                yield key.split(".", 1)[1]
        elif key not in book.answers:
            yield _role(key)


def _refused(book: RoundBook) -> Iterator[str]:
    for key, answer in sorted(book.answers.items()):
        yield from (f"{_role(key)}, claim {bad.number}: {bad.error}" for bad in answer.bad)


def _reused(book: RoundBook) -> Iterator[str]:
    """Yield whose answer is that of an earlier round on the same inputs."""
    for key, exchange in sorted(book.exchanges.items()):
        if exchange.of_round:
            yield f"{key.partition('.')[2]}: round {exchange.of_round}"


def _good(book: RoundBook) -> tuple[str, ...]:
    told = (text for key in sorted(book.answers) for text in book.answers[key].good)
    return tuple(dict.fromkeys(told))


def _spent_by_phase(book: RoundBook) -> dict[str, Spent]:
    found: dict[str, Spent] = {}
    for key, exchange in sorted(book.exchanges.items()):
        phase = key.split(".", maxsplit=1)[0]
        found[phase] = found.get(phase, Spent()) + book.inputs.spent_on(exchange)
    return found


__all__ = ["HEAD_MOVED", "Decided", "decide"]
