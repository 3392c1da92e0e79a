"""X17: serialization failures and deadlocks run the whole operation again, which reads afresh."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from sqlalchemy import select

from driftpin.errors import Unavailable
from driftpin.events.event import EventKind
from driftpin.failpoints import Failpoint
from driftpin.identity import WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import agents
from driftpin.store.writing.events import record_event
from faults.deeds import MOVES, StoreHands, Verb
from faults.driver import Driver
from faults.looks import ADDS, NOTHING, Ledger, audit, take_census
from faults.places import Place, fresh_postgres, opened, settle

TRIES = "CREATE SEQUENCE tries"
# A sequence counts on when a transaction is rolled back, so the first tries fail and no more.
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tries') <= {times} THEN
    RAISE EXCEPTION 'injected' USING ERRCODE = '{state}';
  END IF;
  RETURN NEW;
END $$
"""
TRIGGER = "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()"


@pytest.fixture
def own_url(postgres_server: str) -> Iterator[str]:
    with fresh_postgres(postgres_server) as url:
        yield url


@pytest.fixture
async def place(own_url: str) -> Place:
    return await settle(own_url)


@pytest.fixture
async def store(own_url: str) -> AsyncIterator[Store]:
    async with opened(own_url) as store:
        yield store


async def refuse(url: str, state: str, times: int) -> None:
    """Have the database refuse the next events with this state."""
    connection = await asyncpg.connect(url)
    for statement in (TRIES, REFUSE.format(state=state, times=times), TRIGGER):
        await connection.execute(statement)
    await connection.close()


def driver_of(store: Store, place: Place) -> Driver:
    hands = StoreHands(store, place.world.owner)
    return Driver(store, hands, place.world, random.Random(7), lambda _: None)


@pytest.mark.parametrize("state", ["40001", "40P01"])
@pytest.mark.parametrize("verb", [Verb.PUSH, Verb.CREATE, *MOVES])
async def test_x17_a_failure_of_the_first_tries_costs_nothing_but_time(
    own_url: str, place: Place, store: Store, verb: Verb, state: str
) -> None:
    driver, ledger = driver_of(store, place), Ledger()
    await driver.do(Verb.REFRESH)
    deed = await driver._prepare(verb)
    before = await take_census(store)
    await refuse(own_url, state, times=3)
    ledger.keep(deed, await driver.hands.perform(deed))
    assert (await take_census(store)).less(before) == ADDS[verb]
    assert await audit(store, ledger) == []


async def test_x17_a_failure_of_every_try_is_refused_as_busy_and_changes_nothing(
    own_url: str, place: Place, store: Store
) -> None:
    driver = driver_of(store, place)
    deed = await driver._prepare(Verb.PUSH)
    before = await take_census(store)
    await refuse(own_url, "40001", times=1_000)
    with pytest.raises(Unavailable) as refusal:
        await driver.hands.perform(deed)
    assert refusal.value.code == "storage_busy"
    assert (await take_census(store)).less(before) == NOTHING


async def test_x17_a_try_that_is_run_again_reads_the_head_afresh(
    own_url: str, place: Place, store: Store
) -> None:
    driver = driver_of(store, place)
    await driver.do(Verb.REFRESH)
    deed = await driver._prepare(Verb.REFRESH)
    pushed: list[str | None] = []

    async def push_in_between(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.MOVE_READ_HEAD and not pushed:
            newer = await driver._push(await driver._bound_agent())
            pushed.append((await driver.hands.perform(newer)).digest)
            await refuse(own_url, "40001", times=1)

    async with opened(own_url, reach=push_in_between) as again:
        done = await StoreHands(again, place.world.owner).perform(deed)
    assert done.digest == pushed[0]


async def test_x17_of_two_transactions_in_a_real_deadlock_each_is_done_once(
    own_url: str, place: Place, store: Store
) -> None:
    tries, both_hold = 0, asyncio.Barrier(2)

    async def lock_both(transaction: Transaction, order: tuple[str, ...]) -> int:
        nonlocal tries
        tries += 1
        first_try = tries <= 2
        for agent_id in order:
            locked = select(agents.c.id).where(agents.c.id == agent_id).with_for_update()
            await transaction.connection.execute(locked)
            if first_try and agent_id == order[0]:
                await both_hold.wait()
        workspace_id = WorkspaceId(place.world.workspace_id)
        return await record_event(
            transaction, EventKind.AGENT_STATE, workspace_id=workspace_id, payload={}
        )

    before = await take_census(store)
    one, other = place.world.agent_ids
    async with opened(own_url) as second:
        numbers = await asyncio.gather(
            store.database.write(lambda transaction: lock_both(transaction, (one, other))),
            second.database.write(lambda transaction: lock_both(transaction, (other, one))),
        )
    assert tries == 3
    assert len(set(numbers)) == 2
    assert (await take_census(store)).less(before) == NOTHING._replace(events=2)
