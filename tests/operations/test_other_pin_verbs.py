"""Roll back, rebind by hand, imported snapshots, uploaded blobs."""

from typing import Any

import pytest

from driftpin import limits
from driftpin.errors import Conflict, DriftpinError, NotFound, Rejected, TooLarge
from driftpin.events.event import EventKind
from driftpin.identity import WORKER, digest_of
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.store_blobs import store_blobs
from driftpin.operations.update_chat import update_chat
from driftpin.store.reading.policies import read_policies
from driftpin.store.store import Store
from driftpin.store.tables import blobs
from driftpin.store.values import Policy

DAY_S = 86_400


async def policy_of(store: Store, chat_id: Any) -> str:
    async with store.database.read() as connection:
        return str(await read_policies(connection, chat_id))


async def test_roll_back_pins_an_earlier_snapshot_and_keeps_it_until_a_refresh(
    stage: Any, store: Store
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await update_chat(store, stage.owner, chat_id, policy=Policy.FOLLOW)
    await stage.agent.push({"AGENTS.md": "two"})
    await refresh_context(store, stage.owner, chat_id)
    assert await policy_of(store, chat_id) == "follow"
    move = await roll_back_context(store, stage.owner, chat_id, first.head.digest)
    assert (move.moved, move.revision, move.verb) == (True, 3, "roll_back")
    assert (await stage.context(chat_id)).dirty
    assert await policy_of(store, chat_id) == "pin"
    again = await roll_back_context(store, stage.owner, chat_id, first.head.digest)
    assert (again.moved, again.revision) == (False, 3)
    await refresh_context(store, stage.owner, chat_id)
    assert await policy_of(store, chat_id) == "follow"
    assert await stage.verbs(chat_id) == ["hydrate", "refresh", "roll_back", "refresh"]


async def test_roll_back_goes_only_to_what_this_chat_ran_on(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    never_pinned = (await stage.agent.push({"AGENTS.md": "two"})).head.digest
    with pytest.raises(Rejected) as caught:
        await roll_back_context(store, stage.owner, chat_id, never_pinned)
    assert caught.value.code == "not_in_history"


async def test_roll_back_past_the_retention_is_expired(
    stage: Any, store: Store, clock: Any
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    await refresh_context(store, stage.owner, chat_id)
    clock.step((limits.HISTORY_KEPT_DAYS + 1) * DAY_S)
    await collect_garbage(store, WORKER)
    with pytest.raises(Conflict) as caught:
        await roll_back_context(store, stage.owner, chat_id, first.head.digest)
    assert caught.value.code == "snapshot_expired"
    earliest, _ = await stage.history(chat_id)
    assert earliest.to_digest == first.head.digest


async def test_an_archived_chat_takes_no_verb(stage: Any, store: Store) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await update_chat(store, stage.owner, chat_id, is_archived=True)
    for refused in (
        roll_back_context(store, stage.owner, chat_id, first.head.digest),
        rebind_chat(store, stage.owner, chat_id, None),
    ):
        with pytest.raises(DriftpinError) as caught:
            await refused
        assert caught.value.code == "chat_archived"


async def test_rebind_to_an_agent_of_another_workspace_is_not_found(
    stage: Any, store: Store, people: Any
) -> None:
    chat_id = await stage.chat()
    with pytest.raises(NotFound):
        await rebind_chat(store, stage.owner, chat_id, people.foreign_agent.agent_id)
    with pytest.raises(Conflict) as caught:
        await rebind_chat(store, stage.owner, chat_id, None)
    assert caught.value.code == "no_agent"


async def test_rebind_to_the_agent_it_has_does_nothing(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    move = await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    assert (move.moved, move.revision) == (False, 1)
    assert await stage.verbs(chat_id) == ["hydrate"]


async def test_a_dirty_chat_that_a_rebind_makes_clean_is_told(stage: Any, store: Store) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    other = await stage.add_agent()
    await other.push({"AGENTS.md": "one"})
    await stage.agent.push({"AGENTS.md": "two"})
    await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    await roll_back_context(store, stage.owner, chat_id, first.head.digest)
    assert (await stage.context(chat_id)).dirty
    _, last = await store.first_and_last_position(WORKER)
    move = await rebind_chat(store, stage.owner, chat_id, other.id)
    assert not move.moved
    assert not (await stage.context(chat_id)).dirty
    told, _ = await store.list_events(stage.owner, after=last, limit=10, chat_id=chat_id)
    assert [event.kind for event in told] == [EventKind.CHAT_CHANGED]


async def test_a_chat_can_be_made_on_an_imported_snapshot(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    push = stage.agent.next_push({"AGENTS.md": "from a branch"})
    stored = await import_snapshot(
        store, stage.owner, stage.workspace_id, push.snapshot, push.blobs.items()
    )
    chat_id = await stage.chat(snapshot=stored.digest)
    context = await stage.context(chat_id)
    assert context.snapshot == stored
    assert context.dirty
    workspace = await store.get_workspace(stage.owner, stage.workspace_id)
    assert workspace.head != stored


async def test_an_upload_with_a_wrong_hash_keeps_none_of_the_blobs(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    offered = [(digest_of(b"right"), b"right"), (digest_of(b"right!"), b"wrong")]
    before = await stored_bytes.count(blobs)
    with pytest.raises(Rejected) as caught:
        await store_blobs(store, stage.agent.actor, offered)
    assert caught.value.code == "hash_mismatch"
    assert caught.value.fields["digest"] == digest_of(b"right!")
    assert await stored_bytes.count(blobs) == before


async def test_bytes_that_nothing_names_are_capped_per_workspace(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    size = limits.SERVER_BLOB_BYTES_MAX
    for number in range(limits.SERVER_UNREFERENCED_BYTES_MAX // size):
        content = number.to_bytes(4, "big") * (size // 4)
        await store_blobs(store, stage.agent.actor, [(digest_of(content), content)])
    before = await stored_bytes.count(blobs)
    with pytest.raises(TooLarge) as caught:
        await store_blobs(store, stage.agent.actor, [(digest_of(b"more"), b"more")])
    assert caught.value.fields["limit"] == "SERVER_UNREFERENCED_BYTES_MAX"
    assert await stored_bytes.count(blobs) == before
