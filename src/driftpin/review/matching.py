"""Which earlier finding a group of claims is about: the same defect keeps its id.

Tried in this order: the same fingerprint at the file's present path; the code of the finding,
found again, where the claim points; the same words in the same symbol. The best match wins, and
of equal ones the lowest id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin.review.anchors import fingerprint, likeness, tokens
from driftpin.review.cross_check import HALF, Group, is_near
from driftpin.review.finding import Finding, Place
from driftpin.review.ledger import number_of
from driftpin.review.standing import Standing

_SEMANTIC_MIN: Final = 0.6
_OVERLAP_MIN: Final = 0.3


@dataclass(frozen=True, slots=True)
class Match:
    """A group and the earlier finding that it repeats; `why` where a model says so."""

    group: Group
    standing: Standing
    why: str = ""


def match_groups(
    groups: Iterable[Group], known: Sequence[Standing]
) -> tuple[tuple[Match, ...], tuple[Group, ...]]:
    """Return the groups that repeat a finding, and those that are new."""
    matched: list[Match] = []
    new: list[Group] = []
    for group in groups:
        best = _best(group, known)
        if best is None:
            new.append(group)
        else:
            matched.append(Match(group, best))
    return tuple(matched), tuple(new)


def _best(group: Group, known: Sequence[Standing]) -> Standing | None:
    scored = ((_score(group, each), each) for each in known if each.finding.is_note is False)
    found = [(score, each) for score, each in scored if score > 0]
    if not found:
        return None
    return min(found, key=lambda pair: (-pair[0], number_of(pair[1].finding)))[1]


def _score(group: Group, standing: Standing) -> float:
    finding = standing.finding
    alike = likeness(group.lead.words, tokens(finding.statement))
    is_one_category = group.lead.claim.category.lower() == finding.category.lower()
    if group.lead.fingerprint in _names(standing):
        return 10 + alike
    places = _places(standing)
    if is_one_category and alike >= _OVERLAP_MIN and _any_near(group.place, places, 0):
        return 6 + alike
    if alike >= HALF and is_one_category and _any_near(group.place, places, 5):
        return 4 + alike
    if alike >= _SEMANTIC_MIN and is_one_category and _is_one_symbol(group, standing):
        return 2 + alike
    return 0


def _names(standing: Standing) -> frozenset[str]:
    """Return the fingerprints that the finding has had and has at its present path."""
    finding = standing.finding
    names = {finding.fingerprint}
    if standing.located is not None:
        anchor, path = finding.anchor, standing.located.place.path
        names.add(fingerprint(path, anchor.symbol, finding.category, anchor.lines))
    return frozenset(names)


def _places(standing: Standing) -> tuple[Place, ...]:
    found = (standing.located, standing.settled)
    return tuple(each.place for each in found if each is not None)


def _any_near(place: Place, others: Iterable[Place], lines: int) -> bool:
    return any(is_near(place, other, lines) for other in others)


def _is_one_symbol(group: Group, standing: Standing) -> bool:
    finding = standing.finding
    known = standing.located.place.path if standing.located else finding.place.path
    symbol = group.lead.anchor.symbol
    is_one_path = group.place.path in {known, finding.place.path}
    return bool(symbol) and symbol == finding.anchor.symbol and is_one_path


def find_cause(group: Group, known: Iterable[Standing]) -> Finding | None:
    """Return the finding whose fix stands where the group points, if there is one."""
    for each in known:
        is_fixed = each.settled is not None and each.finding.is_settled
        if is_fixed and each.settled is not None and is_near(group.place, each.settled.place, 0):
            return each.finding
    return None


__all__ = ["Match", "find_cause", "match_groups"]
