"""Wake-ups arrive in this process and in others, and survive a lost connection."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import make_url

from driftpin.events.event import EventKind
from driftpin.events.wake_ups import LocalWakeUps
from driftpin.store.database import Database, EngineKind, Transaction
from driftpin.store.wake_ups import PostgresWakeUps, wake_ups_of
from driftpin.store.writing.events import record_event

ONLY_POSTGRESQL = pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], indirect=True)


def awaited(carrier: LocalWakeUps) -> asyncio.Event:
    arrived = asyncio.Event()
    carrier.listen(arrived.set)
    return arrived


async def arrives(arrived: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await arrived.wait()


@pytest.fixture
async def replicas(database_url: str) -> AsyncIterator[tuple[PostgresWakeUps, PostgresWakeUps]]:
    """Two carriers on one database, both listening."""
    both = PostgresWakeUps(make_url(database_url)), PostgresWakeUps(make_url(database_url))
    tasks = [asyncio.create_task(carrier.carry()) for carrier in both]
    async with asyncio.timeout(5):
        for carrier in both:
            await carrier.wait_until_listening()
    yield both
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_commit_with_an_event_wakes_this_process(database: Database) -> None:
    carrier = wake_ups_of(database)
    arrived = asyncio.Event()
    carrier.listen(arrived.set)
    database.announce_commits_to(carrier.announce)

    async def quiet(_transaction: Transaction) -> None:
        return None

    async def loud(transaction: Transaction) -> None:
        await record_event(transaction, EventKind.CHAT_CHANGED)
        assert not arrived.is_set()

    await database.write(quiet)
    assert not arrived.is_set()
    await database.write(loud)
    await arrives(arrived)


@ONLY_POSTGRESQL
async def test_an_announcement_wakes_other_processes(
    replicas: tuple[PostgresWakeUps, PostgresWakeUps],
) -> None:
    here, there = replicas
    arrived = awaited(there)
    here.announce()
    await arrives(arrived)


async def test_a_step_that_frees_no_turn_wakes_those_alone_who_listen_to_steps(
    database: Database,
) -> None:
    carrier = wake_ups_of(database)
    told: list[str] = []
    carrier.listen(lambda: told.append("reader"))
    carrier.listen(lambda: told.append("worker"), to_steps=False)
    database.announce_commits_to(carrier.announce, carrier.announce_step)

    async def step(transaction: Transaction) -> None:
        await record_event(transaction, EventKind.CHAT_TURN)
        transaction.frees_no_turn = True

    async def end(transaction: Transaction) -> None:
        await record_event(transaction, EventKind.CHAT_TURN)

    await database.write(step)
    assert told == ["reader"]
    await database.write(end)
    assert told == ["reader", "reader", "worker"]


@ONLY_POSTGRESQL
async def test_a_step_is_told_to_other_processes_as_such(
    replicas: tuple[PostgresWakeUps, PostgresWakeUps],
) -> None:
    here, there = replicas
    step, more = awaited(there), asyncio.Event()
    there.listen(more.set, to_steps=False)
    here.announce_step()
    await arrives(step)
    assert not more.is_set()
    here.announce()
    await arrives(more)


@ONLY_POSTGRESQL
async def test_a_lost_connection_is_opened_again_and_wakes_everybody(
    replicas: tuple[PostgresWakeUps, PostgresWakeUps], database_url: str
) -> None:
    here, there = replicas
    arrived = awaited(there)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query LIKE 'LISTEN %' OR query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
    )
    await connection.close()
    await arrives(arrived)
    async with asyncio.timeout(5):
        await there.wait_until_listening()
        await here.wait_until_listening()
    again = awaited(there)
    here.announce()
    await arrives(again)
