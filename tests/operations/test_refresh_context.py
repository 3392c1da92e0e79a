"""Refresh: compare and set, refusals that change nothing, many chats at once. Rows F8 to F12."""

from typing import Any

import pytest

from driftpin.errors import (
    Conflict,
    DriftpinError,
    Forbidden,
    HeadMoved,
    NotFound,
    PreconditionFailed,
)
from driftpin.identity import digest_of
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.operations.share_chat import share_chat
from driftpin.operations.store_blobs import store_blobs
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from driftpin.store.tables import chat_pin_history, events
from driftpin.store.values import Access


async def dirty_chat(stage: Any) -> Any:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    return chat_id


async def test_refresh_pins_the_head_with_one_revision_one_row_and_one_event(
    stage: Any, store: Store
) -> None:
    chat_id = await dirty_chat(stage)
    context = await stage.context(chat_id)
    move = await refresh_context(store, stage.owner, chat_id, to=context.head.digest)
    assert (move.moved, move.revision, move.verb) == (True, 2, "refresh")
    (_, row) = await stage.history(chat_id)
    assert row.from_digest == context.snapshot.digest
    assert row.to_digest == context.head.digest
    assert row.inputs == {"to": context.head.digest}
    assert row.actor == stage.owner.name
    assert row.severity == "behavioural"
    refreshed = await stage.context(chat_id)
    assert not refreshed.dirty
    chat = (await store.get_chat(stage.owner, chat_id)).chat
    assert chat.updated_at == chat.created_at


async def test_refresh_to_a_head_that_moved_on_tells_both_digests(stage: Any, store: Store) -> None:
    chat_id = await dirty_chat(stage)
    shown = (await stage.context(chat_id)).head.digest
    head = (await stage.agent.push({"AGENTS.md": "three"})).head.digest
    with pytest.raises(HeadMoved) as caught:
        await refresh_context(store, stage.owner, chat_id, to=shown)
    assert caught.value.code == "head_moved"
    assert caught.value.fields == {"shown": shown, "head": head}
    assert await stage.verbs(chat_id) == ["hydrate"]


async def test_f9_refresh_with_an_old_revision_tells_the_present_one(
    stage: Any, store: Store
) -> None:
    chat_id = await dirty_chat(stage)
    await refresh_context(store, stage.owner, chat_id, if_match_revision=1)
    await stage.agent.push({"AGENTS.md": "three"})
    with pytest.raises(PreconditionFailed) as caught:
        await refresh_context(store, stage.owner, chat_id, if_match_revision=1)
    assert caught.value.fields["revision"] == 2


async def test_f10_refresh_before_any_push_has_no_snapshot(stage: Any, store: Store) -> None:
    chat_id = await stage.chat()
    with pytest.raises(Conflict) as caught:
        await refresh_context(store, stage.owner, chat_id)
    assert caught.value.code == "no_snapshot"


async def test_f11_an_archived_chat_is_not_refreshed(stage: Any, store: Store) -> None:
    chat_id = await dirty_chat(stage)
    await update_chat(store, stage.owner, chat_id, is_archived=True)
    with pytest.raises(Conflict) as caught:
        await refresh_context(store, stage.owner, chat_id)
    assert caught.value.code == "chat_archived"


async def test_f12_a_second_refresh_to_the_same_head_writes_nothing(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    chat_id = await dirty_chat(stage)
    await refresh_context(store, stage.owner, chat_id)
    before = [await stored_bytes.count(table) for table in (events, chat_pin_history)]
    move = await refresh_context(store, stage.owner, chat_id)
    assert (move.moved, move.revision) == (False, 2)
    assert [await stored_bytes.count(table) for table in (events, chat_pin_history)] == before


async def test_dry_run_says_what_would_happen_and_writes_nothing(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    chat_id = await dirty_chat(stage)
    before = await stored_bytes.count(events)
    foreseen = await foresee_refresh(store, stage.owner, chat_id, Refresh())
    assert (foreseen.moves, foreseen.revision) == (True, 1)
    assert await stored_bytes.count(events) == before
    assert (await stage.context(chat_id)).revision == 1
    with pytest.raises(HeadMoved):
        await foresee_refresh(store, stage.owner, chat_id, Refresh(to=digest_of(b"never")))


async def test_f8_a_reader_may_not_refresh_and_a_stranger_sees_nothing(
    stage: Any, store: Store, people: Any
) -> None:
    chat_id = await dirty_chat(stage)
    with pytest.raises(NotFound):
        await refresh_context(store, people.other, chat_id)
    await share_chat(store, stage.owner, chat_id, people.other_id, Access.READ)
    with pytest.raises(Forbidden):
        await refresh_context(store, people.other, chat_id)
    await share_chat(store, stage.owner, chat_id, people.other_id, Access.UPDATE)
    assert (await refresh_context(store, people.other, chat_id)).moved


async def test_a_sub_chat_is_refreshed_only_through_its_parent(stage: Any, store: Store) -> None:
    parent = await dirty_chat(stage)
    child = await stage.chat(parent_id=parent)
    with pytest.raises(DriftpinError) as caught:
        await refresh_context(store, stage.owner, child)
    assert caught.value.code == "sub_chat"
    before, _ = await store.first_and_last_position(stage.owner)
    await refresh_context(store, stage.owner, parent, cascade=True)
    rows = [(await stage.history(chat))[-1] for chat in (parent, child)]
    assert len({row.event_id for row in rows}) == 1
    found, _ = await store.list_events(stage.owner, after=before, limit=100)
    (pinned,) = [event for event in found if event.kind == "chat.pinned"]
    assert pinned.chat_id is None
    moves = await store.list_pin_moves(stage.owner, pinned.position.number, limit=10)
    assert {move.chat_id for move in moves} == {parent, child}


async def test_refresh_of_a_workspace_moves_every_dirty_chat_with_one_event(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    dirty = [await stage.chat() for _ in range(3)]
    archived = await stage.chat()
    await update_chat(store, stage.owner, archived, is_archived=True)
    head = (await stage.agent.push({"AGENTS.md": "two"})).head
    clean = await stage.chat()
    before = await stored_bytes.count(events)
    moves = await refresh_workspace_chats(store, stage.owner, stage.workspace_id)
    assert {move.chat_id for move in moves} == set(dirty)
    assert {(move.revision, move.moved) for move in moves} == {(2, True)}
    assert await stored_bytes.count(events) == before + 1
    assert {await stage.digest(chat) for chat in dirty} == {head.digest}
    assert await stage.verbs(clean) == ["hydrate"]
    assert await stage.verbs(archived) == ["hydrate"]
    assert await refresh_workspace_chats(store, stage.owner, stage.workspace_id) == ()
    assert await stored_bytes.count(events) == before + 1


async def test_whoever_sees_a_drift_may_read_both_of_its_sides_and_nothing_else(
    stage: Any, store: Store, people: Any
) -> None:
    chat_id = await dirty_chat(stage)
    await share_chat(store, stage.owner, chat_id, people.other_id, Access.READ)
    both = {digest_of(text): text for text in (b"one", b"two")}
    await store_blobs(store, stage.agent.actor, [(digest_of(b"three"), b"three")])
    asked = [*both, digest_of(b"three")]
    assert await store.read_blobs(people.other, stage.workspace_id, asked) == both
    drift = await store.read_drift(people.other, chat_id)
    assert [entry.source for entry in drift.drift.entries] == ["workspace:AGENTS.md"]
