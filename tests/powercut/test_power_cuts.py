"""Power cuts of SQLite and PostgreSQL: whatever was acknowledged is there afterwards."""

import asyncio
import random
from pathlib import Path

import pytest

from driftpin.clock import SystemClock
from driftpin.errors import Unavailable
from driftpin.identity import RandomIds
from driftpin.store.database import Database
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from own_postgres import own_postgres
from powercut import runs
from powercut.cycles import Work, look
from powercut.disk import Disk
from powercut.driver import connector
from seams.model_places import SqlitePlaces, sqlite_places
from seams.pin_world import PinWorld
from stepping import CountingIds, SteppedClock

SEED = 20_260_700
BEFORE = 12


@pytest.mark.parametrize("chunk", range(8))
def test_x6_nothing_acknowledged_is_lost_in_a_power_cut(chunk: int) -> None:
    assert runs.cut_many(25, SEED + 100 * chunk).broken == []


@pytest.mark.parametrize("synchronous", runs.CONTROLS)
def test_x6_a_cut_loses_what_was_synced_less_than_fully(synchronous: str) -> None:
    with sqlite_places() as places:
        assert runs.lost_in_control(places, synchronous, 15, SEED, enough=1) == 1


def test_x8_a_sync_that_fails_acknowledges_nothing_and_reopening_recovers(tmp_path: Path) -> None:
    with sqlite_places() as places:
        places.runner.run(_fail_to_sync(places, tmp_path))


async def _fail_to_sync(places: SqlitePlaces, directory: Path) -> None:
    (directory / "before").mkdir()
    (directory / "after").mkdir()
    path = directory / "before" / "driftpin.db"
    path.write_bytes(places.template.read_bytes())
    disk = Disk("failing")
    database = Database(
        f"sqlite:///{path}", clock=SteppedClock(), ids=CountingIds(), connect=connector(disk)
    )
    source = random.Random(SEED)
    work = Work(Store(database), places.inhabitants, source)
    await work.begin()
    for _ in range(BEFORE):
        await work.do_something()
    known = work.acknowledged.count
    disk.fails_to_sync = True
    for _ in range(2):
        with pytest.raises(Unavailable) as refusal:
            await work.push()
        assert refusal.value.code == "storage_unavailable"
    assert work.acknowledged.count == known
    disk.fails_to_sync = False
    # What is acknowledged after the fault is as safe as what was before it.
    await work.push()
    disk.leave(directory / "after", source)
    disk.let_go()
    await database.close()
    assert await look(f"sqlite:///{directory / 'after' / 'driftpin.db'}", work) == ((), ())


def test_x6_nothing_acknowledged_is_lost_when_postgresql_stops_at_once() -> None:
    with own_postgres() as server, asyncio.Runner() as runner:
        runner.run(_prepare(server.url))
        world = PinWorld(server.url, runner)
        world.settle_in()
        work = Work(world.store, world.inhabitants, random.Random(SEED))
        runner.run(work.begin())
        for _ in range(3):
            for _ in range(BEFORE):
                runner.run(work.do_something())
            server.stop("immediate")
            with pytest.raises(Unavailable):
                runner.run(work.push())
            server.start()
            world.restart()
            work.store = world.store
            assert runner.run(look(server.url, work)) == ((), ())
        assert work.acknowledged.count > BEFORE
        world.close()


async def _prepare(url: str) -> None:
    database = Database(url, clock=SystemClock(), ids=RandomIds())
    await prepare_schema(database)
    await database.close()
