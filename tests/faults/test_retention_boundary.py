"""Events of overlapping transactions go in another order than their numbers, and fsck knows it."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from driftpin.events.event import EventKind
from driftpin.identity import WORKER, ChatId, WorkspaceId
from driftpin.operations.check_store import check_store
from driftpin.operations.refresh_context import Refresh, refresh_in
from driftpin.store.database import Transaction
from driftpin.store.tables import events
from driftpin.store.writing.events import record_event, remove_events
from faults.deeds import StoreHands
from faults.driver import Driver
from faults.places import fresh_postgres, opened, settle


@pytest.fixture
def own_url(postgres_server: str) -> Iterator[str]:
    with fresh_postgres(postgres_server) as url:
        yield url


async def test_a_history_row_whose_event_went_with_its_transaction_is_no_finding(
    own_url: str,
) -> None:
    world = (await settle(own_url)).world
    workspace_id = WorkspaceId(world.workspace_id)

    async def say(transaction: Transaction) -> None:
        await record_event(transaction, EventKind.AGENT_STATE, workspace_id=workspace_id)

    async def move_late(transaction: Transaction) -> None:
        # The first transaction by number, whose move has a higher number than another's event.
        await say(transaction)
        async with opened(own_url) as other:
            await other.database.write(say)
        await refresh_in(transaction, world.owner, ChatId(world.chat_id), Refresh())

    async def remove(transaction: Transaction) -> int:
        later = transaction.now + timedelta(days=1)
        return await remove_events(transaction, before=later, limit=before + 2)

    async with opened(own_url) as store:
        driver = Driver(
            store, StoreHands(store, world.owner), world, random.Random(7), lambda _: None
        )
        await driver._do(await driver._push(await driver._bound_agent()))
        async with store.database.read() as connection:
            before = await connection.scalar(select(func.count()).select_from(events)) or 0
        await store.database.write(move_late)
        await store.database.write(say)
        assert await store.database.write(remove) == before + 2
        assert await check_store(store, WORKER) == ()
