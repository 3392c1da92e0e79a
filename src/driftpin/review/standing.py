"""Where the findings of earlier rounds stand at a new head, before any model is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from driftpin.review.anchors import Located, SourceText, locate
from driftpin.review.cross_check import is_near
from driftpin.review.diff import FileChange, map_line, parse_patch
from driftpin.review.finding import Anchor, Finding, Place, Severity, Side
from driftpin.review.inputs import RoundInputs
from driftpin.review.ledger import ReviewState, number_of

_NEEDS_REACTION: Final = frozenset({Severity.P0, Severity.P1, Severity.P2})


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding and where its code is now: `settled` is where the code is that settled it.

    `is_touched` when the delta changed something beside its code or in the same symbol.
    """

    finding: Finding
    located: Located | None
    settled: Located | None
    is_touched: bool
    has_reply: bool

    @property
    def is_changed(self) -> bool:
        """Whether the code that it is about has changed since the last round."""
        return self.located is None or not self.located.is_exact or self.is_touched

    @property
    def needs_verifier(self) -> bool:
        """Whether somebody must look: something changed, or the author said something."""
        is_live = not self.finding.is_settled and not self.finding.is_note
        return is_live and (self.is_changed or self.has_reply or self.finding.is_undecided)


def standings(inputs: RoundInputs, before: ReviewState) -> tuple[Standing, ...]:
    """Return every finding with where it stands, by its number."""
    delta = {each.old_path: each for each in parse_patch(inputs.delta or "")}
    found = sorted(before.findings.values(), key=lambda each: (each.is_note, number_of(each)))
    return tuple(_standing(each, inputs, before, delta) for each in found)


def _standing(
    finding: Finding,
    inputs: RoundInputs,
    before: ReviewState,
    delta: Mapping[str, FileChange],
) -> Standing:
    settled = before.settled.get(finding.id)
    located = _located(finding.anchor, finding.place.first, inputs, delta)
    return Standing(
        finding=finding,
        located=located,
        is_touched=located is not None and _is_touched(located.place, finding.anchor, inputs),
        settled=None if settled is None else _located(settled, 0, inputs, delta),
        has_reply=finding.id in before.replied,
    )


def _located(
    anchor: Anchor, line: int, inputs: RoundInputs, delta: Mapping[str, FileChange]
) -> Located | None:
    path = inputs.renames.get(anchor.path, anchor.path)
    change = delta.get(anchor.path)
    near = line if change is None else map_line(change, line)
    texts: Mapping[str, SourceText] = inputs.trees.new
    if anchor.side is Side.OLD:
        texts, near = inputs.trees.old, line
    return locate(anchor, texts, path, near)


def _is_touched(place: Place, anchor: Anchor, inputs: RoundInputs) -> bool:
    """Whether the delta has a line within reach of a place, or in the symbol around it."""
    if inputs.delta is None or place.side is Side.OLD:
        return False
    text = inputs.trees.new.get(place.path)
    for change in parse_patch(inputs.delta):
        if change.path != place.path:
            continue
        numbers = [line.new for line in change.added]
        numbers += [map_line(change, line.old) for line in change.removed]
        for number in numbers:
            if is_near(place, Place(place.path, number, number)):
                return True
            if anchor.symbol and text is not None and text.symbol_at(number) == anchor.symbol:
                return True
    return False


def blocked_by(inputs: RoundInputs, before: ReviewState) -> tuple[str, ...]:
    """Return why a round would be a waste: what needs a reply or a change first.

    Empty when it may run. A round that was not complete may always be run again.
    """
    last = before.rounds[-1] if before.rounds else None
    if last is None or last.verdict.value == "INCOMPLETE":
        return ()
    if last.head == inputs.head and last.base == inputs.base and not before.replied:
        return ("the head is the one that was reviewed last, and nobody has replied",)
    return tuple(
        f"{each.finding.id} has neither a reply nor a change"
        for each in standings(inputs, before)
        if each.finding in before.live
        and each.finding.severity in _NEEDS_REACTION
        and not each.needs_verifier
    )


__all__ = ["Standing", "blocked_by", "standings"]
