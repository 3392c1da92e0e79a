"""Claims of all reviewers put together: the same ones merged, contradictions kept as such.

Everything runs over one total order of claims, so the order in which reviewers answered changes
nothing. What is merged is kept with the rule that merged it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from driftpin import review_limits
from driftpin.review.anchors import fingerprint, likeness, make_anchor, side_text, tokens
from driftpin.review.claims import Trees
from driftpin.review.finding import Anchor, Claim, Place, Severity, Voice, Wording

HALF: Final = 0.5
_THIRD: Final = 1 / 3
_OPPOSITES: Final = (
    ("add", "remove"),
    ("keep", "remove"),
    ("keep", "delete"),
    ("add", "delete"),
    ("inline", "extract"),
    ("merge", "split"),
    ("raise", "swallow"),
    ("widen", "narrow"),
    ("increase", "decrease"),
)


@dataclass(frozen=True, slots=True)
class Anchored:
    """A claim with what it is tied to."""

    claim: Claim
    anchor: Anchor
    fingerprint: str
    words: frozenset[str]

    @property
    def order(self) -> tuple[int, str, int, int, str, str, str, str]:
        """The one order of claims: severity, place, then their words."""
        claim, place = self.claim, self.claim.place
        return (
            claim.severity.rank,
            place.path,
            place.first,
            place.last,
            place.side.value,
            claim.category,
            claim.role,
            claim.statement,
        )


@dataclass(frozen=True, slots=True)
class Merged:
    """A claim that joined another one, by which rule, and why where somebody said so."""

    claim: Claim
    rule: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Claims that say one thing. `lead` is the sharpest, and is quoted; `voices` are all."""

    lead: Anchored
    severity: Severity
    place: Place
    voices: tuple[Voice, ...]
    merged: tuple[Merged, ...]
    confidence: float
    conflict: str = ""
    ordinal: int = 1

    @property
    def key(self) -> str:
        """A name that depends on nothing but what the group is about; one among those of a round.

        `ordinal` counts groups about code that stands more than once in one symbol.
        """
        name = self.lead.fingerprint.removeprefix("sha256:")[:16]
        return name if self.ordinal == 1 else f"{name}-{self.ordinal}"

    @property
    def wording(self) -> Wording:
        """What a finding made of this group says: the words of the sharpest claim."""
        claim = self.lead.claim
        return Wording(
            severity=self.severity,
            place=self.place,
            anchor=self.lead.anchor,
            fingerprint=self.lead.fingerprint,
            category=claim.category,
            statement=claim.statement,
            quote=claim.quote,
            evidence=claim.evidence,
            trigger=claim.trigger,
            outcome=claim.outcome,
            fix=claim.fix,
            proof=claim.proof,
            quoted_role=claim.role,
        )


def anchor_claim(claim: Claim, trees: Trees) -> Anchored:
    """Return the claim with its anchor; its place must be there."""
    text = side_text(claim.place, trees.old, trees.new)
    assert text is not None, "a claim is checked before it is anchored"
    anchor = make_anchor(claim.place, text)
    name = fingerprint(claim.place.path, anchor.symbol, claim.category, anchor.lines)
    return Anchored(claim, anchor, name, tokens(claim.statement))


def cross_check(claims: Sequence[Anchored]) -> tuple[Group, ...]:
    """Return the groups of claims that say the same, in the one order."""
    ordered = sorted(claims, key=lambda each: each.order)
    parts = _components(ordered)
    groups = [_group([(ordered[index], rule) for index, rule in part]) for part in parts]
    return tuple(_numbered(_join_conflicts(_join_nits(sorted(groups, key=_group_order)))))


def _numbered(groups: Iterable[Group]) -> Iterator[Group]:
    known: Counter[str] = Counter()
    for group in groups:
        known[group.lead.fingerprint] += 1
        yield replace(group, ordinal=known[group.lead.fingerprint])


def _group_order(group: Group) -> tuple[int, str, int, str]:
    return (group.severity.rank, group.place.path, group.place.first, group.lead.fingerprint)


def is_near(one: Place, other: Place, lines: int = review_limits.REVIEW_NEAR_LINES) -> bool:
    """Whether two ranges of one file lie within so many lines of each other."""
    same = one.path == other.path and one.side is other.side
    return same and one.first - lines <= other.last and other.first - lines <= one.last


def _same(one: Anchored, other: Anchored) -> str:
    """Return the rule by which two near claims are the same, or nothing."""
    if one.fingerprint == other.fingerprint:
        return "exact"
    alike = likeness(one.words, other.words)
    is_one_symbol = one.anchor.symbol == other.anchor.symbol
    if alike >= HALF or (is_one_symbol and _is_one_category(one, other) and alike >= _THIRD):
        return "near"
    return ""


def _is_one_category(one: Anchored, other: Anchored) -> bool:
    return one.claim.category.lower() == other.claim.category.lower()


def _components(ordered: Sequence[Anchored]) -> list[list[tuple[int, str]]]:
    """Return the connected parts: of each the indices of its claims and the rule that joined."""
    roots = list(range(len(ordered)))
    rules = [""] * len(ordered)

    def root(index: int) -> int:
        while roots[index] != index:
            roots[index] = roots[roots[index]]
            index = roots[index]
        return index

    for left, right in _near_pairs(ordered):
        one, other = sorted((root(left), root(right)))
        if one == other:
            continue
        rule = _same(ordered[left], ordered[right])
        if rule:
            roots[other] = one
            rules[max(left, right)] = rules[max(left, right)] or rule
    parts: dict[int, list[tuple[int, str]]] = {}
    for index in range(len(ordered)):
        parts.setdefault(root(index), []).append((index, rules[index] or "near"))
    return list(parts.values())


