"""Late findings: what could have been said in an earlier round is not held against the author."""

from collections.abc import Mapping

from driftpin.review.cross_check import Group
from driftpin.review.finding import BLOCKING, Place, Severity, Side
from driftpin.review.inputs import RoundInputs


def is_unchanged(group: Group, inputs: RoundInputs) -> bool:
    """Whether the code that a group is about stood so when it was last reviewed."""
    if inputs.look == 1:
        return False
    return _stood(group.place, inputs.delta_lines)


def _stood(place: Place, since: Mapping[str, frozenset[int]]) -> bool:
    """Whether nothing came since at a place."""
    if place.side is Side.OLD:
        return place.path not in since
    lines = since.get(place.path, frozenset())
    return not any(line in lines for line in range(place.first, place.last + 1))


def first_visible(group: Group, inputs: RoundInputs) -> int:
    """Return the first round in which the code that a late group is about stood as it does now."""
    seen = (each.round for each in inputs.seen if _stood(group.place, each.lines))
    return next(seen, inputs.number - 1)


def is_late(group: Group, inputs: RoundInputs) -> bool:
    """Whether a group comes too late to ask for anything: it is deferred and counted."""
    if not is_unchanged(group, inputs):
        return False
    if inputs.look == 2:
        return group.severity in {Severity.NIT, Severity.NOTE}
    return group.severity not in BLOCKING


__all__ = ["first_visible", "is_late", "is_unchanged"]
