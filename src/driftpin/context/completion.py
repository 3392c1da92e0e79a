"""Filling holes: an MCP server that was pinned before its tools were known (spec/pinning.md §5).

A hole is filled once, by a head that knows the catalogue of the same source and the same identity.
Only that entry is replaced, so a chat gets what it never had and nothing else moves.
"""

from collections.abc import Collection
from dataclasses import replace

from driftpin.context.drift import Drift
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import Resource, ServerBody
from driftpin.context.severity import Severity


def fillable_holes(pin: Snapshot, head: Snapshot, drift: Drift) -> frozenset[str]:
    """Return the sources of the pin's holes that the head fills.

    `drift` is the one from pin to head: a catalogue with risky findings is not filled in, and stays
    to be seen as drift.
    """
    risky = {entry.source for entry in drift.entries if entry.severity is Severity.RISKY}
    known = {resource.source: resource for resource in head.resources}
    return frozenset(
        hole.source
        for hole in pin.resources
        if hole.is_hole and hole.source not in risky and _fills(known.get(hole.source), hole)
    )


def filled(pin: Snapshot, head: Snapshot, sources: Collection[str]) -> Snapshot:
    """Return the pin with the head's entries of these sources, which must be fillable holes."""
    known = {resource.source: resource for resource in head.resources}
    return snapshot_of(
        replace(resource, body=known[resource.source].body)
        if resource.source in sources
        else resource
        for resource in pin.resources
    )


def _fills(found: Resource | None, hole: Resource) -> bool:
    body, empty = found.body if found else None, hole.body
    return (
        isinstance(body, ServerBody)
        and isinstance(empty, ServerBody)
        and body.identity == empty.identity
        and body.catalogue is not None
    )


__all__ = ["fillable_holes", "filled"]
