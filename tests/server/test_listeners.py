"""Many idle streams ask together whether their callers may still listen."""

import asyncio
from datetime import datetime, timedelta

import pytest

from door import Door
from driftpin.credentials import read_token
from driftpin.errors import Unauthenticated
from driftpin.identity import Actor, Digest, TokenId
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.revoke_token import revoke_token
from seams.sql_recorder import Recorder
from stepping import SteppedClock

IDLE = 30
PERIOD_S = 0.2


async def minted(
    door: Door, owner: Actor, expires_at: datetime | None = None
) -> tuple[TokenId, Digest]:
    assert owner.user_id is not None, "a user"
    store = door.services.store
    row, secret = await create_user_token(store, owner, owner.user_id, "listens", expires_at)
    return row.id, read_token(secret).secret_digest


async def test_those_that_idle_ask_together_and_each_is_told_of_itself(
    door: Door, clock: SteppedClock
) -> None:
    services, people = door.services, door.people
    _, good = await minted(door, people.owner)
    _, others = await minted(door, people.other)
    revoked_id, revoked = await minted(door, people.owner)
    await revoke_token(services.store, people.owner, revoked_id)
    _, expired = await minted(door, people.owner, clock.now() + timedelta(seconds=60))
    clock.step(61)

    async def idle(digest: Digest) -> Actor:
        await services.tailer.rest(services.tailer.count, PERIOD_S)
        return await services.listeners.resolve(digest)

    with Recorder(services.store.database).on() as statements:
        asked = [idle(digest) for digest in (good, others, revoked, expired) * IDLE]
        told = await asyncio.gather(*asked, return_exceptions=True)
    assert told[:2] == [people.owner, people.other]
    assert [type(each) for each in told[2:4]] == [Unauthenticated, Unauthenticated]
    assert [type(each) for each in told[4:]] == [type(each) for each in told[:4]] * (IDLE - 1)
    # A period may end while they begin to wait.
    assert 1 <= sum(statement.is_read for statement in statements) <= 2


async def test_one_that_leaves_takes_the_answer_from_nobody(door: Door) -> None:
    _, digest = await minted(door, door.people.owner)
    resolve = door.services.listeners.resolve
    leaving, staying = (asyncio.create_task(resolve(digest)) for _ in range(2))
    # Both have asked, and neither has an answer.
    await asyncio.wait({leaving, staying}, timeout=0)
    leaving.cancel()
    assert await staying == door.people.owner
    with pytest.raises(asyncio.CancelledError):
        await leaving
