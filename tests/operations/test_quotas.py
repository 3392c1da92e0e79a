"""Quotas: bytes are counted as they come and go, and refused where they are too many."""

import asyncio
import os
from typing import Any

import pytest
from sqlalchemy import event, text

from driftpin import limits
from driftpin.errors import TooLarge
from driftpin.identity import WORKER, Actor, agent_actor, digest_of
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.store import Store
from driftpin.store.values import Quotas

LARGE = 20_000


async def used_bytes(stage: Any, store: Store) -> int:
    return (await store.get_workspace(stage.owner, stage.workspace_id)).used_bytes


def random_text() -> str:
    return os.urandom(LARGE // 2).hex()


async def test_what_a_workspace_keeps_is_counted_and_uncounted(
    stage: Any, store: Store, clock: Any
) -> None:
    assert await used_bytes(stage, store) == 0
    await stage.agent.push({"AGENTS.md": "x" * LARGE})
    first = await used_bytes(stage, store)
    assert first > LARGE
    await stage.agent.push({"AGENTS.md": "x" * LARGE})
    assert await used_bytes(stage, store) == first
    push = stage.agent.next_push({"AGENTS.md": "y" * LARGE})
    await store_blobs(store, stage.agent.actor, push.blobs.items())
    assert await used_bytes(stage, store) == first + LARGE
    clock.step(limits.GRACE_S + 1)
    assert (await collect_garbage(store, WORKER)).blobs == 1
    assert await used_bytes(stage, store) == first
    assert await check_store(store, WORKER) == ()


async def test_a_push_over_the_quota_of_its_workspace_is_refused_and_changes_nothing(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    before = await used_bytes(stage, store)
    store.database.quotas = Quotas(workspace_bytes_max=before + 100)
    for _ in range(2):
        push = stage.agent.next_push({"AGENTS.md": "z" * LARGE})
        with pytest.raises(TooLarge) as refusal:
            await stage.agent.send(push)
        assert refusal.value.code == "quota_exceeded"
        assert refusal.value.fields == {
            "limit": "workspace_bytes_max",
            "limit_bytes": before + 100,
            "used_bytes": before,
        }
        assert "Remove what is not needed" in refusal.value.message
        with pytest.raises(TooLarge):
            await store_blobs(store, stage.agent.actor, push.blobs.items())
        with pytest.raises(TooLarge):
            await import_snapshot(
                store, stage.owner, stage.workspace_id, push.snapshot, push.blobs.items()
            )
    assert await used_bytes(stage, store) == before
    assert (await stage.context(chat_id)).snapshot is not None
    await stage.agent.push({"AGENTS.md": "one"})


async def test_what_is_there_already_goes_on_over_a_quota(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one", "MORE.md": "more"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two", "MORE.md": "more"})
    store.database.quotas = Quotas(workspace_bytes_max=1, user_bytes_max=1)
    await refresh_context(store, stage.owner, chat_id)
    part = await create_chat(
        store,
        stage.owner,
        stage.workspace_id,
        parent_id=chat_id,
        sources=("workspace:MORE.md",),
    )
    assert part.context.snapshot is not None
    await stage.agent.push({"AGENTS.md": "one", "MORE.md": "more"})


async def test_the_quota_of_a_user_spans_workspaces_and_no_other_user(
    stage: Any, store: Store, people: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "x" * LARGE})
    store.database.quotas = Quotas(user_bytes_max=LARGE + 5_000)
    second = await create_workspace(store, stage.owner, "second")
    row, _ = await enrol_agent(store, stage.owner, second.id, "a")
    content = random_text().encode()
    with pytest.raises(TooLarge) as refusal:
        await store_blobs(store, agent_actor(row.id, second.id), [(digest_of(content), content)])
    assert refusal.value.fields["limit"] == "user_bytes_max"
    await store_blobs(store, people.foreign_agent, [(digest_of(content), content)])


@pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], ids=str)
async def test_pushes_at_one_moment_to_two_workspaces_do_not_overshoot_the_quota_of_their_owner(
    stage: Any, store: Store
) -> None:
    """SQLite writes one after the other anyway."""
    second = await create_workspace(store, stage.owner, "second")
    row, _ = await enrol_agent(store, stage.owner, second.id, "a")
    store.database.quotas = Quotas(user_bytes_max=LARGE + 5_000)
    has_stored, let_commit = asyncio.Event(), asyncio.Event()

    async def held(transaction: Transaction, operation: Any) -> object:
        outcome: object = await operation(transaction)
        has_stored.set()
        await let_commit.wait()
        return outcome

    async def push(to: Store, actor: Actor) -> None:
        content = random_text().encode()
        await store_blobs(to, actor, [(digest_of(content), content)])

    async def is_waiting() -> bool:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        async with store.database.read() as connection:
            return bool((await connection.execute(waiting)).scalar_one())

    first = asyncio.create_task(push(Store(store.database.joined_by(held)), stage.agent.actor))
    await asyncio.wait_for(has_stored.wait(), 5)
    other = asyncio.create_task(push(store, agent_actor(row.id, second.id)))
    async with asyncio.timeout(5):
        while not other.done() and not await is_waiting():
            continue
    let_commit.set()
    await first
    with pytest.raises(TooLarge):
        await other


async def test_t29_one_tenant_at_its_quota_harms_no_other(
    stage: Any, store: Store, people: Any
) -> None:
    store.database.quotas = Quotas(workspace_bytes_max=3 * LARGE)
    refused = 0

    async def abuse() -> None:
        nonlocal refused
        for _ in range(20):
            content = random_text().encode()
            try:
                await store_blobs(store, stage.agent.actor, [(digest_of(content), content)])
            except TooLarge:
                refused += 1

    async def work() -> None:
        for _ in range(3):
            content = random_text().encode()[: LARGE // 2]
            await store_blobs(store, people.foreign_agent, [(digest_of(content), content)])

    await asyncio.gather(abuse(), work(), abuse())
    assert refused >= 37
    foreign = await store.get_workspace(people.administrator, people.foreign_workspace_id)
    assert foreign.used_bytes == 3 * (LARGE // 2)


async def test_a_quota_costs_two_statements_however_much_is_kept(stage: Any, store: Store) -> None:
    async def statements(text: str) -> int:
        seen: list[str] = []

        def note(*said: Any) -> None:
            seen.append(str(said[2]))

        engine = store.database._writer.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        await stage.agent.push({"AGENTS.md": text})
        event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    await statements("begin")
    without = await statements("without")
    store.database.quotas = Quotas(10**11, 10**11)
    assert await statements("with both") == without + 2
    for number in range(20):
        await stage.agent.push({"AGENTS.md": str(number)})
    assert await statements("with much there") == without + 2
