"""Who holds a turn, and when another may take it over: no clock of a process decides it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from driftpin.errors import Unavailable
from driftpin.identity import WORKER
from driftpin.models.offline import OfflineModel
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.forget_holders import forget_holders
from driftpin.operations.release_turns import release_turns
from driftpin.operations.renew_turn import renew_turn
from driftpin.runner.worker import TurnWorker
from driftpin.store.database import Database, EngineKind, Transaction
from driftpin.store.leases import ClaimedTurn
from driftpin.store.store import Store
from runner.room import Models, Room
from served import open_server
from stepping import SteppedClock

TEN_YEARS_S: Final = 10 * 365 * 86_400.0


async def claimed(room: Room, holder: str, lease_s: float = 15) -> ClaimedTurn | None:
    return await claim_turn(room.store, WORKER, holder=holder, lease_s=lease_s)


async def held(room: Room, lease_s: float = 15) -> ClaimedTurn:
    """Claim a turn that nobody carries out."""
    await room.worker.stop()
    await room.send("Go on.")
    first = await claimed(room, "first", lease_s)
    assert first is not None
    return first


async def test_x30_clocks_ten_years_off_neither_end_a_lease_nor_prolong_it(
    room: Room, clock: SteppedClock
) -> None:
    first = await held(room)
    clock.step(TEN_YEARS_S)
    assert await claimed(room, "ahead") is None
    clock.step(-2 * TEN_YEARS_S)
    assert await claimed(room, "behind") is None
    await release_turns(room.store, WORKER, [first.lease])
    clock.step(-TEN_YEARS_S)
    second = await claimed(room, "far behind")
    assert second is not None
    assert second.lease.fence > first.lease.fence


async def test_a_lease_runs_out_by_the_clock_that_every_worker_shares(
    room: Room, engine_kind: EngineKind
) -> None:
    first = await held(room, lease_s=0)
    second = await claimed(room, "second")
    # Nobody but this very process can hold a turn of an SQLite file, and it frees what it leaves.
    assert (second is not None) == (engine_kind is EngineKind.POSTGRESQL)
    freed = await release_turns(room.store, WORKER, [first.lease])
    assert freed == (1 if second is None else 0)


async def test_a_turn_that_was_freed_is_not_held_again_by_a_renewal_under_way(room: Room) -> None:
    first = await held(room)
    await release_turns(room.store, WORKER, [first.lease])
    await renew_turn(room.store, WORKER, first.lease, lease_s=15)
    assert await claimed(room, "second") is not None


async def test_a_process_that_owns_its_database_alone_begins_without_holders(
    room: Room, database_url: str, engine_kind: EngineKind
) -> None:
    await held(room, TEN_YEARS_S)
    async with open_server(database_url):
        second = await claimed(room, "second")
    assert (second is not None) == (engine_kind is EngineKind.SQLITE)
    assert await forget_holders(room.store, WORKER) == 1
    assert await claimed(room, "third") is not None


class Refusing:
    """Refuses to end turns for as long as it is told to."""

    def __init__(self) -> None:
        self.is_refusing = True
        self.has_refused = asyncio.Event()

    async def __call__(
        self, transaction: Transaction, operation: Callable[[Transaction], Awaitable[Any]]
    ) -> object:
        if self.is_refusing and operation.__qualname__.startswith("finish_turn"):
            self.has_refused.set()
            raise Unavailable("No.", code="storage_full")
        return await operation(transaction)


async def test_a_turn_that_could_not_be_ended_is_freed_and_carried_out_again(
    room: Room, database: Database, clock: SteppedClock, models: Models
) -> None:
    await room.worker.stop()
    refusing = Refusing()
    store = Store(database.joined_by(refusing))
    second = TurnWorker(store, models, clock, name="worker-2")
    await second.start()
    await room.send("Go on.")
    second.wake()
    await asyncio.wait_for(refusing.has_refused.wait(), 5)
    models.known["tested"] = OfflineModel()
    refusing.is_refusing = False
    second.wake()
    turn = await room.finished(1)
    await second.stop()
    assert turn.state == "done"
    assert turn.attempt > 1
