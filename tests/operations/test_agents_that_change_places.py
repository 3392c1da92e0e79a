"""Which agent a workspace's chats follow, when agents are replaced, deleted and come back."""

from typing import Any

import pytest
from sqlalchemy import update

from driftpin import limits
from driftpin.errors import Gone, NotFound, PushOutdated
from driftpin.events.event import EventKind
from driftpin.identity import WORKER, Actor, AgentId, agent_actor, digest_of
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.store_blobs import store_blobs
from driftpin.operations.update_chat import update_chat
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import agents
from driftpin.store.values import PushResult

NEVER_ENROLLED = AgentId("01890000-0000-7000-8000-0000000000ff")


async def test_an_agent_that_follows_a_deleted_one_takes_its_chats_with_the_head_it_had(
    stage: Any, store: Store
) -> None:
    own = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    await another.push({"AGENTS.md": "two"})
    await delete_agent(store, stage.owner, another.id)
    _, before = await store.first_and_last_position(WORKER)
    again = await stage.agent.push({"AGENTS.md": "one"})
    assert (again.result, again.head) == (PushResult.ACCEPTED, own.head)
    context = await stage.context(chat_id)
    assert (context.agent_id, context.snapshot) == (stage.agent.id, own.head)
    assert await stage.verbs(chat_id) == ["hydrate", "rebind", "rebind"]
    told, _ = await store.list_events(stage.owner, after=before, limit=10)
    assert [event.kind for event in told] == [EventKind.AGENT_HEAD]
    workspace = await store.get_workspace(stage.owner, stage.workspace_id)
    assert workspace.current_agent_id == stage.agent.id
    repeated = await stage.agent.push({"AGENTS.md": "one"})
    assert repeated.result is PushResult.UNCHANGED


async def test_an_archived_chat_keeps_its_pin_when_another_agent_takes_over(
    stage: Any, store: Store
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    archived, open_one = await stage.chat(), await stage.chat()
    await update_chat(store, stage.owner, archived, is_archived=True)
    another = await stage.add_agent()
    second = await another.push({"AGENTS.md": "two"})
    assert await stage.digest(open_one) == second.head.digest
    assert await stage.digest(archived) == first.head.digest
    assert await stage.verbs(archived) == ["hydrate"]


async def test_a_turn_whose_agent_is_gone_follows_the_current_one_and_keeps_a_risky_pin(
    stage: Any, store: Store
) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    await another.push({"AGENTS.md": "one\u202e"})
    await rebind_chat(store, stage.owner, chat_id, stage.agent.id)
    await delete_agent(store, stage.owner, stage.agent.id)
    _, before = await store.first_and_last_position(WORKER)
    assert (await settle_pin(store, WORKER, chat_id)).moved is False
    context = await stage.context(chat_id)
    assert (context.agent_id, context.snapshot) == (another.id, first.head)
    told, _ = await store.list_events(stage.owner, after=before, limit=10, chat_id=chat_id)
    assert [(event.kind, event.payload) for event in told] == [
        (EventKind.CHAT_CHANGED, {"agent_id": another.id})
    ]
    _, settled = await store.first_and_last_position(WORKER)
    await settle_pin(store, WORKER, chat_id)
    assert (await store.first_and_last_position(WORKER))[1] == settled


async def test_no_chat_is_bound_to_a_deleted_agent(stage: Any, store: Store) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    another = await stage.add_agent()
    await delete_agent(store, stage.owner, another.id)
    with pytest.raises(NotFound):
        await rebind_chat(store, stage.owner, chat_id, another.id)
    context = await stage.context(chat_id)
    assert (context.agent_id, context.snapshot) == (stage.agent.id, first.head)
    await delete_agent(store, stage.owner, stage.agent.id)
    with pytest.raises(NotFound):
        await rebind_chat(store, stage.owner, chat_id, None)


async def test_a_run_from_before_a_restore_is_asked_for_a_hello_and_not_fenced(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})

    async def restore(transaction: Transaction) -> None:
        epoch = limits.INCARNATIONS_PER_EPOCH_MAX
        await transaction.connection.execute(
            update(agents).values(incarnation=agents.c.incarnation + epoch)
        )

    await store.database.write(restore)
    with pytest.raises(PushOutdated) as caught:
        await stage.agent.push({"AGENTS.md": "two"})
    assert caught.value.code == "hello_required"


async def test_e24_an_agent_that_nobody_knows_is_gone_like_a_deleted_one(
    stage: Any, store: Store
) -> None:
    unknown: Actor = agent_actor(NEVER_ENROLLED, stage.workspace_id)
    stage.agent.actor = unknown
    with pytest.raises(Gone) as pushing:
        await stage.agent.push({"AGENTS.md": "one"})
    with pytest.raises(Gone) as uploading:
        await store_blobs(store, unknown, [(digest_of(b"one"), b"one")])
    assert pushing.value.code == uploading.value.code == "agent_gone"
