"""Connections that PostgreSQL ended: nobody is told who could have been served by a fresh one."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from driftpin.errors import Unavailable
from driftpin.identity import RandomIds
from driftpin.store.database import Database, EngineKind, Transaction
from stepping import SteppedClock

pytestmark = pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], ids=str)
OTHERS = "FROM pg_stat_activity WHERE application_name = 'driftpin'"
END_MYSELF = text("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.fixture
async def database(database_url: str, clock: SteppedClock) -> AsyncIterator[Database]:
    opened = Database(database_url, clock=clock, ids=RandomIds(), pool_size=2)
    yield opened
    await opened.close()


async def count_chats(transaction: Transaction) -> int:
    found = await transaction.connection.execute(text("SELECT count(*) FROM chats"))
    return int(found.scalar_one())


async def use_all(database: Database) -> None:
    """Have every connection of the pool opened and given back."""
    held = asyncio.Barrier(2)

    async def hold() -> None:
        async with database.read():
            await held.wait()

    await asyncio.gather(hold(), hold())


async def end_all(url: str) -> None:
    """Have the server end every connection, as it does when it is started anew."""
    watcher = await asyncpg.connect(url)
    ended = await watcher.fetch(f"SELECT pid, pg_terminate_backend(pid) {OTHERS}")
    await asyncio.to_thread(wait_until_gone, [row["pid"] for row in ended])
    await watcher.execute("SELECT 1")
    await watcher.close()


def wait_until_gone(pids: Sequence[int]) -> None:
    """A connection is closed when its process is gone, a moment after it is no longer listed."""
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        os.sched_yield()


async def test_connections_that_ended_while_idle_are_replaced(
    database: Database, database_url: str
) -> None:
    await use_all(database)
    await end_all(database_url)
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await use_all(database)
    assert await database.write(count_chats) == 0


async def test_a_write_whose_connection_ends_before_its_commit_runs_once_more(
    database: Database,
) -> None:
    runs: list[int] = []

    async def end_at_first(transaction: Transaction) -> int:
        runs.append(await count_chats(transaction))
        if len(runs) == 1:
            await transaction.connection.execute(END_MYSELF)
        return await count_chats(transaction)

    assert await database.write(end_at_first) == 0
    assert len(runs) == 2
    assert database.retries == 1


async def test_a_write_that_ends_every_connection_is_not_run_for_ever(database: Database) -> None:
    runs: list[int] = []

    async def end_always(transaction: Transaction) -> None:
        runs.append(await count_chats(transaction))
        await transaction.connection.execute(END_MYSELF)

    with pytest.raises(Unavailable) as away:
        await database.write(end_always)
    assert away.value.code == "storage_unavailable"
    assert len(runs) == 2
