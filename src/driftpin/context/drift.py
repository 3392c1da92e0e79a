"""Drift: what lies between the snapshot a chat is pinned to and the head of its agent.

A pure function of two immutable snapshots. Which sources differ is decided by their entries alone;
bytes are read only to tell how much a difference matters and what was renamed. Its result may be
kept per (pin, head, `DRIFT_VERSION`) and is never stale.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin.context.assessment import Assessment, Change, FileChange, assess
from driftpin.context.bodies import BodyReader
from driftpin.context.likeness import pair_renames
from driftpin.context.manifest import Part, Snapshot, entry_digest
from driftpin.context.resource import Finding, Kind, Resource, ServerBody, Status
from driftpin.context.severity import Severity, worst
from driftpin.context.tool_drift import ToolDrift
from driftpin.identity import Digest

# Raised whenever the same two snapshots would give another answer.
DRIFT_VERSION: Final = 6
# Of a pin and a head either all is given, or what `part_beside` leaves.
Compared = Snapshot | Part

# As many states of a source are looked back on to tell whether it flaps.
_FLAPPING_STATES: Final = 8


@dataclass(frozen=True, slots=True)
class DriftEntry:
    """One source that differs; a renamed one stands under its new source.

    Status and reason are None on the side where the source is not listed. `findings` are those that
    the change brought in. `head_digest` names what the head lists under `source`, None if nothing.
    """

    source: str
    kind: Kind
    change: Change
    severity: Severity
    previous_source: str | None
    status_before: Status | None
    status_after: Status | None
    reason_before: str | None
    reason_after: str | None
    files: tuple[FileChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    tools: tuple[ToolDrift, ...] = ()
    head_digest: Digest | None = None

    @property
    def in_head(self) -> Mapping[str, Digest | None]:
        """What the head lists under each source that the entry speaks of, None for nothing."""
        return dict.fromkeys(self.sources, None) | {self.source: self.head_digest}

    @property
    def sources(self) -> frozenset[str]:
        """Every source that the entry speaks of: two if it was renamed."""
        return frozenset({self.source, self.previous_source or self.source})


@dataclass(frozen=True, slots=True)
class Drift:
    """All entries by source, and the worst severity among them; None when there is no entry."""

    entries: tuple[DriftEntry, ...]
    severity: Severity | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not self.entries

    @property
    def sources(self) -> frozenset[str]:
        """Every source that some entry speaks of."""
        return frozenset(source for entry in self.entries for source in entry.sources)

    def without(self, sources: Collection[str]) -> "Drift":
        """Return the drift less the entries that speak of any of these sources."""
        return drift_of(entry for entry in self.entries if entry.sources.isdisjoint(sources))


def drift_of(entries: Iterable[DriftEntry]) -> Drift:
    """Return the drift that consists of these entries."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.source))
    return Drift(ordered, worst(entry.severity for entry in ordered))


def drift(pin: Compared, head: Compared, bodies: BodyReader) -> Drift:
    """Return what differs in `head` from `pin`; empty exactly when their digests are equal.

    `bodies` is asked for blobs that either snapshot names, and only for what differs.
    """
    if pin.digest == head.digest:
        return Drift((), None)
    return drift_of(
        _entry(before, after, bodies, tools_beside(head, after))
        for before, after in changed_pairs(pin, head, bodies)
    )


def tools_beside(head: Compared, resource: Resource | None) -> frozenset[str]:
    """Return the names of the tools of every other server than `resource`, if that is one."""
    if resource is None or resource.kind is not Kind.MCP_SERVER:
        return frozenset()
    return frozenset(
        tool.name
        for other in head.resources
        if other.source != resource.source and isinstance(other.body, ServerBody)
        for tool in (other.body.catalogue.tools if other.body.catalogue else ())
    )


def changed_pairs(
    pin: Compared, head: Compared, bodies: BodyReader
) -> tuple[tuple[Resource | None, Resource | None], ...]:
    """Return both sides of every source that differs, renamed ones paired, in order of source."""
    old = {resource.source: resource for resource in pin.resources}
    new = {resource.source: resource for resource in head.resources}
    removed = [resource for source, resource in old.items() if source not in new]
    added = [resource for source, resource in new.items() if source not in old]
    renamed = pair_renames(removed, added, bodies)
    paired = {resource.source for pair in renamed for resource in pair}
    pairs: list[tuple[Resource | None, Resource | None]] = [
        *((old[source], new[source]) for source in old.keys() & new if old[source] != new[source]),
        *renamed,
        *((resource, None) for resource in removed if resource.source not in paired),
        *((None, resource) for resource in added if resource.source not in paired),
    ]
    return tuple(sorted(pairs, key=lambda pair: _present(*pair).source))


def _entry(
    before: Resource | None,
    after: Resource | None,
    bodies: BodyReader,
    foreign_tools: frozenset[str],
) -> DriftEntry:
    change = _change(before, after)
    assessment = assess(before, after, bodies, foreign_tools=foreign_tools)
    shown = _present(before, after)
    is_renamed = change is Change.RENAMED and before is not None
    return DriftEntry(
        source=shown.source,
        kind=shown.kind,
        change=change,
        severity=_severity(change, assessment),
        previous_source=before.source if is_renamed and before else None,
        status_before=before.status if before else None,
        status_after=after.status if after else None,
        reason_before=before.reason if before else None,
        reason_after=after.reason if after else None,
        files=assessment.files,
        findings=assessment.findings,
        tools=assessment.tools,
        head_digest=entry_digest(after) if after else None,
    )


def _severity(change: Change, assessment: Assessment) -> Severity:
    """Return the severity; a rename takes away what had the old name."""
    if change is Change.RENAMED:
        return max(assessment.severity, Severity.BEHAVIOURAL)
    return assessment.severity


def _change(before: Resource | None, after: Resource | None) -> Change:
    if before is None:
        return Change.ADDED
    if after is None:
        return Change.REMOVED
    if before.source != after.source:
        return Change.RENAMED
    both_ok = before.status is Status.OK and after.status is Status.OK
    return Change.MODIFIED if both_ok else Change.STATUS


def _present(before: Resource | None, after: Resource | None) -> Resource:
    shown = after or before
    assert shown is not None, "a change needs a resource on one side"
    return shown


def flapping_sources(heads: Sequence[Iterable[Resource]]) -> frozenset[str]:
    """Return the sources that go back and forth between the same contents.

    `heads` are the resources of successive heads, oldest first.
    """
    by_source = [{resource.source: resource for resource in head} for head in heads]
    sources = {source for head in by_source for source in head}
    return frozenset(
        source for source in sources if flapping([head.get(source) for head in by_source])
    )


def flapping(history: Sequence[Hashable]) -> bool:
    """Whether a source goes back and forth between the same contents.

    `history` holds what the source was in successive heads, oldest first, None where it was absent.
    One edit that is reverted is not flapping; coming back twice in the last states is.
    """
    states = [
        state for index, state in enumerate(history) if index == 0 or state != history[index - 1]
    ][-_FLAPPING_STATES:]
    returns = sum(state in states[:index] for index, state in enumerate(states))
    return returns >= 2


__all__ = [
    "DRIFT_VERSION",
    "Change",
    "Drift",
    "DriftEntry",
    "FileChange",
    "Severity",
    "changed_pairs",
    "drift",
    "drift_of",
    "flapping",
    "flapping_sources",
    "tools_beside",
]
