"""X52: a request that is cancelled at any await leaves no lock, transaction, connection or half."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from driftpin.identity import ChatId
from driftpin.store.database import EngineKind
from driftpin.store.store import Store
from faults.cancelling import Cancellation
from faults.deeds import StoreHands, Verb
from faults.driver import Driver
from faults.looks import ADDS, Ledger, audit, take_census
from faults.places import Place, opened, settle

SUSPENSIONS_MAX = 400
WAIT_S = 5.0
IDLE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


@pytest.fixture
async def place(empty_url: str) -> Place:
    return await settle(empty_url)


@pytest.fixture
async def cut_store(place: Place) -> AsyncIterator[Store]:
    """The store whose calls are cancelled."""
    async with opened(place.database_url) as store:
        yield store


def _checked_out(engine: AsyncEngine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def _readers_behind(url: str) -> int:
    """Whether somebody still reads an old state: then the log cannot be emptied."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    [busy, *_] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    return int(busy)


async def open_transactions(store: Store, url: str) -> int:
    """How many connections are checked out, or have a transaction that nobody ends."""
    database = store.database
    engines = {id(it): it for it in (database._writer, database._heartbeat_writer)}
    held = sum(_checked_out(engine) for engine in engines.values())
    if database.engine_kind is EngineKind.SQLITE:
        return held + _checked_out(database._reader) + _readers_behind(url)
    connection = await asyncpg.connect(url)
    idle = await connection.fetchval(IDLE)
    await connection.close()
    return held + int(idle)


@pytest.mark.parametrize("verb", [Verb.PUSH, Verb.CREATE, Verb.REFRESH, Verb.REBIND])
async def test_x52_a_call_cancelled_at_any_await_leaves_nothing(
    place: Place, cut_store: Store, verb: Verb
) -> None:
    owner, ledger, cancelled = place.world.owner, Ledger(), 0
    async with opened(place.database_url) as store:
        whole = StoreHands(store, owner)
        driver = Driver(store, whole, place.world, random.Random(7), lambda _: None)
        for suspension in range(1, SUSPENSIONS_MAX):
            deed = await driver._prepare(verb)
            before = await take_census(store)
            call = StoreHands(cut_store, owner).perform(deed)
            try:
                ledger.keep(deed, await Cancellation(suspension).run(call))
            except asyncio.CancelledError:
                cancelled += 1
            else:
                break
            async with asyncio.timeout(WAIT_S):
                # Whoever comes next neither waits for a lock nor finds a half.
                ledger.keep(deed, await whole.perform(deed))
            assert (await take_census(store)).less(before) == ADDS[verb]
        assert cancelled > 4
        await asyncio.gather(*cut_store.database._writing)
        assert suspension < SUSPENSIONS_MAX - 1
        assert await open_transactions(cut_store, place.database_url) == 0
        assert await audit(store, ledger) == []


async def test_x52_a_read_cancelled_at_any_await_leaves_nothing(
    place: Place, cut_store: Store
) -> None:
    chat_id, suspension = ChatId(place.world.chat_id), 0
    while suspension < SUSPENSIONS_MAX:
        suspension += 1
        call = cut_store.get_chat(place.world.owner, chat_id)
        try:
            await Cancellation(suspension).run(call)
        except asyncio.CancelledError:
            assert await open_transactions(cut_store, place.database_url) == 0
        else:
            break
    assert 2 < suspension < SUSPENSIONS_MAX
