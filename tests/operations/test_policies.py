"""The stories of policies: what the start of a turn moves, and what it leaves alone."""

from typing import Any

import pytest

from driftpin.context.policies import Policy, PolicySet
from driftpin.errors import Conflict
from driftpin.identity import WORKER, digest_of
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.set_workspace_policies import set_workspace_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.update_chat import update_chat
from driftpin.store.policy_values import NextTurn
from driftpin.store.store import Store
from driftpin.store.tables import snapshots
from operations.policy_stage import (
    AUTO_ADD,
    FOLLOW,
    FREEZE,
    HIDDEN,
    SKILLS_FOLLOW,
    push,
    skill,
    texts,
)

pytestmark = pytest.mark.usefixtures("sound_store")


async def test_a_chat_that_follows_has_the_newest_head_from_its_next_turn_on(
    stage: Any, store: Store
) -> None:
    await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    await push(stage, {"AGENTS.md": "two"})
    head = await push(stage, {"AGENTS.md": "three"})
    assert (await stage.context(chat_id)).dirty, "a push moves nothing"
    move = await settle_pin(store, WORKER, chat_id)
    assert (move.moved, move.verb, move.revision) == (True, "apply_policy", 2)
    assert await stage.digest(chat_id) == head
    assert not (await stage.context(chat_id)).dirty
    row = (await stage.history(chat_id))[-1]
    assert (row.inputs, row.actor) == ({"policy": "follow", "head": head}, WORKER.name)
    again = await settle_pin(store, WORKER, chat_id)
    assert (again.moved, again.revision) == (False, 2)


@pytest.mark.parametrize("policies", [PolicySet(Policy.PIN), FREEZE, PolicySet()], ids=str)
async def test_a_chat_that_does_not_follow_stays(
    stage: Any, store: Store, policies: PolicySet
) -> None:
    first = await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, policies)
    await push(stage, {"AGENTS.md": "one", "NEW.md": "new"})
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    context = await stage.context(chat_id)
    assert (await stage.digest(chat_id), context.dirty) == (first, True)
    assert context.has_badge == (policies != FREEZE)


async def test_auto_add_adds_what_is_new_and_touches_nothing_that_is_pinned(
    stage: Any, store: Store
) -> None:
    await push(stage, {"AGENTS.md": "one", "OLD.md": "kept"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, AUTO_ADD)
    head = await push(stage, {"AGENTS.md": "two", "NEW.md": "quite another"})
    await settle_pin(store, WORKER, chat_id)
    assert await texts(store, chat_id) == {
        "AGENTS.md": digest_of(b"one"),
        "OLD.md": digest_of(b"kept"),
        "NEW.md": digest_of(b"quite another"),
    }
    row = (await stage.history(chat_id))[-1]
    assert row.inputs == {"policy": "auto_add", "head": head, "taken": ["workspace:NEW.md"]}
    left = (await store.read_drift(stage.owner, chat_id)).drift
    assert {entry.source for entry in left.entries} == {"workspace:AGENTS.md", "workspace:OLD.md"}
    assert not (await settle_pin(store, WORKER, chat_id)).moved


async def test_what_was_renamed_is_no_addition(stage: Any, store: Store) -> None:
    text = "A long text that stays the same under another name.\n" * 3
    await push(stage, {"OLD.md": text})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, AUTO_ADD)
    await push(stage, {"NEW.md": text})
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    assert list(await texts(store, chat_id)) == ["OLD.md"]


async def test_only_the_kinds_that_follow_are_taken(stage: Any, store: Store) -> None:
    await push(stage, {"AGENTS.md": "one"}, "first")
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, SKILLS_FOLLOW)
    await push(stage, {"AGENTS.md": "two"}, "second")
    assert (await settle_pin(store, WORKER, chat_id)).moved
    second = skill("second")[1]
    assert await texts(store, chat_id) == {
        "AGENTS.md": digest_of(b"one"),
        "tidy": digest_of(second),
    }
    assert (await stage.history(chat_id))[-1].inputs["policy"] == "pin skill=follow"


async def test_the_whole_head_is_pinned_when_the_kinds_that_follow_are_all_that_differs(
    stage: Any, store: Store
) -> None:
    await push(stage, {"AGENTS.md": "one"}, "first")
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, SKILLS_FOLLOW)
    head = await push(stage, {"AGENTS.md": "one"}, "second")
    await settle_pin(store, WORKER, chat_id)
    assert await stage.digest(chat_id) == head


