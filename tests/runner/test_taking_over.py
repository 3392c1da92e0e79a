"""Who holds a turn, and when another may take it over: no clock of a process decides it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from driftpin import limits
from driftpin.chat.messages import user_message
from driftpin.chat.states import ChatState
from driftpin.errors import Unavailable
from driftpin.identity import WORKER
from driftpin.models.offline import OfflineModel
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.create_chat import create_chat
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.forget_holders import forget_holders
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.release_turns import release_turns
from driftpin.operations.renew_turns import renew_turns
from driftpin.operations.send_message import send_message
from driftpin.runner.worker import TurnWorker
from driftpin.store.database import Database, EngineKind, Transaction
from driftpin.store.leases import ClaimedTurn
from driftpin.store.store import Store
from driftpin.store.values import TurnState
from driftpin.store.writing.turns import hold_turn
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
    await renew_turns(room.store, WORKER, [first.lease], lease_s=15)
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


async def test_a_renewal_waits_for_no_turn_that_is_being_written(
    room: Room, engine_kind: EngineKind
) -> None:
    written, waits = (await held(room)).lease, (await another(room)).lease
    is_locked, let_go = asyncio.Event(), asyncio.Event()

    async def write(transaction: Transaction) -> None:
        await hold_turn(transaction, written)
        is_locked.set()
        await let_go.wait()

    writing = asyncio.create_task(room.store.database.write(write))
    await is_locked.wait()
    # To renew for no time at all is to let go, so what was renewed can be claimed.
    renewing = asyncio.create_task(renew_turns(room.store, WORKER, [written, waits], lease_s=0))
    if engine_kind is EngineKind.SQLITE:
        # There one transaction writes at a time, and lets go before the next.
        let_go.set()
    assert set(await asyncio.wait_for(renewing, 30)) == {written, waits}
    let_go.set()
    await writing
    if engine_kind is EngineKind.POSTGRESQL:
        second = await claimed(room, "second")
        assert second is not None
        assert second.lease.chat_id == waits.chat_id
    assert await claimed(room, "third") is None, "the one under way was passed over"


async def test_a_renewal_tells_what_was_lost_and_what_is_to_stop(room: Room) -> None:
    first, other = (await held(room)).lease, (await another(room)).lease
    await interrupt_turn(room.store, room.owner, first.chat_id)
    await release_turns(room.store, WORKER, [other])
    assert await claimed(room, "second") is not None
    states = await renew_turns(room.store, WORKER, [first, other], lease_s=15)
    assert states == {first: ChatState.INTERRUPTING}
    await finish_turn(room.store, WORKER, first, TurnState.INTERRUPTED)
    states = await renew_turns(room.store, WORKER, [first, other], lease_s=15)
    assert states == {first: ChatState.IDLE}, "what its holder ended was not lost"


async def another(room: Room) -> ClaimedTurn:
    """Claim a turn of another chat."""
    workspace_id = room.agent.workspace_id
    assert workspace_id is not None
    chat = await create_chat(room.store, room.owner, workspace_id, model="tested")
    await send_message(room.store, room.owner, chat.chat.id, user_message("And on."))
    other = await claimed(room, "first")
    assert other is not None
    assert other.chat.id == chat.chat.id
    return other


class RefusingOnce:
    """Refuses the first claim that is made."""

    def __init__(self) -> None:
        self.refused = 0

    async def __call__(
        self, transaction: Transaction, operation: Callable[[Transaction], Awaitable[Any]]
    ) -> object:
        if not self.refused and operation.__qualname__.startswith("claim_turn"):
            self.refused += 1
            raise Unavailable("No.", code="storage_busy")
        return await operation(transaction)


async def test_a_claim_that_failed_is_made_again_soon(
    room: Room,
    database: Database,
    clock: SteppedClock,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "TURN_POLL_S", 3_600)
    await room.worker.stop()
    await room.send("Go on.")
    models.known["tested"] = OfflineModel()
    refusing = RefusingOnce()
    second = TurnWorker(Store(database.joined_by(refusing)), models, clock, name="worker-2")
    await second.start()
    assert (await room.finished(1)).state == "done"
    await second.stop()
    assert refusing.refused == 1
