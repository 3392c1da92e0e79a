"""The stories of policies: what the start of a turn moves, and what it leaves alone."""

from typing import Any

import pytest

from driftpin.context.holds import Selection
from driftpin.context.manifest import resources_of, snapshot_of
from driftpin.context.policies import Policy, PolicySet
from driftpin.context.resource import Kind, Resource, SkillBody, SkillFile, Status
from driftpin.errors import Conflict
from driftpin.identity import WORKER, ChatId, Digest, digest_of
from driftpin.operations.accept_snapshot import Push
from driftpin.operations.check_store import check_store
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_agent_chats import refresh_agent_chats
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.set_workspace_policies import set_workspace_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.update_chat import update_chat
from driftpin.store.policy_values import NextTurn
from driftpin.store.store import Store
from driftpin.store.tables import snapshots
from driftpin.store.values import PushOutcome

HIDDEN = "Be kind.\u200b"
FOLLOW = PolicySet(Policy.FOLLOW)
AUTO_ADD = PolicySet(Policy.AUTO_ADD)
FREEZE = PolicySet(Policy.FREEZE)
SKILLS_FOLLOW = PolicySet(None, {Kind.SKILL: Policy.FOLLOW})


@pytest.fixture(autouse=True)
async def sound_store(store: Store) -> Any:
    """Whatever a story does, every invariant holds after it."""
    yield
    assert await check_store(store, WORKER) == ()


def skill(text: str) -> tuple[Resource, bytes]:
    content = f"---\nname: tidy\ndescription: d\n---\n{text}\n".encode()
    body = SkillBody("tidy", "d", (SkillFile("SKILL.md", False, digest_of(content)),))
    return Resource(Kind.SKILL, "workspace:.agents/skills/tidy", Status.OK, body=body), content


async def push(stage: Any, files: dict[str, str], skill_text: str | None = None) -> Digest:
    """Push instruction files and perhaps a skill; return the digest of the head."""
    plain: Push = stage.agent.next_push(files)
    if skill_text is None:
        return await _send(stage, plain)
    resource, content = skill(skill_text)
    whole = snapshot_of([*plain.snapshot.resources, resource])
    blobs = {**plain.blobs, digest_of(content): content}
    return await _send(stage, Push(plain.incarnation, plain.seq, whole, {}, blobs))


async def _send(stage: Any, push: Push) -> Digest:
    outcome: PushOutcome = await stage.agent.send(push)
    return outcome.head.digest


async def texts(store: Store, chat_id: ChatId) -> dict[str, Digest]:
    """Return what the pin lists under each source, by the last part of its name."""
    manifest = (await store.read_pin(WORKER, chat_id)).manifest
    assert manifest is not None
    found: dict[str, Digest] = {}
    for resource in resources_of(manifest):
        body: Any = resource.body
        digest: Any = body.files[0].digest if isinstance(body, SkillBody) else body.digest
        found[resource.source.rpartition("/")[2].rpartition(":")[2]] = digest
    return found


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
    assert [await stage.digest(chat_id) for chat_id in (plain, frozen, half)] == [first] * 3
    moves = await refresh_workspace_chats(store, stage.owner, stage.workspace_id)
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