async def test_risky_drift_blocks_the_whole_application_and_says_so(
    stage: Any, store: Store
) -> None:
    first = await push(stage, {"AGENTS.md": "Be kind."})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, AUTO_ADD)
    await push(stage, {"AGENTS.md": HIDDEN, "NEW.md": "new"})
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    context = await stage.context(chat_id)
    assert (context.is_blocked, context.has_badge) == (True, True)
    assert await stage.digest(chat_id) == first
    await push(stage, {"AGENTS.md": "Be kind.", "NEW.md": "new"})
    assert not (await stage.context(chat_id)).is_blocked
    assert (await settle_pin(store, WORKER, chat_id)).moved


async def test_chats_that_stand_alike_share_one_derived_snapshot(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    await push(stage, {"AGENTS.md": "one"})
    chats = [await stage.chat() for _ in range(3)]
    await set_workspace_policies(store, stage.owner, stage.workspace_id, AUTO_ADD)
    await push(stage, {"AGENTS.md": "two", "NEW.md": "new"})
    moves = [await settle_pin(store, WORKER, chat_id) for chat_id in chats]
    assert len({move.snapshot for move in moves}) == 1
    assert await stored_bytes.count(snapshots) == 3


async def test_a_chat_overrides_its_workspace_and_leaves_it_again(stage: Any, store: Store) -> None:
    await push(stage, {"AGENTS.md": "one"})
    own, left = await stage.chat(), await stage.chat()
    await set_workspace_policies(store, stage.owner, stage.workspace_id, FOLLOW)
    await set_chat_policies(store, stage.owner, own, PolicySet(Policy.PIN))
    await push(stage, {"AGENTS.md": "two"})
    assert not (await settle_pin(store, WORKER, own)).moved
    assert (await settle_pin(store, WORKER, left)).moved
    await set_chat_policies(store, stage.owner, own, PolicySet())
    assert (await settle_pin(store, WORKER, own)).moved


async def test_a_chat_that_was_rolled_back_stays_until_its_next_refresh(
    stage: Any, store: Store
) -> None:
    first = await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    await push(stage, {"AGENTS.md": "two"})
    await settle_pin(store, WORKER, chat_id)
    await roll_back_context(store, stage.owner, chat_id, first)
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    policies = (await stage.context(chat_id)).policies
    assert (str(policies), policies.chat) == ("pin", FOLLOW)
    await refresh_context(store, stage.owner, chat_id)
    head = await push(stage, {"AGENTS.md": "three"})
    assert (await settle_pin(store, WORKER, chat_id)).moved
    assert await stage.digest(chat_id) == head
    assert await stage.verbs(chat_id) == [
        "hydrate",
        "apply_policy",
        "roll_back",
        "refresh",
        "apply_policy",
    ]


async def test_a_sub_chat_is_frozen_whatever_its_workspace_says(stage: Any, store: Store) -> None:
    first = await push(stage, {"AGENTS.md": "one"})
    parent = await stage.chat()
    child = await stage.chat(parent_id=parent)
    await set_workspace_policies(store, stage.owner, stage.workspace_id, FOLLOW)
    head = await push(stage, {"AGENTS.md": "two"})
    assert not (await settle_pin(store, WORKER, child)).moved
    assert await stage.digest(child) == first
    for refused in (
        set_chat_policies(store, stage.owner, child, FOLLOW),
        update_chat(store, stage.owner, child, policy=Policy.FOLLOW),
    ):
        with pytest.raises(Conflict) as refusal:
            await refused
        assert refusal.value.code == "sub_chat"
    moved = await refresh_context(store, stage.owner, parent, cascade=True)
    assert [move.chat_id for move in moved.below] == [child]
    assert await stage.digest(child) == head


async def test_bringing_a_chat_back_does_not_apply_its_policies(stage: Any, store: Store) -> None:
    first = await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    await update_chat(store, stage.owner, chat_id, is_archived=True)
    head = await push(stage, {"AGENTS.md": "two"})
    await update_chat(store, stage.owner, chat_id, is_archived=False)
    assert await stage.digest(chat_id) == first
    await settle_pin(store, WORKER, chat_id)
    assert await stage.digest(chat_id) == head


async def test_what_cannot_be_read_leaves_the_pin_and_says_so_until_it_can(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    first = await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    push_of_two = stage.agent.next_push({"AGENTS.md": "two"})
    await stage.agent.send(push_of_two)
    await stored_bytes.damage(push_of_two.snapshot.digest)
    assert not (await settle_pin(store, WORKER, chat_id)).moved
    context = await stage.context(chat_id)
    assert await stage.digest(chat_id) == first
    assert context.error is not None
    assert context.error.startswith("policy: ")
    again = await rebind_chat(store, stage.owner, chat_id, None)
    assert not again.moved, "a policy that failed is no reason to bind anew"
    await stored_bytes.repair(push_of_two.snapshot.digest, push_of_two.snapshot.manifest)
    move = await settle_pin(store, WORKER, chat_id)
    assert (move.moved, move.verb) == (True, "apply_policy")
    assert (await stage.context(chat_id)).error is None


async def test_a_binding_that_failed_is_tried_again_and_not_taken_over_by_a_policy(
    stage: Any, store: Store, stored_bytes: Any
) -> None:
    await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    other = await stage.add_agent()
    await other.push({"AGENTS.md": "theirs"})
    await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    newer = other.next_push({"AGENTS.md": "theirs, newer"})
    await other.send(newer)
    await stored_bytes.damage(newer.snapshot.digest)
    await rebind_chat(store, stage.owner, chat_id, other.id)
    failed = (await stage.context(chat_id)).error
    assert failed is not None
    await settle_pin(store, WORKER, chat_id)
    assert (await stage.context(chat_id)).error == failed
    await stored_bytes.repair(newer.snapshot.digest, newer.snapshot.manifest)
    assert (await settle_pin(store, WORKER, chat_id)).verb == "rebind"
    assert await stage.digest(chat_id) == newer.snapshot.digest


async def test_a_policy_follows_the_agent_that_the_chat_is_bound_to(
    stage: Any, store: Store
) -> None:
    await push(stage, {"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, FOLLOW)
    other = await stage.add_agent()
    theirs = (await other.push({"AGENTS.md": "theirs"})).head.digest
    await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    ours = await push(stage, {"AGENTS.md": "ours"})
    await settle_pin(store, WORKER, chat_id)
    assert await stage.digest(chat_id) == ours
    await other.push({"AGENTS.md": "theirs again"})
    await delete_agent(store, stage.owner, stage.agent.id)
    assert (await settle_pin(store, WORKER, chat_id)).verb == "rebind"
    assert await stage.digest(chat_id) not in (ours, theirs)


async def test_setting_policies_tells_what_the_next_turns_do(stage: Any, store: Store) -> None:
    await push(stage, {"AGENTS.md": "one"})
    clean_later, pinned, follows = [await stage.chat() for _ in range(3)]
    await set_chat_policies(store, stage.owner, pinned, PolicySet(Policy.PIN))
    await push(stage, {"AGENTS.md": "two", "NEW.md": "new"})
    await refresh_context(store, stage.owner, clean_later)
    outcomes = await set_workspace_policies(
        store, stage.owner, stage.workspace_id, AUTO_ADD, dry_run=True
    )
    assert {outcome.chat_id: (outcome.next_turn, outcome.sources) for outcome in outcomes} == {
        pinned: (NextTurn.STAYS, ()),
        follows: (NextTurn.MOVES, ("workspace:NEW.md",)),
    }
    row = await store.get_workspace(stage.owner, stage.workspace_id)
    assert row.policies == PolicySet(Policy.PIN), "a dry run sets nothing"
    assert not (await settle_pin(store, WORKER, follows)).moved
    await push(stage, {"AGENTS.md": HIDDEN})
    (blocked,) = await set_chat_policies(store, stage.owner, follows, FOLLOW)
    assert (blocked.next_turn, str(blocked.policies)) == (NextTurn.BLOCKED, "follow")


async def test_setting_what_is_set_already_is_not_announced(stage: Any, store: Store) -> None:
    chat_id = await stage.chat()
    _, before = await store.first_and_last_position(stage.owner)
    for policies in (SKILLS_FOLLOW, SKILLS_FOLLOW):
        await set_chat_policies(store, stage.owner, chat_id, policies)
        await set_workspace_policies(store, stage.owner, stage.workspace_id, policies)
    events, _ = await store.list_events(stage.owner, after=before, limit=10)
    assert [event.kind.value for event in events] == ["chat.changed", "workspace.changed"]
