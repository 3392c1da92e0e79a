"""A turn from its message to its end, on both databases."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from driftpin.chat.receipts import entry_from_json, verify_chain
from driftpin.identity import WORKER
from driftpin.models.offline import OfflineModel
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
)
from driftpin.models.scripted import ScriptedCall, ScriptedModel, Step
from driftpin.operations.check_store import check_store
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.release_turns import release_turns
from driftpin.runner.pins import PinReader
from driftpin.runner.turn import Turn
from driftpin.runner.worker import TurnWorker
from driftpin.store.leases import LeaseLost
from runner.held import READ_RULES, Say, ToldModel
from runner.room import Room
from stepping import SteppedClock


class HeldModel:
    """Says one word, then holds until it is let go."""

    name = "held"
    context_budget_tokens = 100_000

    def __init__(self) -> None:
        self.has_spoken = asyncio.Event()
        self.let_go = asyncio.Event()
        self.requests: list[ModelRequest] = []
        self.is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        try:
            yield TextDelta("word ")
            self.has_spoken.set()
            await self.let_go.wait()
            yield TextDelta("end")
            yield Finished(FinishReason.STOP)
        finally:
            self.is_closed = True

    async def close(self) -> None:
        return None


async def test_a_question_is_answered_out_of_the_pin(room: Room) -> None:
    room.models.known["tested"] = OfflineModel()
    await room.send("How do we indent?")
    turn = await room.finished(1)
    assert turn.state == "done"
    assert "Indent with two spaces." in await room.said()


async def test_an_edit_does_not_reach_a_pinned_chat_until_it_is_refreshed(room: Room) -> None:
    room.models.known["tested"] = OfflineModel()
    await room.push(b"Indent with tabs.\n")
    await room.send("How do we indent?")
    await room.finished(1)
    assert "two spaces" in await room.said()
    await refresh_context(room.store, room.owner, room.chat_id, to=None)
    await room.send("How do we indent?")
    await room.finished(2)
    assert "Indent with tabs." in await room.said()


async def test_a_skill_is_read_from_the_pin_and_the_chain_of_receipts_is_whole(room: Room) -> None:
    calls = (
        ScriptedCall("read_skill", '{"name": "tidy"}'),
        ScriptedCall("read_skill_file", '{"name": "tidy", "path": "scripts/tidy.sh"}'),
        ScriptedCall("read_skill_file", '{"name": "tidy", "path": "../../etc/passwd"}'),
        ScriptedCall("no_such_tool", "{}"),
        ScriptedCall("read_skill", "{"),
    )
    room.models.known["tested"] = ScriptedModel((Step(calls=calls), Step("Done.")))
    await room.send("Tidy up.")
    turn = await room.finished(1)
    assert (turn.state, await room.said()) == ("done", "Done.")
    results = (await room.messages())[2].content["parts"]
    assert "Run scripts/tidy.sh first." in results[0]["content"]
    assert results[1]["content"] == "#!/bin/sh\necho tidied\n"
    codes = [part["code"] for part in results]
    assert codes == ["", "", "path_escape", "no_tool", "bad_arguments"]
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    entries = [entry_from_json(row.content) for row in receipts]
    assert [entry.phase for entry in entries] == ["sent", "outcome"] * 2
    assert verify_chain(entries) == ()
    assert entries[0].request.snapshot == turn.snapshot_digest


async def test_a_failing_model_fails_the_turn_and_says_why(room: Room) -> None:
    room.models.known["tested"] = ScriptedModel(
        (Step("Back.", fail="model_unavailable", fail_times=1),)
    )
    await room.send("Hello?")
    turn = await room.finished(1)
    assert turn.state == "failed"
    assert turn.error is not None
    assert turn.error.startswith("model_unavailable: ")
    view = await room.store.get_chat(room.owner, room.chat_id)
    assert (view.chat.state, view.chat.error) == ("error", turn.error)
    await room.send("Again?")
    assert (await room.finished(2)).state == "done"
    assert (await room.store.get_chat(room.owner, room.chat_id)).chat.error is None


async def test_an_unknown_model_fails_the_turn(room: Room) -> None:
    await room.send("Hello?")
    turn = await room.finished(1)
    assert turn.error is not None
    assert turn.error.startswith("model_unknown: ")


async def test_an_interrupted_turn_keeps_the_words_that_came(room: Room) -> None:
    model = HeldModel()
    room.models.known["tested"] = model
    await room.send("Tell me.")
    await asyncio.wait_for(model.has_spoken.wait(), 5)
    await interrupt_turn(room.store, room.owner, room.chat_id)
    room.worker.interrupt(room.chat_id)
    turn = await room.finished(1)
    assert turn.state == "interrupted"
    assert await room.said() == "word "
    assert model.is_closed
    assert (await room.store.get_chat(room.owner, room.chat_id)).chat.state == "idle"
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert receipts[-1].content["outcome"] == "interrupted"


async def test_a_message_that_waits_is_answered_after_the_one_before(room: Room) -> None:
    model = HeldModel()
    room.models.known["tested"] = model
    await room.send("First.")
    await asyncio.wait_for(model.has_spoken.wait(), 5)
    await room.send("Second.")
    model.let_go.set()
    await room.finished(2)
    spoken = [message.text for message in model.requests[1].messages]
    assert spoken == ["First.", "word end", "Second."]
    assert len(model.requests[0].messages) == 1


async def test_streamed_text_is_kept_while_the_turn_runs(room: Room) -> None:
    model = HeldModel()
    room.models.known["tested"] = model
    await room.send("Tell me.")
    assert await room.streamed("word ") == ["word "]
    model.let_go.set()
    await room.finished(1)


async def test_words_before_a_pause_are_handed_on_without_more_of_them(room: Room) -> None:
    model = ToldModel([Say(pieces=("one ", "two ", "three"))])
    room.models.known["tested"] = model
    await room.send("Count.")
    for words in ("one ", "one two ", "one two three"):
        model.go_on.release()
        await room.streamed(words)
    model.go_on.release()
    await room.finished(1)
    assert await room.said() == "one two three"


async def test_words_that_come_at_once_are_kept_with_their_answer(room: Room) -> None:
    model = ToldModel([Say("I look.", (READ_RULES,)), Say("Done.", holds=True)])
    room.models.known["tested"] = model
    await room.send("Tidy up.")
    await model.held()
    assert await room.streamed("I look.") == ["I look."]
    model.let_go.set()
    await room.finished(1)
    assert await room.streamed("") == []


async def test_another_worker_goes_on_from_the_last_committed_step(
    room: Room, clock: SteppedClock
) -> None:
    steps = (Step(calls=(ScriptedCall("read_skill", '{"name": "tidy"}'),)), Step("Done."))
    room.models.known["tested"] = ScriptedModel(steps)
    await room.worker.stop()
    await room.send("Tidy up.")
    first = await claim_turn(room.store, WORKER, holder="worker-1", lease_s=15)
    assert first is not None
    turn = Turn(room.store, PinReader(room.store, WORKER), room.models.get("tested"), clock, first)
    await turn._take_up()
    await turn._ask()
    await release_turns(room.store, WORKER, [first.lease])
    second = TurnWorker(room.store, room.models, clock, name="worker-2")
    await second.start()
    assert (await room.finished(1)).state == "done"
    await second.stop()
    assert await room.said() == "Done."
    roles = [message.role for message in await room.messages()]
    assert roles == ["user", "assistant", "tool", "assistant"]
    with pytest.raises(LeaseLost):
        await turn._ask()


async def test_a_request_whose_worker_died_is_closed_as_unknown(
    room: Room, clock: SteppedClock
) -> None:
    model = HeldModel()
    room.models.known["tested"] = model
    await room.send("Tell me.")
    await asyncio.wait_for(model.has_spoken.wait(), 5)
    await room.worker.stop()
    model.let_go.set()
    second = TurnWorker(room.store, room.models, clock, name="worker-2")
    await second.start()
    assert (await room.finished(1)).state == "done"
    await second.stop()
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    outcomes = [row.content["outcome"] for row in receipts]
    assert outcomes == [None, "unknown", None, "answered"]
    assert verify_chain([entry_from_json(row.content) for row in receipts]) == ()


async def test_what_a_dead_worker_left_open_is_closed_with_the_pin_it_was_asked_with(
    room: Room, clock: SteppedClock
) -> None:
    model = HeldModel()
    room.models.known["tested"] = model
    await room.send("Tell me.")
    await asyncio.wait_for(model.has_spoken.wait(), 5)
    await room.worker.stop()
    await interrupt_turn(room.store, room.owner, room.chat_id)
    model.let_go.set()
    second = TurnWorker(room.store, room.models, clock, name="worker-2")
    await second.start()
    assert (await room.finished(1)).state == "interrupted"
    await room.push(b"Indent with tabs.\n")
    await refresh_context(room.store, room.owner, room.chat_id)
    await room.send("Again.")
    second.wake()
    assert (await room.finished(2)).state == "done"
    await second.stop()
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    entries = [entry_from_json(row.content) for row in receipts]
    assert [entry.outcome for entry in entries] == [None, "unknown", None, "answered"]
    asked, closed, again, _ = (entry.request.snapshot for entry in entries)
    assert asked == closed != again
    assert await check_store(room.store, WORKER) == ()
