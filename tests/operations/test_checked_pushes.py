"""What an operation refuses by itself, whoever calls it: the edges that routes check before it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from driftpin import limits
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.errors import DriftpinError, Gone, Malformed, Rejected, TooLarge
from driftpin.identity import Digest, digest_of
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.store import Store
from driftpin.store.tables import blobs

BODY = b"be kind"


def file(source: str = "workspace:AGENTS.md", content: bytes = BODY) -> Resource:
    body = InstructionBody(digest_of(content))
    return Resource(Kind.INSTRUCTION_FILE, source, Status.OK, body=body)


def twice() -> Snapshot:
    return replace(snapshot_of([file()]), resources=(file(), file()))


def beside_a_reason() -> Snapshot:
    return snapshot_of([replace(file(), status=Status.INVALID, reason="not_utf8")])


def of_another_digest() -> Snapshot:
    return replace(snapshot_of([file()]), digest=digest_of(b"another"))


def of_other_resources() -> Snapshot:
    return replace(snapshot_of([file()]), resources=(file("workspace:B.md"),))


def of_too_many_ok() -> Snapshot:
    names = range(limits.SNAPSHOT_RESOURCES_MAX + 1)
    return snapshot_of([file(f"workspace:{name}.md") for name in names])


def of_too_many_listed() -> Snapshot:
    names = range(limits.SERVER_RESOURCES_LISTED_MAX + 1)
    refused = replace(file(), status=Status.INVALID, reason="x", body=None)
    return snapshot_of([replace(refused, source=f"workspace:{name}.md") for name in names])


def of_a_large_manifest() -> Snapshot:
    small = snapshot_of([file()])
    manifest = small.manifest.ljust(limits.SERVER_MANIFEST_BYTES_MAX + 1)
    return replace(small, manifest=manifest, digest=digest_of(manifest))


async def push(
    stage: Any, snapshot: Snapshot, *, seq: int = 1, blobs: dict[Digest, bytes] | None = None
) -> object:
    return await accept_snapshot(
        stage.store,
        stage.agent.actor,
        incarnation=stage.agent.incarnation,
        seq=seq,
        snapshot=snapshot,
        observations={},
        blobs=(blobs or {digest_of(BODY): BODY}).items(),
    )


@pytest.mark.parametrize(
    ("make", "family", "code"),
    [
        (twice, Rejected, "duplicate_source"),
        (beside_a_reason, Rejected, "inconsistent_resource"),
        (of_another_digest, Rejected, "hash_mismatch"),
        (of_other_resources, Rejected, "hash_mismatch"),
        (of_too_many_ok, TooLarge, "too_large"),
        (of_too_many_listed, TooLarge, "too_large"),
        (of_a_large_manifest, TooLarge, "too_large"),
    ],
)
async def test_a_snapshot_that_breaks_a_rule_is_refused_and_changes_nothing(
    make: Callable[[], Snapshot], family: type[DriftpinError], code: str, stage: Any
) -> None:
    with pytest.raises(family) as refused:
        await push(stage, make())
    assert refused.value.code == code
    assert (await stage.store.get_agent(stage.owner, stage.agent.id)).head is None


@pytest.mark.parametrize("seq", [0, -1, limits.SEQ_MAX + 1])
async def test_a_sequence_out_of_bounds_is_malformed(seq: int, stage: Any) -> None:
    with pytest.raises(Malformed) as refused:
        await push(stage, snapshot_of([file()]), seq=seq)
    assert refused.value.fields == {"pointer": "/seq"}


async def test_bytes_that_belie_their_digest_are_refused_with_their_source(stage: Any) -> None:
    with pytest.raises(Rejected) as refused:
        await push(stage, snapshot_of([file()]), blobs={digest_of(BODY): b"other"})
    assert refused.value.fields["source"] == "workspace:AGENTS.md"


async def test_a_blob_past_its_limit_is_refused_in_a_push_and_ahead_of_it(
    stage: Any, store: Store
) -> None:
    huge = bytes(limits.SERVER_BLOB_BYTES_MAX + 1)
    with pytest.raises(TooLarge):
        await push(stage, snapshot_of([file(content=huge)]), blobs={digest_of(huge): huge})
    with pytest.raises(TooLarge):
        await store_blobs(store, stage.agent.actor, [(digest_of(huge), huge)])


async def test_bytes_ahead_of_a_push_are_held_to_their_digest_and_number(
    stage: Any, store: Store
) -> None:
    with pytest.raises(Rejected):
        await store_blobs(store, stage.agent.actor, [(digest_of(BODY), b"other")])
    many = [(digest_of(BODY), BODY)] * (limits.SERVER_BLOBS_PER_REQUEST_MAX + 1)
    with pytest.raises(TooLarge):
        await store_blobs(store, stage.agent.actor, many)


async def test_bytes_that_are_offered_again_are_kept_once(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    offered = [(digest_of(BODY), BODY)]
    await store_blobs(store, stage.agent.actor, offered)
    before = await stored_bytes.count(blobs)
    await store_blobs(store, stage.agent.actor, offered)
    assert await stored_bytes.count(blobs) == before
    await push(stage, snapshot_of([file()]))
    assert await stored_bytes.count(blobs) == before + 1


async def test_a_deleted_agent_brings_nothing(stage: Any, store: Store) -> None:
    await delete_agent(store, stage.owner, stage.agent.id)
    with pytest.raises(Gone):
        await push(stage, snapshot_of([file()]))
    with pytest.raises(Gone):
        await store_blobs(store, stage.agent.actor, [(digest_of(BODY), BODY)])
