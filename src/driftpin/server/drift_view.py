"""What a person is shown before a refresh: entries, diffs and cost, made from stored bytes.

The work on bytes runs on a thread: it is bounded, but long enough to hold up every other request.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from driftpin.context.diff import ResourceDiff, diff
from driftpin.context.drift import Drift, drift, flapping_sources
from driftpin.context.holds import blended, held_part, less_holds, open_sources
from driftpin.context.manifest import Snapshot, resources_of, snapshot_of
from driftpin.context.resource import Kind, Resource, blobs_of
from driftpin.context.tokens import (
    RefreshCost,
    cost_of_refresh,
    estimate_tokens,
    prompt_pieces,
)
from driftpin.identity import Actor, ChatId, Digest
from driftpin.operations.foresee_refresh import Foreseen
from driftpin.server.drift_replies import cost_shape, drift_shape, entry_shapes, move_shape
from driftpin.server.replies import digest_in
from driftpin.store.store import Store
from driftpin.store.values import ChatRow, DriftRead
from driftpin.wire.drift import DriftShape
from driftpin.wire.moves import ForeseenShape

HEADS_COMPARED: Final = 12
NO_DRIFT: Final = Drift((), None)
NOTHING: Final = snapshot_of(())


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies between two snapshots; `diffs` and `cost` are None where nobody asked for them.

    What is held stands apart, and is in none of the others.
    """

    before: Digest | None
    after: Digest | None
    drift: Drift
    held: Drift = NO_DRIFT
    flapping: frozenset[str] = frozenset()
    diffs: tuple[ResourceDiff, ...] | None = None
    cost: RefreshCost | None = None

    def shape(self) -> DriftShape:
        """Return it as the API tells it."""
        return drift_shape(
            self.before,
            self.after,
            self.drift,
            held=self.held,
            flapping=self.flapping,
            diffs=self.diffs,
            cost=self.cost,
        )


async def read_difference(
    store: Store,
    actor: Actor,
    chat: ChatRow,
    read: DriftRead,
    *,
    has_diffs: bool,
    has_cost: bool,
) -> Difference:
    """Return the drift of a chat with what was asked for."""
    known = Difference(
        digest_in(read.pin),
        digest_in(read.head),
        less_holds(read.drift, read.holds),
        held_part(read.drift, read.holds),
        await _flapping(store, actor, chat.id, read),
    )
    if not (has_diffs or has_cost) or read.pin_manifest is None or read.head_manifest is None:
        return replace(known, diffs=() if has_diffs else None)
    before, head = _snapshot(read.pin_manifest), _snapshot(read.head_manifest)
    after = blended(before, head, open_sources(read.drift, read.holds)) if read.holds else head
    wanted = _changed_blobs(before, after) if has_diffs else set()
    wanted |= _prompt_blobs(before, after) if has_cost else set()
    bodies = await store.read_blobs(actor, chat.workspace_id, wanted)
    diffs = await asyncio.to_thread(diff, before, after, bodies.get) if has_diffs else None
    cost = await asyncio.to_thread(_cost, before, after, bodies) if has_cost else None
    return replace(known, diffs=diffs, cost=cost)


async def shape_foreseen(store: Store, actor: Actor, foreseen: Foreseen) -> ForeseenShape:
    """Return as the API tells it what a refresh would do, and what it costs."""
    before, after = foreseen.before or NOTHING, foreseen.after
    bodies = await store.read_blobs(actor, foreseen.chat.workspace_id, _prompt_blobs(before, after))
    severity = foreseen.taken.severity
    return ForeseenShape(
        head=foreseen.head.digest,
        snapshot=after.digest,
        moves=foreseen.moves,
        revision=foreseen.revision + foreseen.moves,
        severity=None if severity is None else severity.value,
        entries=entry_shapes(foreseen.taken),
        held=entry_shapes(foreseen.held),
        left=entry_shapes(foreseen.left),
        cost=cost_shape(await asyncio.to_thread(_cost, before, after, bodies)),
        below=tuple(map(move_shape, foreseen.below)),
    )


def _cost(before: Snapshot, after: Snapshot, bodies: Mapping[Digest, bytes]) -> RefreshCost:
    tokens = {digest: estimate_tokens(content) for digest, content in bodies.items()}
    return cost_of_refresh(
        prompt_pieces(before, tokens.__getitem__), prompt_pieces(after, tokens.__getitem__)
    )


async def compare_snapshots(
    store: Store, actor: Actor, before_digest: Digest, after_digest: Digest
) -> Difference:
    """Return what lies between any two snapshots that the actor may read."""
    before = _snapshot(await store.get_snapshot_manifest(actor, before_digest))
    after = _snapshot(await store.get_snapshot_manifest(actor, after_digest))
    bodies = {
        digest: await store.read_blob(actor, digest)
        for digest in sorted(_changed_blobs(before, after))
    }
    found = await asyncio.to_thread(drift, before, after, bodies.get)
    diffs = await asyncio.to_thread(diff, before, after, bodies.get)
    return Difference(before_digest, after_digest, found, diffs=diffs)


async def _flapping(store: Store, actor: Actor, chat_id: ChatId, read: DriftRead) -> frozenset[str]:
    """Return the sources that the agent's newest heads show going back and forth."""
    if read.drift.is_empty:
        return frozenset()
    manifests = await store.list_head_manifests(actor, chat_id, limit=HEADS_COMPARED)
    return flapping_sources([resources_of(manifest) for manifest in manifests])


def _snapshot(manifest: bytes) -> Snapshot:
    return snapshot_of(resources_of(manifest))


def _changed_blobs(before: Snapshot, after: Snapshot) -> set[Digest]:
    old, new = set(before.resources), set(after.resources)
    return {blob.digest for resource in old ^ new for blob in blobs_of(resource)}


def _prompt_blobs(*snapshots: Snapshot) -> set[Digest]:
    return {digest for snapshot in snapshots for digest in _counted(snapshot.resources)}


def _counted(resources: Iterable[Resource]) -> Iterable[Digest]:
    # Of a skill only its name and description stand in the prompt, and those are in the manifest.
    kinds = (Kind.INSTRUCTION_FILE, Kind.MCP_SERVER)
    return (
        blob.digest
        for resource in resources
        if resource.kind in kinds
        for blob in blobs_of(resource)
    )


__all__ = ["Difference", "compare_snapshots", "read_difference", "shape_foreseen"]