def _near_pairs(ordered: Sequence[Anchored]) -> Iterator[tuple[int, int]]:
    """Yield pairs that lie near each other, without comparing what is far apart."""
    places = [each.claim.place for each in ordered]
    by_line = sorted(
        range(len(ordered)),
        key=lambda at: (places[at].path, places[at].side.value, places[at].first, at),
    )
    for position, left in enumerate(by_line):
        reach = places[left].last + review_limits.REVIEW_NEAR_LINES
        for right in by_line[position + 1 :]:
            if places[right].path != places[left].path or places[right].first > reach:
                break
            if is_near(places[left], places[right]):
                yield left, right


def _group(part: list[tuple[Anchored, str]]) -> Group:
    members = [each for each, _ in part]
    voices = _voices(members)
    severity = _middle([voice.severity for voice in voices])
    lead = min(members, key=lambda each: _sharpness(each, severity))
    merged = tuple(Merged(each.claim, rule) for each, rule in part if each is not lead)
    return Group(
        lead=lead,
        severity=severity,
        place=lead.claim.place,
        voices=voices,
        merged=merged,
        confidence=max(each.claim.confidence for each in members),
        conflict=next((_conflict(lead, each) for each in members if _opposes(lead, each)), ""),
    )


def _opposes(one: Anchored, other: Anchored) -> bool:
    return are_opposite(one.claim.fix, other.claim.fix)


def _conflict(one: Anchored, other: Anchored) -> str:
    first, second = one.claim, other.claim
    return f"{first.role}: {first.fix} / {second.role}: {second.fix}"


def _voices(members: Sequence[Anchored]) -> tuple[Voice, ...]:
    """Return one voice per role, the most severe of each."""
    found: dict[str, Severity] = {}
    for each in members:
        known = found.get(each.claim.role)
        if known is None or each.claim.severity.rank < known.rank:
            found[each.claim.role] = each.claim.severity
    return tuple(Voice(role, found[role]) for role in sorted(found))


def _middle(severities: Sequence[Severity]) -> Severity:
    """Return the middle one; of two, the more severe."""
    ordered = sorted(severities, key=lambda each: each.rank)
    return ordered[(len(ordered) - 1) // 2]


def _sharpness(each: Anchored, severity: Severity) -> tuple[bool, int, int, str, str]:
    """Order claims by how sharp they are: rated as the group, then the most evidence."""
    claim = each.claim
    said = len(claim.evidence) + len(claim.quote)
    return (claim.severity is not severity, -said, claim.place.first, claim.role, claim.statement)


def _join_nits(groups: Sequence[Group]) -> list[Group]:
    """Let a Nit on the line of a finding join it."""
    kept: list[Group] = []
    for group in groups:
        host = next((at for at, each in enumerate(kept) if _hosts(each, group)), None)
        if host is None:
            kept.append(group)
        else:
            kept[host] = _joined(kept[host], group, "nit on the same line")
    return kept


def _hosts(host: Group, nit: Group) -> bool:
    is_nit = nit.severity is Severity.NIT
    is_finding = host.severity.rank < Severity.NIT.rank
    return is_nit and is_finding and is_near(host.place, nit.place, 0)


def _joined(host: Group, other: Group, rule: str, why: str = "") -> Group:
    added = (Merged(other.lead.claim, rule, why), *other.merged)
    return replace(host, merged=(*host.merged, *added))


def join_same(host: Group, other: Group, rule: str, why: str) -> Group:
    """Return a group that somebody says is one with a graver one: its words, and all voices."""
    gravest: dict[str, Voice] = {}
    for voice in (*host.voices, *other.voices):
        known = gravest.setdefault(voice.role, voice)
        gravest[voice.role] = min(known, voice, key=lambda each: each.severity.rank)
    is_opposite = _opposes(host.lead, other.lead)
    conflict = _conflict(host.lead, other.lead) if is_opposite else other.conflict
    return replace(
        _joined(host, other, rule, why),
        voices=tuple(gravest[role] for role in sorted(gravest)),
        confidence=max(host.confidence, other.confidence),
        conflict=host.conflict or conflict,
    )


def _join_conflicts(groups: Sequence[Group]) -> list[Group]:
    """Make opposite advice about one place one finding that states the conflict."""
    kept: list[Group] = []
    for group in groups:
        host = next((at for at, each in enumerate(kept) if _contradict(each, group)), None)
        if host is None:
            kept.append(group)
            continue
        conflict = _conflict(kept[host].lead, group.lead)
        kept[host] = replace(_joined(kept[host], group, "opposite advice"), conflict=conflict)
    return kept


def _contradict(one: Group, other: Group) -> bool:
    return is_near(one.place, other.place, 0) and _opposes(one.lead, other.lead)


def are_opposite(one: str, other: str) -> bool:
    """Whether two pieces of advice want the opposite of the same thing."""
    left, right = tokens(one), tokens(other)
    is_opposite = any(
        (first in left and second in right) or (second in left and first in right)
        for first, second in _OPPOSITES
    )
    return is_opposite and likeness(left, right) >= _THIRD


__all__ = [
    "Anchored",
    "Group",
    "Merged",
    "anchor_claim",
    "are_opposite",
    "cross_check",
    "is_near",
    "join_same",
]
