"""What code left apart and a model says is one defect; and what code lets it say.

The adjudicator is asked once, behind the refuters, about kept groups of claims and the earlier
findings beside them. It can name pairs of what it was shown that share a file or a symbol, and
nothing else: one other word and its whole answer counts for nothing. What it joins keeps the words
and the rating of the most severe, so nothing that blocks can go under in something that does not;
and nothing goes because of it alone but what repeats a settled finding on unchanged code, and
blocks nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Final, Literal

import msgspec

from driftpin import review_limits
from driftpin.errors import Malformed
from driftpin.review.claims import find_document
from driftpin.review.cross_check import Group, join_same
from driftpin.review.finding import BLOCKING, Finding, Severity
from driftpin.review.hostile_text import ROLE as FENCE
from driftpin.review.inputs import RoundInputs
from driftpin.review.lateness import is_unchanged
from driftpin.review.ledger import number_of
from driftpin.review.matching import Match
from driftpin.review.sifting import Fate, id_order
from driftpin.review.standing import Standing

SEMANTIC: Final = "semantic"
ALONE: Final = "claims are put together by place and words alone"


@dataclass(frozen=True, slots=True)
class Question:
    """What the adjudicator is asked about: groups as S1, S2 …, and earlier findings by their ids.

    `left_out` counts what had somebody beside it and found no place.
    """

    fates: tuple[Fate, ...] = ()
    known: tuple[Standing, ...] = ()
    left_out: int = 0

    @property
    def names(self) -> Mapping[str, int]:
        """The names of the groups, and where they stand."""
        return {f"S{at}": at - 1 for at in range(1, len(self.fates) + 1)}


class _RawSame(msgspec.Struct, forbid_unknown_fields=True):
    one: str
    other: str
    why: str


class _RawAnswer(msgspec.Struct, forbid_unknown_fields=True):
    result: Literal["adjudicated"]
    same: tuple[_RawSame, ...]


@dataclass(frozen=True, slots=True, order=True)
class Same:
    """Two of what was asked about that are one defect: a group by its place, and another or an id.

    The order is the one in which they are joined.
    """

    one: int
    other: int
    finding: str
    why: str


@dataclass(frozen=True, slots=True)
class Adjudicated:
    """What the groups came to: those to be kept or dropped, those that repeat an earlier finding.

    `notes` say where the adjudicator failed, or was not followed.
    """

    fates: tuple[Fate, ...]
    matches: tuple[Match, ...] = ()
    notes: tuple[str, ...] = ()


def question_of(fates: Iterable[Fate], known: Iterable[Standing]) -> Question:
    """Return the question about kept groups; one without groups when there is nothing to ask."""
    asked = sorted((each for each in fates if _may_join(each)), key=_severest_first)
    findings = sorted(
        (each for each in known if _may_be_repeated(each)),
        key=lambda each: (each.finding.is_settled, number_of(each.finding)),
    )
    counts = Counter(chain.from_iterable(_marks(each.group) for each in asked))
    counts.update(set().union(*map(_marks_of_known, findings)))
    beside = [each for each in asked if any(counts[mark] > 1 for mark in _marks(each.group))]
    taken = beside[: review_limits.REVIEW_ADJUDICATED_GROUPS_MAX]
    near = [each for each in findings if any(_share_with(one.group, each) for one in taken)]
    kept = near[: review_limits.REVIEW_ADJUDICATED_FINDINGS_MAX]
    left_out = len(beside) - len(taken) + len(near) - len(kept)
    return Question(tuple(taken), tuple(kept), left_out)


def _may_join(fate: Fate) -> bool:
    """Whether a group may be joined: not what is dropped, asks for nothing, or code itself says."""
    voices = {voice.role for voice in fate.group.voices}
    return not fate.rule and fate.group.severity is not Severity.NOTE and FENCE not in voices


def _may_be_repeated(standing: Standing) -> bool:
    """Whether a group may repeat a finding: not one that code itself says."""
    return not standing.finding.is_note and standing.finding.quoted_role != FENCE


def _severest_first(fate: Fate) -> tuple[int, tuple[bool, int, str, int, str], str]:
    group = fate.group
    return (group.severity.rank, id_order(group), group.lead.claim.statement)


def _marks(group: Group) -> frozenset[tuple[str, str]]:
    """Return what a group may share: its file, and the symbol around it as code found it."""
    return _marked({group.place.path}, group.lead.anchor.symbol)


def _marks_of_known(standing: Standing) -> frozenset[tuple[str, str]]:
    paths = {standing.finding.place.path}
    if standing.located is not None:
        paths.add(standing.located.place.path)
    return _marked(paths, standing.finding.anchor.symbol)


def _marked(paths: Iterable[str], symbol: str) -> frozenset[tuple[str, str]]:
    marks = {("file", path) for path in paths}
    return frozenset(marks | ({("symbol", symbol)} if symbol else set()))


def _share(one: Group, other: Group) -> bool:
    return not _marks(one).isdisjoint(_marks(other))


def _share_with(group: Group, standing: Standing) -> bool:
    return not _marks(group).isdisjoint(_marks_of_known(standing))


def read_adjudication(text: str, question: Question) -> tuple[Same, ...]:
    """Return what the answer says, in the one order; Malformed `bad_answer` if a word is wrong."""
    try:
        raw = msgspec.convert(find_document(text), _RawAnswer)
    except msgspec.ValidationError as error:
        raise Malformed(f"The answer is not as it should be: {error}.", code="bad_answer") from None
    return tuple(sorted({_checked(each, question) for each in raw.same}))


def _checked(raw: _RawSame, question: Question) -> Same:
    names, findings = question.names, {each.finding.id: each for each in question.known}
    found = sorted(names[name] for name in {raw.one, raw.other} if name in names)
    others = [each for each in findings if each in {raw.one, raw.other}]
    why = " ".join(raw.why.split())
    if len(found) + len(others) != 2 or not found:
        error = f"{raw.one!r} and {raw.other!r} are no pair that was asked about"
    elif not _is_pair(question, found, [findings[each] for each in others]):
        error = f"{raw.one!r} and {raw.other!r} share neither a file nor a symbol"
    elif not why or len(why) > review_limits.REVIEW_TEXT_CHARACTERS_MAX:
        error = f"say in one sentence why {raw.one!r} and {raw.other!r} are the same"
    elif others:
        return Same(found[0], -1, others[0], why)
    else:
        return Same(found[0], found[1], "", why)
    raise Malformed(f"The answer is not as it should be: {error}.", code="bad_answer")


def _is_pair(question: Question, groups: Sequence[int], known: Sequence[Standing]) -> bool:
    one = question.fates[groups[0]].group
    return _share_with(one, known[0]) if known else _share(one, question.fates[groups[1]].group)


def adjudicate(
    fates: Sequence[Fate], question: Question, said: Sequence[Same], inputs: RoundInputs
) -> Adjudicated:
    """Return what the groups come to when the adjudicator is followed as far as it may be."""
    following = _Following(question, said, inputs)
    kept = [each for each in fates if all(each is not asked for asked in question.fates)]
    matches: list[Match] = []
    for part in following.parts():
        fate = following.joined(part)
        match = following.match(part, fate.group)
        if match is None:
            kept.append(fate)
        else:
            matches.append(match)
    ordered = sorted(kept, key=lambda each: id_order(each.group))
    return Adjudicated(tuple(ordered), tuple(matches), (*_left_out(question), *following.notes))


def unadjudicated(fates: tuple[Fate, ...], question: Question, failure: str) -> Adjudicated:
    """Return the groups as they were, because the adjudicator failed."""
    note = f"the adjudicator failed ({failure}): {ALONE}"
    return Adjudicated(fates, (), (*_left_out(question), note))


def _left_out(question: Question) -> Iterator[str]:
    if question.left_out:
        yield f"the adjudicator was not shown the {question.left_out} least: of them {ALONE}"


class _Following:
    """An adjudicator's answer while it is followed; `notes` say where it is not."""

    def __init__(self, question: Question, said: Sequence[Same], inputs: RoundInputs) -> None:
        self.question = question
        self.of_groups = [each for each in said if not each.finding]
        self.of_findings = [each for each in said if each.finding]
        self.inputs = inputs
        self.notes: list[str] = []

    def _groups(self, part: Sequence[int]) -> list[Group]:
        return [self.question.fates[at].group for at in part]

    def parts(self) -> list[list[int]]:
        """Return the groups that are one: joined in the one order, where each shares with each."""
        parts = {at: [at] for at in range(len(self.question.fates))}
        for each in self.of_groups:
            one, other = parts[each.one], parts[each.other]
            if one is other:
                continue
            pairs = list(product(self._groups(one), self._groups(other)))
            if not all(_share(left, right) for left, right in pairs):
                names = " and ".join(group.place.text for group in pairs[0])
                self.notes.append(f"{names} stay apart: they share neither a file nor a symbol")
                continue
            joined = sorted((*one, *other))
            parts.update((at, joined) for at in joined)
        return [part for at, part in parts.items() if part[0] == at]

    def joined(self, part: Sequence[int]) -> Fate:
        """Return one group of several: the words of the most severe, and the voices of all."""
        first, *others = (self.question.fates[at] for at in part)
        group = first.group
        for at, other in zip(part[1:], others, strict=True):
            why = next(each.why for each in self.of_groups if at in {each.one, each.other})
            group = join_same(group, other.group, SEMANTIC, why)
        return replace(first, group=group, doubt=max(each.doubt for each in (first, *others)))

    def match(self, part: Sequence[int], group: Group) -> Match | None:
        """Return the earlier finding that a group repeats: the first that it may repeat."""
        told = [each for each in self.of_findings if each.one in part]
        for standing in self.question.known:
            finding = standing.finding
            why = next((each.why for each in told if each.finding == finding.id), "")
            if not why or not all(_share_with(each, standing) for each in self._groups(part)):
                continue
            if not _would_hide(group, standing, self.inputs):
                return Match(group, standing, why)
            self.notes.append(
                f"{group.severity.value} at {group.place.text} is kept, though the adjudicator"
                f" says that it is {finding.id}, which is {finding.state.value}"
            )
        return None


def _would_hide(group: Group, standing: Standing, inputs: RoundInputs) -> bool:
    """Whether a group would go because a model says that it is settled, and code cannot agree."""
    if not standing.finding.is_settled or standing.settled is None or not standing.settled.is_exact:
        return False
    is_graver = group.severity.rank < standing.finding.severity.rank
    return is_graver or group.severity in BLOCKING or not is_unchanged(group, inputs)


def sharpened(finding: Finding, group: Group, why: str, number: int) -> Finding:
    """Return an open finding that a group repeats in other words: the graver of both speaks."""
    if group.severity.rank >= finding.severity.rank:
        return finding
    return replace(
        finding,
        **group.wording,
        seen_round=number,
        why=f"round {number}: raised again, and graver: {why}",
    )


__all__ = [
    "ALONE",
    "SEMANTIC",
    "Adjudicated",
    "Question",
    "Same",
    "adjudicate",
    "question_of",
    "read_adjudication",
    "sharpened",
    "unadjudicated",
]
