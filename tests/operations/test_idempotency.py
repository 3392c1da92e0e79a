import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import func, select

from driftpin.errors import NotFound, Rejected
from driftpin.identity import Actor, Digest, WorkspaceId, digest_of
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.idempotency import Answer, run_once
from driftpin.store.store import Store
from driftpin.store.tables import idempotency_keys
from people import People
from stepping import SteppedClock

BODY = digest_of(b'POST /workspaces {"name": "mine"}')


def creating(store: Store, actor: Actor) -> Callable[[str, Digest], Awaitable[Answer]]:
    async def call(key: str, body: Digest) -> Answer:
        return await run_once(
            store,
            actor,
            key=key,
            request_digest=body,
            perform=lambda joined: create_workspace(joined, actor, "mine"),
            respond=lambda workspace: workspace.id,
        )

    return call


async def count_workspaces(store: Store, actor: Actor) -> int:
    return len((await store.list_workspaces(actor, limit=100)).items)


async def test_the_same_call_is_answered_as_before_and_carried_out_once(
    store: Store, people: People
) -> None:
    call = creating(store, people.other)
    first = await call("key", BODY)
    again = await call("key", BODY)
    assert (first.is_replay, again.is_replay) == (False, True)
    assert first.response == again.response
    assert await count_workspaces(store, people.other) == 1


async def test_calls_at_once_are_carried_out_once(store: Store, people: People) -> None:
    call = creating(store, people.other)
    answers = await asyncio.gather(*(call("key", BODY) for _ in range(8)))
    assert len({answer.response for answer in answers}) == 1
    assert sorted(answer.is_replay for answer in answers) == [False] + [True] * 7
    assert await count_workspaces(store, people.other) == 1


async def test_f13_another_body_under_the_same_key_is_refused(store: Store, people: People) -> None:
    call = creating(store, people.other)
    await call("key", BODY)
    with pytest.raises(Rejected) as refusal:
        await call("key", digest_of(b"another"))
    assert refusal.value.code == "idempotency_mismatch"
    assert await count_workspaces(store, people.other) == 1


async def test_keys_belong_to_their_users(store: Store, people: People) -> None:
    await creating(store, people.other)("key", BODY)
    mine = await creating(store, people.owner)("key", digest_of(b"another"))
    assert not mine.is_replay


async def test_a_refused_call_leaves_its_key_free(store: Store, people: People) -> None:
    missing = WorkspaceId("00000000-0000-7000-8000-000000000000")
    with pytest.raises(NotFound):
        await run_once(
            store,
            people.other,
            key="key",
            request_digest=BODY,
            perform=lambda joined: create_chat(joined, people.other, missing),
            respond=lambda view: view.chat.id,
        )
    assert not (await creating(store, people.other)("key", BODY)).is_replay


async def test_old_keys_are_forgotten(store: Store, people: People, clock: SteppedClock) -> None:
    call = creating(store, people.other)
    await call("old", BODY)
    clock.step(86_400)
    assert (await call("old", BODY)).is_replay
    clock.step(1)
    assert not (await call("new", BODY)).is_replay
    async with store.database.read() as connection:
        kept = await connection.execute(select(func.count()).select_from(idempotency_keys))
        assert kept.scalar_one() == 1
