"""Pushes: fenced, checked, stored once, all or nothing. Rows E6 to E28 of the bad input."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table

from driftpin import limits
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.errors import BlobsMissing, DriftpinError, Gone, Malformed, PushOutdated, Rejected
from driftpin.identity import digest_of
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.store import Store
from driftpin.store.tables import agent_heads, audit, blobs, events, snapshots
from driftpin.store.values import PushResult

WRITTEN: tuple[Table, ...] = (agent_heads, blobs, events, snapshots)


async def counts(stored_bytes: Any) -> list[int]:
    return [await stored_bytes.count(table) for table in WRITTEN]


async def refused(running: Any, push: Any) -> DriftpinError:
    with pytest.raises(DriftpinError) as caught:
        await running.send(push)
    return caught.value


async def test_first_push_becomes_the_head_and_pins_waiting_chats(stage: Any) -> None:
    chat_id = await stage.chat()
    outcome = await stage.agent.push({"AGENTS.md": "one"})
    assert outcome.result is PushResult.ACCEPTED
    assert outcome.hydrated == 1
    assert await stage.digest(chat_id) == outcome.head.digest
    assert await stage.verbs(chat_id) == ["hydrate"]


async def test_a_later_push_moves_no_pin_and_makes_the_chat_dirty(stage: Any, clock: Any) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    clock.step(5)
    second = await stage.agent.push({"AGENTS.md": "two"})
    drifted_at = clock.now()
    clock.step(5)
    await stage.agent.push({"AGENTS.md": "three"})
    context = await stage.context(chat_id)
    assert context.snapshot.digest == first.head.digest
    assert context.dirty
    assert context.dirty_since == drifted_at
    assert context.severity == "behavioural"
    assert context.revision == 1
    assert second.hydrated == 0


async def test_the_head_again_is_unchanged_and_writes_only_its_sequence(
    stage: Any, stored_bytes: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    before = await counts(stored_bytes)
    push = replace(stage.agent.next_push({"AGENTS.md": "one"}), observations={"errors": ["io"]})
    outcome = await stage.agent.send(push)
    assert outcome.result is PushResult.UNCHANGED
    assert await counts(stored_bytes) == before
    agent = await store.get_agent(stage.owner, stage.agent.id)
    assert agent.head_seq == push.seq
    assert agent.observations == {"errors": ["io"]}


async def test_what_the_agent_reports_with_its_head_is_the_contexts_error(stage: Any) -> None:
    chat_id = await stage.chat()
    push = stage.agent.next_push({"AGENTS.md": "one"})
    await stage.agent.send(replace(push, observations={"errors": ["root_replaced"]}))
    assert (await stage.context(chat_id)).error == "root_replaced"


async def test_e6_same_sequence_same_hash_is_a_duplicate_without_write_or_event(
    stage: Any, stored_bytes: Any
) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    await stage.agent.send(push)
    before = await counts(stored_bytes)
    outcome = await stage.agent.send(replace(push, observations={"errors": ["late"]}))
    assert outcome.result is PushResult.DUPLICATE
    assert outcome.head.digest == push.snapshot.digest
    assert await counts(stored_bytes) == before


async def test_e7_same_sequence_other_hash_is_a_conflict_and_audited(
    stage: Any, stored_bytes: Any
) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    await stage.agent.send(push)
    before = await counts(stored_bytes)
    audited = await stored_bytes.count(audit)
    other = replace(stage.agent.next_push({"AGENTS.md": "two"}), seq=push.seq)
    refusal = await refused(stage.agent, other)
    assert isinstance(refusal, PushOutdated)
    assert refusal.code == "seq_conflict"
    assert refusal.fields["head"] == push.snapshot.digest
    assert await counts(stored_bytes) == before
    assert await stored_bytes.count(audit) == audited + 1


async def test_e8_stale_push_is_refused_and_changes_nothing(stage: Any, stored_bytes: Any) -> None:
    old = stage.agent.next_push({"AGENTS.md": "one"})
    newer = await stage.agent.push({"AGENTS.md": "two"})
    before = await counts(stored_bytes)
    refusal = await refused(stage.agent, old)
    assert refusal.code == "stale"
    assert refusal.fields == {"head": newer.head.digest, "incarnation": 1, "seq": 2}
    assert await counts(stored_bytes) == before


async def test_e9_a_gap_in_the_sequence_is_accepted_up_to_the_cap(stage: Any) -> None:
    stage.agent.seq = limits.SEQ_JUMP_MAX - 1
    assert (await stage.agent.push({"AGENTS.md": "one"})).result is PushResult.ACCEPTED
    stage.agent.seq += limits.SEQ_JUMP_MAX
    refusal = await refused(stage.agent, stage.agent.next_push({"AGENTS.md": "two"}))
    assert refusal.code == "seq_jump"


@pytest.mark.parametrize("seq", [0, -1, 2**53])
async def test_e5_a_sequence_out_of_range_is_malformed(stage: Any, seq: int) -> None:
    push = replace(stage.agent.next_push({"AGENTS.md": "one"}), seq=seq)
    refusal = await refused(stage.agent, push)
    assert isinstance(refusal, Malformed)
    assert refusal.fields == {"pointer": "/seq"}


async def test_e10_e11_older_incarnation_is_fenced_and_the_new_one_counts_from_one(
    stage: Any,
) -> None:
    old = stage.agent
    await old.push({"AGENTS.md": "one"})
    newer = await stage.start(old.actor)
    assert newer.incarnation == old.incarnation + 1
    refusal = await refused(old, old.next_push({"AGENTS.md": "two"}))
    assert refusal.code == "fenced"
    assert (await newer.push({"AGENTS.md": "three"})).seq == 1


async def test_e1_an_incarnation_that_was_never_given_needs_a_hello(stage: Any) -> None:
    push = replace(stage.agent.next_push({"AGENTS.md": "one"}), incarnation=7)
    assert (await refused(stage.agent, push)).code == "hello_required"


async def test_e12_wrong_aggregate_hash_stores_nothing(stage: Any, stored_bytes: Any) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    before = await counts(stored_bytes)
    for wrong in (
        replace(push.snapshot, digest=digest_of(b"other")),
        replace(push.snapshot, prompt_digest=digest_of(b"other")),
        _with_manifest_of_another(push.snapshot),
    ):
        refusal = await refused(stage.agent, replace(push, snapshot=wrong))
        assert isinstance(refusal, Rejected)
        assert refusal.code == "hash_mismatch"
    assert await counts(stored_bytes) == before


def _with_manifest_of_another(snapshot: Snapshot) -> Snapshot:
    other = snapshot_of(())
    return replace(snapshot, manifest=other.manifest, digest=other.digest)


async def test_e13_wrong_content_hash_names_its_source(stage: Any, stored_bytes: Any) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    before = await counts(stored_bytes)
    forged = dict.fromkeys(push.blobs, b"forged")
    refusal = await refused(stage.agent, replace(push, blobs=forged))
    assert refusal.code == "hash_mismatch"
    assert refusal.fields["source"] == "workspace:AGENTS.md"
    assert await counts(stored_bytes) == before


def instruction(source: str, status: Status, *, has_body: bool) -> Resource:
    body = InstructionBody(digest_of(b"one")) if has_body else None
    return Resource(Kind.INSTRUCTION_FILE, source, status, "io_error", body)


async def test_e15_duplicate_source_is_refused(stage: Any) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    twice = replace(push.snapshot, resources=push.snapshot.resources * 2)
    refusal = await refused(stage.agent, replace(push, snapshot=twice))
    assert refusal.code == "duplicate_source"


async def test_e18_an_error_with_a_body_is_inconsistent(stage: Any) -> None:
    broken = instruction("workspace:AGENTS.md", Status.INVALID, has_body=True)
    push = stage.agent.next_push({})
    refusal = await refused(stage.agent, replace(push, snapshot=snapshot_of([broken])))
    assert refusal.code == "inconsistent_resource"


async def test_e19_one_resource_too_many_is_too_large(stage: Any) -> None:
    listed = [
        instruction(f"workspace:{number}.md", Status.UNREADABLE, has_body=False)
        for number in range(limits.SERVER_RESOURCES_LISTED_MAX + 1)
    ]
    push = stage.agent.next_push({})
    refusal = await refused(stage.agent, replace(push, snapshot=snapshot_of(listed)))
    assert refusal.code == "too_large"
    assert refusal.fields["limit"] == "SERVER_RESOURCES_LISTED_MAX"


async def test_e20_unknown_blobs_are_asked_for_and_an_upload_satisfies_them(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one", "CLAUDE.md": "two"})
    before = await counts(stored_bytes)
    refusal = await refused(stage.agent, replace(push, blobs={}))
    assert isinstance(refusal, BlobsMissing)
    assert refusal.fields["digests"] == sorted(push.blobs)
    assert await counts(stored_bytes) == before
    await store_blobs(store, stage.agent.actor, push.blobs.items())
    assert (await stage.agent.send(replace(push, blobs={}))).result is PushResult.ACCEPTED


async def test_e21_a_blob_of_another_workspace_is_asked_for_in_the_same_words(
    stage: Any, people: Any
) -> None:
    foreign = await stage.start(people.foreign_agent)
    await foreign.push({"AGENTS.md": "one"})
    unknown = stage.agent.next_push({"AGENTS.md": "nobody has this"})
    theirs = stage.agent.next_push({"AGENTS.md": "one"})
    first = await refused(stage.agent, replace(unknown, blobs={}))
    second = await refused(stage.agent, replace(theirs, blobs={}))
    assert (first.code, first.message, set(first.fields)) == (
        second.code,
        second.message,
        set(second.fields),
    )


async def test_e23_an_empty_list_is_a_real_snapshot_and_makes_chats_dirty(stage: Any) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    outcome = await stage.agent.push({})
    assert outcome.result is PushResult.ACCEPTED
    assert (await stage.context(chat_id)).dirty


async def test_e24_a_deleted_agent_is_gone(stage: Any, store: Store) -> None:
    await delete_agent(store, stage.owner, stage.agent.id)
    refusal = await refused(stage.agent, stage.agent.next_push({"AGENTS.md": "one"}))
    assert isinstance(refusal, Gone)
    assert refusal.code == "agent_gone"


async def test_e28_far_away_clocks_decide_no_order(stage: Any, clock: Any) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    clock.step(-10_000_000)
    later = await stage.agent.push({"AGENTS.md": "two"})
    chat_id = await stage.chat()
    assert await stage.digest(chat_id) == later.head.digest


async def test_an_agent_that_was_replaced_pushes_its_own_heads_and_moves_no_pin(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    another = await stage.add_agent()
    chat_id = await stage.chat()
    await another.push({"AGENTS.md": "two"})
    pinned = await stage.digest(chat_id)
    await stage.agent.push({"AGENTS.md": "three"})
    assert await stage.digest(chat_id) == pinned
    workspace = await store.get_workspace(stage.owner, stage.workspace_id)
    assert workspace.current_agent_id == another.id
    assert not (await stage.context(chat_id)).dirty


async def test_one_event_stands_for_all_chats_that_a_push_pinned(stage: Any, store: Store) -> None:
    chats = sorted([await stage.chat() for _ in range(3)])
    before, _ = await store.first_and_last_position(stage.owner)
    await stage.agent.push({"AGENTS.md": "one"})
    found, _ = await store.list_events(stage.owner, after=before, limit=100)
    (head_event,) = [event for event in found if event.kind == "agent.head"]
    moves = await store.list_pin_moves(stage.owner, head_event.position.number, limit=10)
    assert [move.chat_id for move in moves] == chats
    assert not [event for event in found if event.kind == "chat.pinned"]
    assert {row.event_id for chat in chats for row in await stage.history(chat)} == {
        head_event.position.number
    }
