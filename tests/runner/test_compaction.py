"""A chat that outgrows its model's window: old messages leave, instructions stay."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from driftpin.chat.compaction import SUMMARISE
from driftpin.chat.receipts import entry_from_json, verify_chain
from driftpin.errors import Unavailable
from driftpin.models.port import ModelEvent, ModelRequest
from driftpin.models.scripted import ScriptedModel, Step
from driftpin.operations.resume_turn import resume_turn
from driftpin.operations.retry_turn import retry_turn
from driftpin.runner.worker import TurnWorker
from driftpin.store.receipt_values import ReceiptRow
from runner.held import READ_RULES, Say, ToldModel
from runner.room import RULE, Room
from stepping import SteppedClock

BUDGET_TOKENS = 2_000
LONG = "every word of this is remembered only until the window is full " * 20


class SmallScripted(ScriptedModel):
    context_budget_tokens = BUDGET_TOKENS


class SummingModel(ToldModel):
    """A model with a small window that refuses what does not fit, as providers do."""

    @property
    def summaries(self) -> list[str]:
        words = [request.messages[-1].text for request in self.requests]
        return [text for text in words if text.startswith(SUMMARISE[:40])]


class ForgetfulModel(SummingModel):
    """Cannot sum up until it is told that it can."""

    can_sum_up = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        if not self.can_sum_up and request.messages[-1].text.startswith(SUMMARISE[:40]):
            raise Unavailable("Not now.", code="model_unavailable")
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                yield event


async def _talk(room: Room, count: int) -> None:
    for number in range(1, count + 1):
        await room.send(f"question {number}: {LONG}")
        turn = await room.finished(number)
        assert (turn.state, turn.error) == ("done", None)


async def _receipts(room: Room) -> list[ReceiptRow]:
    rows = list(await room.store.list_receipts(room.owner, room.chat_id, None))
    assert verify_chain([entry_from_json(row.content) for row in rows]) == ()
    return rows


async def test_old_messages_are_summed_up_and_the_instructions_stay(room: Room) -> None:
    model = SummingModel([Say("noted")], context_budget_tokens=BUDGET_TOKENS)
    room.models.known["tested"] = model
    await _talk(room, 8)
    assert model.summaries
    assert all(RULE.decode().strip() in each.prompt.text for each in model.requests)
    assert len({each.prompt.digest for each in model.requests}) == 1
    last = model.heard()
    assert last[0].startswith("[The first ")
    assert "noted" in last[0]
    assert last[-1].startswith("question 8")
    assert not any("question 1:" in text for text in last)
    # What is stored is whole: only what the model is shown has changed.
    assert len(await room.messages()) == 16


async def test_the_receipt_says_what_was_left_out_and_what_a_request_was_for(room: Room) -> None:
    model = SummingModel([Say("noted")], context_budget_tokens=BUDGET_TOKENS)
    room.models.known["tested"] = model
    await _talk(room, 8)
    rows = await _receipts(room)
    purposes = [row.content["settings"].get("purpose") for row in rows[::2]]
    assert purposes.count("compaction") == len(model.summaries)
    left_out = [item for item in rows[-1].content["left_out"] if item["reason"] == "compacted"]
    assert left_out[0]["source"].startswith("messages:1-")
    assert left_out[0]["tokens"] > 0
    assert rows[0].content["left_out"] == []


async def test_a_built_in_model_says_that_messages_were_left_out(room: Room) -> None:
    steps = tuple(Step(f"answer {number}") for number in range(1, 9))
    room.models.known["tested"] = SmallScripted(steps)
    await _talk(room, 8)
    # The script goes on although its model no longer sees all that it said.
    assert await room.said() == "answer 8"
    rows = await _receipts(room)
    assert [row.content["settings"] for row in rows] == [{}] * 16
    assert any(item["reason"] == "compacted" for item in rows[-1].content["left_out"])


async def test_a_worker_that_takes_over_shows_the_same(room: Room, clock: SteppedClock) -> None:
    model = SummingModel([Say("noted")], context_budget_tokens=BUDGET_TOKENS)
    room.models.known["tested"] = model
    await _talk(room, 8)
    assert model.summaries
    model.answers = [Say("late", holds=True)]
    await room.send("last question")
    await model.held()
    before = model.requests[-1]
    await room.worker.stop()
    clock.step(60)
    model.let_go.set()
    other = TurnWorker(room.store, room.models, clock, name="worker-2")
    await other.start()
    await room.finished(9)
    await other.stop()
    assert model.requests[-1].messages == before.messages
    assert model.requests[-1].prompt.digest == before.prompt.digest


async def test_a_long_turn_keeps_the_question_that_it_answers(room: Room) -> None:
    looks = [Say(f"step {number} {LONG}", calls=(READ_RULES,)) for number in range(12)]
    model = SummingModel([*looks, Say("Done.")], context_budget_tokens=BUDGET_TOKENS)
    room.models.known["tested"] = model
    await room.send("the one question")
    turn = await room.finished(1)
    assert turn.state == "done"
    assert model.summaries
    assert "What you are answering:\n\nthe one question" in model.heard()[0]
    for request in model.requests:
        called = [call.call_id for m in request.messages for call in m.calls]
        answered = [part.call_id for m in request.messages if m.role == "tool" for part in m.parts]  # type: ignore[union-attr] # results only
        assert called == answered


async def test_a_retry_brings_back_what_the_replaced_turn_had_let_leave(room: Room) -> None:
    model = SummingModel([Say("noted")], context_budget_tokens=BUDGET_TOKENS)
    room.models.known["tested"] = model
    await _talk(room, 8)
    _, turn = await retry_turn(room.store, room.owner, room.chat_id, 2, None)
    room.worker.wake()
    await room.finished(turn.number)
    spoken = model.heard()
    assert [text.split(":")[0] for text in spoken] == ["question 1", "noted", "question 2"]


async def test_a_turn_goes_on_whose_model_could_not_sum_up(room: Room) -> None:
    model = ForgetfulModel([Say("noted")], context_budget_tokens=BUDGET_TOKENS)
    room.models.known["tested"] = model
    for number in range(1, 9):
        await room.send(f"question {number}: {LONG}")
        turn = await room.finished(number)
        if turn.state == "failed":
            break
    assert turn.error == "model_unavailable: Not now."
    assert (await room.start_of(room.chat_id, number)).compaction is None
    model.can_sum_up = True
    await resume_turn(room.store, room.owner, room.chat_id, number)
    room.worker.wake()
    assert (await room.finished(number)).state == "done"
    assert (await room.start_of(room.chat_id, number)).compaction is not None
    await _receipts(room)
