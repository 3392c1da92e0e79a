"""Where a finding stands in the forge's own diff. Never on a line that is only near.

The forge shows three lines around a change and refuses a whole review for one line outside of them,
so its diff decides and not the one that reviewers read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from driftpin.errors import Rejected
from driftpin.review.diff import Line, parse_patch
from driftpin.review.github.api import ChangedFile
from driftpin.wire.reviews import FindingShape, PlaceShape

_RIGHT: Final = "RIGHT"
_LEFT: Final = "LEFT"


@dataclass(frozen=True, slots=True)
class OnLine:
    """A place on lines of the diff, as the forge names it."""

    path: str
    line: int
    side: str
    start_line: int | None = None

    def written(self, body: str) -> Mapping[str, object]:
        """Return the comment as a review takes it."""
        place = {"path": self.path, "line": self.line, "side": self.side, "body": body}
        if self.start_line is None:
            return place
        return {**place, "start_line": self.start_line, "start_side": self.side}


@dataclass(frozen=True, slots=True)
class OnFile:
    """A place on a file of the diff."""

    path: str


@dataclass(frozen=True, slots=True)
class InBody:
    """No place in the diff."""


Spot = OnLine | OnFile | InBody


@dataclass(frozen=True, slots=True)
class ForgeDiff:
    """The forge's diff: its files, and where each line of a version is shown."""

    names: Mapping[str, str] = field(default_factory=dict)
    old_names: Mapping[str, str] = field(default_factory=dict)
    hunks: Mapping[str, tuple[tuple[Line, ...], ...]] = field(default_factory=dict)

    def place(self, finding: FindingShape) -> Spot:
        """Return where a finding is shown."""
        place = finding.place
        names = self.old_names if place.side == "old" else self.names
        name = names.get(place.path) if place.path else None
        if name is None:
            return InBody()
        for hunk in self.hunks.get(name, ()):
            spot = _spot(name, hunk, place)
            if spot is not None:
                return spot
        return OnFile(name)


def forge_diff(files: Iterable[ChangedFile]) -> ForgeDiff:
    """Return the diff that a list of files is."""
    listed = tuple(files)
    return ForgeDiff(
        names={each.filename: each.filename for each in listed if each.status != "removed"},
        old_names={
            each.previous_filename or each.filename: each.filename
            for each in listed
            if each.status != "added"
        },
        hunks={each.filename: _hunks(each.patch) for each in listed},
    )


def _hunks(patch: str) -> tuple[tuple[Line, ...], ...]:
    """Return a patch in parts; none for one that cannot be read, which places no line."""
    try:
        (change,) = parse_patch(f"diff --git a/f b/f\n{patch}")
    except Rejected:
        return ()
    return change.hunks


def _spot(path: str, hunk: Sequence[Line], place: PlaceShape) -> OnLine | None:
    """Return the place on a hunk's lines if its last line is there; the first may be outside."""
    is_old = place.side == "old"
    shown = {line.old if is_old else line.new: line for line in hunk}
    shown.pop(0, None)
    last, first = shown.get(place.last), shown.get(place.first)
    if last is None:
        return None
    # What is not gone is shown on the right, in an old version too.
    side = _LEFT if last.is_removed else _RIGHT
    line = last.old if last.is_removed else last.new
    if first is None or place.first >= place.last or first.is_removed != last.is_removed:
        return OnLine(path, line, side)
    return OnLine(path, line, side, first.old if first.is_removed else first.new)


__all__ = ["ForgeDiff", "InBody", "OnFile", "OnLine", "Spot", "forge_diff"]
