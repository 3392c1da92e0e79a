"""Holds: differences that a chat keeps out, each until the head moves on (spec/pinning.md §3).

A hold names a source and what the head listed under it. It says nothing about the pin, so the same
holds answer for every pin and head: whether a difference is held is decided from the two snapshots
whenever it is asked, and a head that comes back to what was held off is held off again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from driftpin.context.drift import Drift, DriftEntry, drift_of
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.errors import Conflict, Rejected
from driftpin.identity import Digest

# By source: the digest of the head's entry that is held off, None for its absence.
Holds = Mapping[str, Digest | None]
NO_HOLDS: Final[Holds] = {}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which differences a refresh takes; of the two lists at least one is given.

    With `accept` alone the rest is held, with `hold` alone the rest is taken, and with both the
    rest stays as it is, drift as before.
    """

    accept: frozenset[str] | None
    hold: frozenset[str] | None

    @property
    def named(self) -> frozenset[str]:
        """Every source that the selection names."""
        return (self.accept or frozenset()) | (self.hold or frozenset())


@dataclass(frozen=True, slots=True)
class Choice:
    """What a selection comes to: the sources taken from the head, and the holds that are new."""

    taken: frozenset[str]
    held: Holds


def is_held(entry: DriftEntry, holds: Holds) -> bool:
    """Whether the difference is held, every source that it speaks of."""
    return all(
        source in holds and holds[source] == digest for source, digest in entry.in_head.items()
    )


def less_holds(drift: Drift, holds: Holds) -> Drift:
    """Return the drift that is not held: what makes a chat dirty."""
    if not holds:
        return drift
    return drift_of(entry for entry in drift.entries if not is_held(entry, holds))


def held_part(drift: Drift, holds: Holds) -> Drift:
    """Return the drift that is held."""
    return drift_of(entry for entry in drift.entries if is_held(entry, holds))


def holds_in_force(drift: Drift, holds: Holds) -> Holds:
    """Return the holds that keep something out; others wait for a head that comes back."""
    sources = {source for entry in held_part(drift, holds).entries for source in entry.sources}
    return {source: digest for source, digest in holds.items() if source in sources}


def open_sources(drift: Drift, holds: Holds) -> frozenset[str]:
    """Return every source that a refresh which keeps the holds takes from the head."""
    return frozenset(
        source for entry in less_holds(drift, holds).entries for source in entry.sources
    )


def choose(drift: Drift, holds: Holds, selection: Selection) -> Choice:
    """Return what the selection comes to; both sources of a rename go together.

    What is held already stays so unless it is accepted. Raises Conflict (`selection_conflict`) for
    a source, or a rename, that is both accepted and held.
    """
    taken: set[str] = set()
    held: dict[str, Digest | None] = {}
    for entry in drift.entries:
        match _wish(entry, holds, selection):
            case True:
                taken |= entry.sources
            case False:
                held |= entry.in_head
            case None:
                continue
    return Choice(frozenset(taken), held)


def _wish(entry: DriftEntry, holds: Holds, selection: Selection) -> bool | None:
    """Return whether to take the entry, or to hold it; None to leave it as it is."""
    accept, hold = selection.accept, selection.hold
    is_accepted = not entry.sources.isdisjoint(accept or ())
    if is_accepted and not entry.sources.isdisjoint(hold or ()):
        _refuse_both(entry.sources)
    if is_accepted or not entry.sources.isdisjoint(hold or ()):
        return is_accepted
    if is_held(entry, holds) or (accept is not None and hold is not None):
        return None
    return accept is None


def refuse_impossible(selection: Selection, pin: Snapshot, head: Snapshot) -> None:
    """Refuse a selection that contradicts itself, or names what neither snapshot lists.

    Raises Conflict (`selection_conflict`), Rejected (`unknown_source`).
    """
    both = (selection.accept or frozenset()) & (selection.hold or frozenset())
    if both:
        _refuse_both(both)
    known = {resource.source for snapshot in (pin, head) for resource in snapshot.resources}
    unknown = selection.named - known
    if unknown:
        raise Rejected(
            "Neither the pin nor the head lists all of these sources.",
            code="unknown_source",
            sources=sorted(unknown),
        )


def blended(pin: Snapshot, head: Snapshot, taken: Collection[str]) -> Snapshot:
    """Return the pin with what the head lists under the taken sources, and not what it lacks."""
    return snapshot_of(
        [
            *(resource for resource in pin.resources if resource.source not in taken),
            *(resource for resource in head.resources if resource.source in taken),
        ]
    )


def _refuse_both(sources: Collection[str]) -> None:
    raise Conflict(
        "This is to be both accepted and held.", code="selection_conflict", sources=sorted(sources)
    )


__all__ = [
    "NO_HOLDS",
    "Choice",
    "Holds",
    "Selection",
    "blended",
    "choose",
    "held_part",
    "holds_in_force",
    "is_held",
    "less_holds",
    "open_sources",
    "refuse_impossible",
]
