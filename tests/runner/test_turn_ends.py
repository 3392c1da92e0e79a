"""Turns that end early: stopped, deleted under way, or let down by their model."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from driftpin.chat.messages import ToolCallPart, user_message
from driftpin.errors import Unavailable
from driftpin.identity import WORKER
from driftpin.models.offline import OfflineModel
from driftpin.models.port import (
    Finished,
    FinishReason,
    Model,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
)
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.send_message import send_message
from driftpin.runner.pins import PinReader
from driftpin.runner.turn import Turn
from driftpin.store.leases import LeaseLost
from runner.room import Room
from stepping import SteppedClock


@dataclass(slots=True)
class SpeakingModel:
    """Says a word at each step, and holds in between; what ends it is chosen."""

    name: str = "speaking"
    context_budget_tokens: int = 100_000
    has_spoken: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: asyncio.Event = field(default_factory=asyncio.Event)
    ending: BaseException | None = None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta("word ")
        self.has_spoken.set()
        try:
            await self.let_go.wait()
        finally:
            self.is_closed.set()
        if self.ending is not None:
            raise self.ending
        yield TextDelta("end")
        yield Finished(FinishReason.STOP)

    async def close(self) -> None:
        return None


@dataclass(slots=True)
class RepeatingModel:
    """Gives every one of its first two calls the same id, as some servers do."""

    name: str = "repeating"
    context_budget_tokens: int = 100_000
    asked: int = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked += 1
        if self.asked < 3:
            yield ToolCallRequested(ToolCallPart("call_0", "read_skill", '{"name": "tidy"}'))
            yield ToolCallRequested(ToolCallPart("call_0", "read_skill", '{"name": "tidy"}'))
            yield Finished(FinishReason.TOOL_CALLS)
        else:
            yield TextDelta("done")
            yield Finished(FinishReason.STOP)

    async def close(self) -> None:
        return None


async def _claimed(room: Room, clock: SteppedClock, model: Model) -> Turn:
    await room.worker.stop()
    await send_message(room.store, room.owner, room.chat_id, user_message("Go."))
    claimed = await claim_turn(room.store, WORKER, holder="w", lease_s=60)
    assert claimed is not None
    return Turn(room.store, PinReader(room.store, WORKER), model, clock, claimed)


async def test_a_turn_whose_chat_is_deleted_under_way_ends_as_lease_lost(
    room: Room, clock: SteppedClock
) -> None:
    model = SpeakingModel()
    turn = await _claimed(room, clock, model)
    running = asyncio.create_task(turn.run())
    await asyncio.wait_for(model.has_spoken.wait(), 5)
    await delete_chat(room.store, room.owner, room.chat_id)
    model.let_go.set()
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(running, 5)


async def test_a_turn_that_was_interrupted_before_it_was_claimed_asks_no_model(
    room: Room,
) -> None:
    await room.worker.stop()
    model = SpeakingModel()
    room.models.known["tested"] = model
    model.let_go.set()
    await send_message(room.store, room.owner, room.chat_id, user_message("Go."))
    await interrupt_turn(room.store, room.owner, room.chat_id)
    await room.worker.start()
    turn = await room.finished(1)
    assert turn.state == "interrupted"
    assert not model.has_spoken.is_set()


async def test_asking_twice_to_stop_keeps_the_words_as_asking_once_does(
    room: Room, clock: SteppedClock
) -> None:
    model = SpeakingModel()
    turn = await _claimed(room, clock, model)
    running = asyncio.create_task(turn.run())
    await asyncio.wait_for(model.has_spoken.wait(), 5)
    turn.request_stop()
    # From here on the first stop is writing the words down.
    await asyncio.wait_for(model.is_closed.wait(), 5)
    turn.request_stop()
    await asyncio.wait_for(running, 5)
    assert await room.said() == "word "


async def test_a_model_that_cancels_itself_fails_the_turn(room: Room) -> None:
    model = SpeakingModel(ending=asyncio.CancelledError())
    model.let_go.set()
    room.models.known["tested"] = model
    await room.send("Go.")
    turn = await room.finished(1)
    assert turn.state == "failed"


async def test_a_model_that_breaks_fails_the_turn_and_the_next_one_goes_on(room: Room) -> None:
    model = SpeakingModel(ending=RuntimeError("broken"))
    model.let_go.set()
    room.models.known["tested"] = model
    await room.send("Go.")
    turn = await room.finished(1)
    assert turn.state == "failed"
    receipts = await room.store.list_receipts(room.owner, room.chat_id, 1)
    assert [row.content["phase"] for row in receipts] == ["sent", "outcome"]
    assert receipts[-1].content["outcome"] == "failed"
    room.models.known["tested"] = OfflineModel()
    await room.send("Go on.")
    turn = await room.finished(2)
    assert turn.state == "done"


async def test_d44_calls_with_ids_that_repeat_get_others_and_are_carried_out_once(
    room: Room,
) -> None:
    room.models.known["tested"] = RepeatingModel()
    await room.send("Go.")
    turn = await room.finished(1)
    assert (turn.state, turn.error) == ("done", None)
    results = [m.content["parts"] for m in await room.messages() if m.role == "tool"]
    assert [len(parts) for parts in results] == [2, 2]
    ids = [part["id"] for parts in results for part in parts]
    assert len(set(ids)) == 4


async def test_a_turn_whose_storage_is_away_goes_on_from_its_last_step(room: Room) -> None:
    """It had ended as failed: what the storage cannot do for now says nothing about the turn."""
    model = SpeakingModel(ending=Unavailable("The storage is busy.", code="storage_busy"))
    model.let_go.set()
    room.models.known["tested"] = model
    await room.send("Go.")
    await asyncio.wait_for(model.is_closed.wait(), 5)
    model.ending = None
    turn = await room.finished(1)
    assert (turn.state, turn.attempt) == ("done", 2)
    assert room.worker.counts["left"] == 1
