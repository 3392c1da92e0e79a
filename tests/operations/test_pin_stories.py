"""The stories of spec/pinning.md §12, by name: the defects of those who copied bodies."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from driftpin.errors import HeadMoved
from driftpin.events.event import EventKind
from driftpin.identity import WORKER
from driftpin.operations.accept_snapshot import accept_push
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.rebind_chat import rebind_chat, rebind_in
from driftpin.operations.refresh_context import Refresh, refresh_context, refresh_in
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.update_chat import update_chat
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import chats
from driftpin.store.values import PinnedLines

Blocked = Callable[[], Awaitable[None]]


pytestmark = pytest.mark.usefixtures("sound_store")


async def test_a_push_that_commits_between_reading_the_head_and_pinning_a_new_chat(
    stage: Any, gate: Any, blocked: Blocked
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    push = stage.agent.next_push({"AGENTS.md": "two"})

    async def pushing(transaction: Transaction) -> Any:
        return await accept_push(transaction, stage.agent.actor, push)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(pushing))
        await gate.reached.wait()
        creation = tasks.create_task(stage.chat())
        await blocked()
        gate.opened.set()
    chat_id = creation.result()
    assert await stage.digest(chat_id) == push.snapshot.digest
    assert not (await stage.context(chat_id)).dirty


async def test_a_push_that_waits_for_a_new_chat_makes_it_dirty(
    stage: Any, gate: Any, blocked: Blocked, store: Store
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    push = stage.agent.next_push({"AGENTS.md": "two"})
    unpinned = await stage.add_agent()
    chat_id = await stage.chat()

    async def rebinding(transaction: Transaction) -> Any:
        await rebind_in(transaction, stage.owner, chat_id, unpinned.id)
        return await rebind_in(transaction, stage.owner, chat_id, stage.agent.id)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(rebinding))
        await gate.reached.wait()
        tasks.create_task(stage.agent.send(push))
        await blocked()
        gate.opened.set()
    context = await stage.context(chat_id)
    assert context.snapshot.digest == first.head.digest
    assert context.head.digest == push.snapshot.digest
    assert context.dirty


async def test_a_refresh_retried_after_a_rebind(
    stage: Any, store: Store, blocked: Blocked, gate: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    shown = await stage.agent.push({"AGENTS.md": "two"})
    another = await stage.add_agent()
    push = another.next_push({"AGENTS.md": "three"})

    async def rebinding(transaction: Transaction) -> Any:
        return await accept_push(transaction, another.actor, push)

    async def refresh() -> None:
        with pytest.raises(HeadMoved) as caught:
            await refresh_context(store, stage.owner, chat_id, to=shown.head.digest)
        assert caught.value.fields["shown"] == shown.head.digest
        assert caught.value.fields["head"] == push.snapshot.digest

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(rebinding))
        await gate.reached.wait()
        tasks.create_task(refresh())
        await blocked()
        gate.opened.set()
    assert await stage.digest(chat_id) == push.snapshot.digest
    assert await stage.verbs(chat_id) == ["hydrate", "rebind"]


async def test_an_unpinned_chat_after_a_no_head_rebind_that_the_next_push_pins(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    await rebind_chat(store, stage.owner, chat_id, another.id)
    context = await stage.context(chat_id)
    assert context.snapshot is None
    assert context.revision == 2
    assert await store.list_pinned_entries(stage.owner, chat_id) == PinnedLines(2, ())
    pushed = await another.push({"AGENTS.md": "two"})
    assert pushed.hydrated == 1
    assert await stage.digest(chat_id) == pushed.head.digest
    assert await stage.verbs(chat_id) == ["hydrate", "rebind", "hydrate"]


async def test_an_injected_failure_in_the_pin_step_of_a_rebind(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    manifest = await store.get_snapshot_manifest(stage.owner, first.head.digest)
    await stored_bytes.damage(first.head.digest)
    pushed = await another.push({"AGENTS.md": "two"})
    failed = await stage.context(chat_id)
    assert failed.agent_id == another.id
    assert failed.snapshot.digest == first.head.digest
    assert failed.revision == 1
    assert failed.error == "snapshot_damaged"
    await stored_bytes.repair(first.head.digest, manifest)
    move = await settle_pin(store, WORKER, chat_id)
    assert move.moved
    assert move.verb == "rebind"
    repaired = await stage.context(chat_id)
    assert repaired.snapshot.digest == pushed.head.digest
    assert repaired.error is None


async def test_a_failed_pin_step_with_an_agent_that_is_not_the_current_one_is_repaired(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    current = await stage.add_agent()
    second = await current.push({"AGENTS.md": "two"})
    manifest = await store.get_snapshot_manifest(stage.owner, first.head.digest)
    await stored_bytes.damage(first.head.digest)
    await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    failed = await stage.context(chat_id)
    assert (failed.agent_id, failed.error) == (stage.agent.id, "snapshot_damaged")
    assert failed.snapshot.digest == second.head.digest
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    assert (await stage.context(chat_id)).error == "snapshot_damaged"
    await stored_bytes.repair(first.head.digest, manifest)
    assert (await settle_pin(store, WORKER, chat_id)).verb == "rebind"
    repaired = await stage.context(chat_id)
    assert (repaired.agent_id, repaired.error) == (stage.agent.id, None)
    assert repaired.snapshot.digest == first.head.digest


async def test_a_failure_to_pin_never_fails_the_creation_of_a_chat(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    head = (await stage.agent.push({"AGENTS.md": "one"})).head
    manifest = await store.get_snapshot_manifest(stage.owner, head.digest)
    await stored_bytes.damage(head.digest)
    chat_id = await stage.chat()
    context = await stage.context(chat_id)
    assert context.snapshot is None
    assert context.agent_id == stage.agent.id
    assert context.error == "snapshot_damaged"
    await stored_bytes.repair(head.digest, manifest)
    assert (await settle_pin(store, WORKER, chat_id)).verb == "hydrate"
    assert (await stage.context(chat_id)).error is None


async def test_sources_that_overlap_between_old_and_new(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "old", "CLAUDE.md": "same", "GEMINI.md": "gone"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    pushed = await another.push({"AGENTS.md": "new", "CLAUDE.md": "same"})
    assert await stage.digest(chat_id) == pushed.head.digest
    entries = (await store.list_pinned_entries(stage.owner, chat_id)).entries
    assert [entry.source for entry in entries] == ["workspace:AGENTS.md", "workspace:CLAUDE.md"]
    bodies = [await store.read_blob(stage.owner, entry.digest) for entry in entries if entry.digest]
    assert bodies == [b"new", b"same"]


async def test_a_first_binding_that_must_not_re_pin(stage: Any, store: Store, people: Any) -> None:
    imported = await _import(store, stage, {"AGENTS.md": "imported"})
    chat_id = await stage.chat(snapshot=imported)
    assert (await stage.context(chat_id)).agent_id is None
    await stage.agent.push({"AGENTS.md": "one"})
    context = await stage.context(chat_id)
    assert context.agent_id == stage.agent.id
    assert context.snapshot.digest == imported
    assert context.dirty
    assert await stage.verbs(chat_id) == ["inherit"]


async def _import(store: Store, stage: Any, files: dict[str, str]) -> Any:
    push = stage.agent.next_push(files)
    stored = await import_snapshot(
        store, stage.owner, stage.workspace_id, push.snapshot, push.blobs.items()
    )
    return stored.digest


@pytest.mark.parametrize("condition", ["error", "archived"])
async def test_a_chat_that_was_in_error_or_archived_during_the_push(
    stage: Any, store: Store, condition: str
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    if condition == "archived":
        await update_chat(store, stage.owner, chat_id, is_archived=True)
    else:
        await _set_state(store, chat_id, "error")
    second = await stage.agent.push({"AGENTS.md": "two"})
    if condition == "archived":
        await update_chat(store, stage.owner, chat_id, is_archived=False)
    else:
        await _set_state(store, chat_id, "idle")
    context = await stage.context(chat_id)
    assert context.snapshot.digest == first.head.digest
    assert context.head.digest == second.head.digest
    assert context.dirty


async def _set_state(store: Store, chat_id: str, state: str) -> None:
    async def change(transaction: Transaction) -> None:
        statement = chats.update().where(chats.c.id == chat_id).values(state=state)
        await transaction.connection.execute(statement)

    await store.database.write(change)


async def test_an_archived_chat_without_a_pin_hydrates_once_it_comes_back(
    stage: Any, store: Store
) -> None:
    chat_id = await stage.chat()
    await update_chat(store, stage.owner, chat_id, is_archived=True)
    pushed = await stage.agent.push({"AGENTS.md": "one"})
    assert pushed.hydrated == 0
    assert (await settle_pin(store, WORKER, chat_id)).moved is False
    await update_chat(store, stage.owner, chat_id, is_archived=False)
    await settle_pin(store, WORKER, chat_id)
    assert await stage.digest(chat_id) == pushed.head.digest
    assert await stage.verbs(chat_id) == ["hydrate"]


async def test_an_edit_reverted(stage: Any) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    assert (await stage.context(chat_id)).dirty
    await stage.agent.push({"AGENTS.md": "one"})
    context = await stage.context(chat_id)
    assert not context.dirty
    assert context.dirty_since is None
    assert context.severity is None
    assert context.revision == 1


async def test_dirty_since_begins_anew_after_an_edit_was_reverted(stage: Any, clock: Any) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    for text in ("two", "one", "three", "four"):
        clock.step(10)
        await stage.agent.push({"AGENTS.md": text})
        if text == "three":
            began = clock.now()
    assert (await stage.context(chat_id)).dirty_since == began


async def test_a_sub_chat_whose_parent_drifted(stage: Any, store: Store) -> None:
    first = await stage.agent.push({"AGENTS.md": "one", "CLAUDE.md": "same"})
    parent = await stage.chat()
    second = await stage.agent.push({"AGENTS.md": "two", "CLAUDE.md": "same"})
    born_late = await stage.chat(parent_id=parent)
    partial = await stage.chat(parent_id=parent, sources=["workspace:CLAUDE.md"])
    assert await stage.digest(born_late) == first.head.digest
    part = await stage.digest(partial)
    another = await stage.add_agent()
    third = await another.push({"AGENTS.md": "three", "CLAUDE.md": "same"})
    assert await stage.digest(parent) == third.head.digest
    assert await stage.digest(born_late) == first.head.digest
    await refresh_context(store, stage.owner, parent)
    assert await stage.digest(born_late) == first.head.digest
    await refresh_context(store, stage.owner, parent, cascade=True)
    assert await stage.digest(born_late) == third.head.digest
    assert await stage.digest(partial) == part
    assert await stage.verbs(born_late) == ["inherit", "refresh"]
    assert await stage.verbs(partial) == ["inherit"]
    assert second.head.digest != third.head.digest


async def test_two_viewers_one_refresh(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    shown = (await stage.agent.push({"AGENTS.md": "two"})).head.digest
    before, _ = await store.first_and_last_position(WORKER)
    moves = await asyncio.gather(
        refresh_context(store, stage.owner, chat_id, to=shown),
        refresh_context(store, stage.owner, chat_id, to=shown),
    )
    assert sorted(move.moved for move in moves) == [False, True]
    assert {move.revision for move in moves} == {2}
    assert await stage.verbs(chat_id) == ["hydrate", "refresh"]
    found, _ = await store.list_events(stage.owner, after=before, limit=100, chat_id=chat_id)
    assert [event.kind for event in found].count(EventKind.CHAT_PINNED) == 1


async def test_two_refreshes_that_saw_the_same_pin_move_it_once(
    stage: Any, store: Store, gate: Any, blocked: Blocked
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    head = (await stage.agent.push({"AGENTS.md": "two"})).head

    async def refreshing(transaction: Transaction) -> Any:
        return await refresh_in(transaction, stage.owner, chat_id, Refresh())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(refreshing))
        await gate.reached.wait()
        second = tasks.create_task(refresh_context(store, stage.owner, chat_id))
        await blocked()
        gate.opened.set()
    assert second.result().moved is False
    assert second.result().revision == 2
    assert await stage.digest(chat_id) == head.digest


async def test_a_rebuilt_workspace_with_the_same_content_reports_no_change(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    await another.push({"AGENTS.md": "one"})
    context = await stage.context(chat_id)
    assert context.agent_id == another.id
    assert context.revision == 1
    assert not context.dirty
    assert await stage.verbs(chat_id) == ["hydrate"]


async def test_risky_drift_moves_the_binding_and_leaves_the_pin(stage: Any, store: Store) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    await another.push({"AGENTS.md": "one\u202e"})
    context = await stage.context(chat_id)
    assert context.agent_id == another.id
    assert context.snapshot.digest == first.head.digest
    assert context.dirty
    assert context.severity == "risky"
    assert (await settle_pin(store, WORKER, chat_id)).moved is False


async def test_a_chat_that_lost_its_agent_keeps_its_pin_and_re_pins_when_bound_again(
    stage: Any, store: Store
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await delete_agent(store, stage.owner, stage.agent.id)
    assert await stage.digest(chat_id) == first.head.digest
    assert not (await stage.context(chat_id)).dirty
    assert (await settle_pin(store, WORKER, chat_id)).moved is False
    another = await stage.add_agent()
    pushed = await another.push({"AGENTS.md": "two"})
    assert await stage.digest(chat_id) == pushed.head.digest
    assert await stage.verbs(chat_id) == ["hydrate", "rebind"]


async def test_a_turn_whose_agent_is_gone_rebinds_to_the_current_one(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    pushed = await another.push({"AGENTS.md": "two"})
    await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    assert (await settle_pin(store, WORKER, chat_id)).moved is False
    await delete_agent(store, stage.owner, stage.agent.id)
    assert (await settle_pin(store, WORKER, chat_id)).verb == "rebind"
    assert await stage.digest(chat_id) == pushed.head.digest
