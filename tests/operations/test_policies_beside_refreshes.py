"""Policies beside what a person does: refreshes of many, dry runs, and what is held."""

from typing import Any

import pytest

from driftpin.context.holds import Selection
from driftpin.context.policies import Policy, PolicySet
from driftpin.context.resource import Kind
from driftpin.errors import HeadMoved
from driftpin.identity import WORKER, digest_of
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_agent_chats import refresh_agent_chats
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.store.store import Store
from driftpin.store.tables import snapshots
from operations.policy_stage import (
    AUTO_ADD,
    FOLLOW,
    FREEZE,
    HIDDEN,
    push,
    texts,
)

pytestmark = pytest.mark.usefixtures("sound_store")


async def test_a_refresh_of_all_leaves_frozen_chats_and_tells_of_each(
    stage: Any, store: Store
) -> None:
    first = await push(stage, {"AGENTS.md": "one"}, "first")
    plain, frozen, half = [await stage.chat() for _ in range(3)]
    await set_chat_policies(store, stage.owner, frozen, FREEZE)
    frozen_files = PolicySet(None, {Kind.INSTRUCTION_FILE: Policy.FREEZE})
    await set_chat_policies(store, stage.owner, half, frozen_files)
    head = await push(stage, {"AGENTS.md": "two"}, "second")
    foreseen = await refresh_workspace_chats(store, stage.owner, stage.workspace_id, dry_run=True)
    with pytest.raises(HeadMoved):
        await refresh_workspace_chats(
            store, stage.owner, stage.workspace_id, shown=frozenset({first})
        )
    assert [await stage.digest(chat_id) for chat_id in (plain, frozen, half)] == [first] * 3
    moves = await refresh_workspace_chats(
        store, stage.owner, stage.workspace_id, shown=frozenset({head})
    )
    assert moves == foreseen
    told = {move.chat_id: (move.moved, move.reason) for move in moves}
    assert told == {plain: (True, ""), half: (True, ""), frozen: (False, "frozen")}
    assert await stage.digest(frozen) == first
    assert await stage.digest(half) == head
    (only,) = await refresh_agent_chats(store, stage.agent.actor)
    assert (only.chat_id, only.reason) == (frozen, "frozen")


async def test_a_dry_run_foresees_exactly_what_happens_and_changes_nothing(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    first = await push(stage, {"AGENTS.md": "one", "CLAUDE.md": "too"})
    parent = await stage.chat()
    part = await stage.chat(parent_id=parent, sources=["workspace:CLAUDE.md"])
    await push(stage, {"AGENTS.md": "two", "CLAUDE.md": "other"})
    other = await stage.add_agent()
    await other.push({"AGENTS.md": "theirs"})
    await rebind_chat(store, stage.owner, parent, stage.agent.id)
    _, before = await store.first_and_last_position(stage.owner)
    count = await stored_bytes.count(snapshots)
    kept = [await stage.context(chat_id) for chat_id in (parent, part)]
    refreshing = await foresee_refresh(store, stage.owner, parent, Refresh(cascade=True))
    rebinding = await rebind_chat(store, stage.owner, parent, other.id, dry_run=True)
    assert [await stage.context(chat_id) for chat_id in (parent, part)] == kept
    assert await stored_bytes.count(snapshots) == count
    assert (await store.first_and_last_position(stage.owner))[1] == before
    done = await refresh_context(store, stage.owner, parent, cascade=True)
    assert [(each.chat_id, each.revision, each.moved) for each in refreshing.below] == [
        (each.chat_id, each.revision, each.moved) for each in done.below
    ]
    assert refreshing.revision + refreshing.moves == done.revision
    back = await roll_back_context(store, stage.owner, parent, first, dry_run=True)
    assert (back.moved, back.revision) == (True, done.revision + 1)
    assert (await stage.context(parent)).revision == done.revision
    assert rebinding.verb == (await rebind_chat(store, stage.owner, parent, other.id)).verb


async def test_what_is_held_is_neither_added_nor_followed_until_its_head_moves_on(
    stage: Any, store: Store
) -> None:
    await push(stage, {"AGENTS.md": "one", "CLAUDE.md": "too"})
    adds, follows = await stage.chat(), await stage.chat()
    await push(stage, {"AGENTS.md": "two", "CLAUDE.md": "too", "NEW.md": "new"})
    selection = Selection(accept=frozenset(), hold=frozenset({"workspace:NEW.md"}))
    for chat_id in (adds, follows):
        await refresh_context(store, stage.owner, chat_id, selection=selection)
    await set_chat_policies(store, stage.owner, adds, AUTO_ADD)
    await set_chat_policies(store, stage.owner, follows, FOLLOW)
    assert not (await settle_pin(store, WORKER, adds)).moved
    assert (await settle_pin(store, WORKER, follows)).moved
    assert sorted(await texts(store, follows)) == ["AGENTS.md", "CLAUDE.md"]
    assert (await texts(store, follows))["AGENTS.md"] == digest_of(b"two")
    assert not (await stage.context(follows)).dirty
    head = await push(stage, {"AGENTS.md": "two", "CLAUDE.md": "too", "NEW.md": "newer"})
    await settle_pin(store, WORKER, adds)
    await settle_pin(store, WORKER, follows)
    assert (await texts(store, adds))["NEW.md"] == digest_of(b"newer")
    assert (await texts(store, adds))["AGENTS.md"] == digest_of(b"one")
    assert await stage.digest(follows) == head


async def test_something_risky_that_is_held_blocks_nothing(stage: Any, store: Store) -> None:
    await push(stage, {"AGENTS.md": "Be kind."})
    chat_id = await stage.chat()
    await push(stage, {"AGENTS.md": HIDDEN, "NEW.md": "new"})
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    selection = Selection(accept=frozenset(), hold=frozenset({"workspace:AGENTS.md"}))
    await refresh_context(store, stage.owner, chat_id, selection=selection)
    assert (await settle_pin(store, WORKER, chat_id)).moved
    assert await texts(store, chat_id) == {
        "AGENTS.md": digest_of(b"Be kind."),
        "NEW.md": digest_of(b"new"),
    }


async def test_a_refresh_of_all_leaves_a_chat_that_holds_all_and_takes_what_a_dirty_one_holds(
    stage: Any, store: Store
) -> None:
    first = await push(stage, {"AGENTS.md": "one"})
    holds_all, holds_one = await stage.chat(), await stage.chat()
    head = await push(stage, {"AGENTS.md": "two", "NEW.md": "new"})
    every = Selection(
        accept=frozenset(), hold=frozenset({"workspace:AGENTS.md", "workspace:NEW.md"})
    )
    one = Selection(accept=frozenset(), hold=frozenset({"workspace:NEW.md"}))
    await refresh_context(store, stage.owner, holds_all, selection=every)
    await refresh_context(store, stage.owner, holds_one, selection=one)
    assert not (await stage.context(holds_all)).dirty
    moves = await refresh_workspace_chats(store, stage.owner, stage.workspace_id)
    assert [move.chat_id for move in moves] == [holds_one]
    assert (await stage.digest(holds_all), await stage.digest(holds_one)) == (first, head)
    assert await store.list_holds(stage.owner, holds_one) == ()
    assert len(await store.list_holds(stage.owner, holds_all)) == 2
