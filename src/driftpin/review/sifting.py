"""What becomes of each new group of claims: kept, or dropped by which rule and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from driftpin.review.cross_check import Group, are_opposite
from driftpin.review.finding import BLOCKING, FindingId
from driftpin.review.inputs import RoundInputs
from driftpin.review.lateness import first_visible, is_late
from driftpin.review.matching import find_cause
from driftpin.review.roster import SCOUT
from driftpin.review.standing import Standing
from driftpin.review.verification import Result, Ruling

_DOUBT: float = 0.5


@dataclass(frozen=True, slots=True)
class Fate:
    """A group, and the rule that drops it; without a rule it is kept. `doubt` scales confidence."""

    group: Group
    rule: str = ""
    why: str = ""
    into: str = ""
    doubt: float = 1.0


def fates_of(
    groups: Iterable[Group],
    known: Sequence[Standing],
    inputs: RoundInputs,
    refutations: Mapping[str, Ruling | None],
) -> tuple[Fate, ...]:
    """Return what becomes of groups, in the order of their ids; `refutations` by their keys."""
    ordered = sorted(groups, key=id_order)
    return tuple(_fate(each, known, inputs, refutations.get(each.key)) for each in ordered)


def id_order(group: Group) -> tuple[bool, int, str, int, str]:
    """Order groups for their ids: the scout's first, then by severity, path and line."""
    is_scouts = any(voice.role == SCOUT for voice in group.voices)
    place = group.place
    return (not is_scouts, group.severity.rank, place.path, place.first, group.key)


def _fate(
    group: Group, known: Sequence[Standing], inputs: RoundInputs, ruling: Ruling | None
) -> Fate:
    if is_late(group, inputs):
        return Fate(group, "deferred", f"first visible in round {first_visible(group, inputs)}")
    contradicted = _contradicted(group, known)
    if contradicted is not None:
        why = f"it is against advice given as {contradicted} and does not cite it"
        return Fate(group, "uncited contradiction", why, contradicted)
    if ruling is None or ruling.result is not Result.REFUTED:
        return Fate(group)
    if ruling.anchor is not None or group.severity not in BLOCKING:
        return Fate(group, "refuted", f"{ruling.why} `{ruling.quote}`")
    return Fate(group, doubt=_DOUBT)


def _contradicted(group: Group, known: Sequence[Standing]) -> FindingId | None:
    claim = group.lead.claim
    cause = find_cause(group, known)
    if cause is None or cause.id == claim.cites or not are_opposite(claim.fix, cause.fix):
        return None
    return cause.id


__all__ = ["Fate", "fates_of", "id_order"]
