"""A turn that failed goes on, a turn that ended is run again, and who waits behind whom."""

import pytest

from driftpin.chat.messages import user_message
from driftpin.chat.receipts import entry_from_json, verify_chain
from driftpin.errors import Conflict, NotFound, Rejected
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.resume_turn import resume_turn
from driftpin.operations.retry_turn import retry_turn
from driftpin.operations.send_message import send_message
from driftpin.operations.update_chat import update_chat
from driftpin.store.values import MessageRow
from runner.held import READ_RULES, Say, ToldModel
from runner.room import Room


async def _retry(room: Room, number: int, text: str | None) -> int:
    content = None if text is None else user_message(text)
    _, turn = await retry_turn(room.store, room.owner, room.chat_id, number, content)
    room.worker.wake()
    await room.finished(turn.number)
    return turn.number


def _words(rows: list[MessageRow]) -> list[str]:
    parts = [row.content["parts"][0] for row in rows]
    return [part.get("text", part.get("name", "")) for part in parts]


async def test_a_failed_turn_goes_on_from_its_last_committed_step(room: Room) -> None:
    model = ToldModel([Say(calls=(READ_RULES,)), Say(fails=True), Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Tidy up.")
    assert (await room.finished(1)).state == "failed"
    resumed = await resume_turn(room.store, room.owner, room.chat_id, 1)
    assert (resumed.state, resumed.error, resumed.finished_at) == ("waiting", None, None)
    room.worker.wake()
    turn = await room.finished(1)
    assert (turn.state, turn.attempt) == ("done", 2)
    roles = [message.role for message in await room.messages()]
    assert roles == ["user", "assistant", "tool", "assistant"]
    chat = (await room.store.get_chat(room.owner, room.chat_id)).chat
    assert (chat.state, chat.error) == ("idle", None)
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert verify_chain([entry_from_json(row.content) for row in receipts]) == ()
    outcomes = [row.content["outcome"] for row in receipts[1::2]]
    assert outcomes == ["answered", "failed", "answered"]


async def test_only_the_last_turn_goes_on_and_only_if_it_failed(room: Room) -> None:
    model = ToldModel([Say("Fine."), Say(fails=True)])
    room.models.known["tested"] = model
    await room.send("One.")
    await room.finished(1)
    with pytest.raises(Conflict) as refused:
        await resume_turn(room.store, room.owner, room.chat_id, 1)
    assert refused.value.code == "bad_transition"
    await room.send("Two.")
    await room.finished(2)
    with pytest.raises(Conflict) as earlier:
        await resume_turn(room.store, room.owner, room.chat_id, 1)
    assert earlier.value.code == "turn_not_failed"
    with pytest.raises(NotFound):
        await resume_turn(room.store, room.owner, room.chat_id, 3)


async def test_an_edit_takes_everything_behind_it_out_of_the_conversation(room: Room) -> None:
    model = ToldModel([Say("A."), Say("B."), Say("C."), Say("D.")])
    room.models.known["tested"] = model
    for number, text in enumerate(("One.", "Two.", "Three."), start=1):
        await room.send(text)
        await room.finished(number)
    assert await _retry(room, 2, "Two, but better.") == 4
    assert model.heard() == ["One.", "A.", "Two, but better."]
    assert _words(await room.messages()) == ["One.", "A.", "Two, but better.", "D."]
    kept = await room.store.list_messages(room.owner, room.chat_id, None, 100, with_replaced=True)
    assert len(kept.items) == 8
    turns = await room.store.list_turns(room.owner, room.chat_id)
    assert [turn.replaced_by for turn in turns] == [None, 4, 4, None]
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert len(receipts) == 8
    assert verify_chain([entry_from_json(row.content) for row in receipts]) == ()


async def test_a_retry_without_a_text_asks_the_same_again(room: Room) -> None:
    model = ToldModel([Say(fails=True), Say("Now it works.")])
    room.models.known["tested"] = model
    await room.send("Hello?")
    await room.finished(1)
    await _retry(room, 1, None)
    assert model.heard() == ["Hello?"]
    assert _words(await room.messages()) == ["Hello?", "Now it works."]


async def test_what_left_the_conversation_is_not_run_again(room: Room) -> None:
    room.models.known["tested"] = ToldModel([Say("A.")])
    await room.send("One.")
    await room.finished(1)
    await _retry(room, 1, "Uno.")
    with pytest.raises(Conflict) as refused:
        await retry_turn(room.store, room.owner, room.chat_id, 1, None)
    assert refused.value.code == "turn_replaced"
    with pytest.raises(Rejected):
        await retry_turn(room.store, room.owner, room.chat_id, 2, user_message("  "))
    await update_chat(room.store, room.owner, room.chat_id, is_archived=True)
    with pytest.raises(Conflict) as archived:
        await retry_turn(room.store, room.owner, room.chat_id, 2, None)
    assert archived.value.code == "chat_archived"


async def test_a_turn_is_not_run_again_while_one_is_at_work(room: Room) -> None:
    model = ToldModel([Say("A."), Say("B.", holds=True)])
    room.models.known["tested"] = model
    await room.send("One.")
    await room.finished(1)
    await room.send("Two.")
    await model.held()
    with pytest.raises(Conflict) as refused:
        await retry_turn(room.store, room.owner, room.chat_id, 1, None)
    assert refused.value.code == "bad_transition"
    model.let_go.set()
    await room.finished(2)


async def test_a_fork_has_the_conversation_as_it_was_at_its_turn(room: Room) -> None:
    model = ToldModel([Say("A."), Say("B."), Say("C."), Say("D.")])
    room.models.known["tested"] = model
    for number, text in enumerate(("One.", "Two."), start=1):
        await room.send(text)
        await room.finished(number)
    await _retry(room, 1, "Uno.")
    for turn, words in ((2, ["One.", "A.", "Two.", "B."]), (3, ["Uno.", "C."])):
        fork = await fork_chat(room.store, room.owner, room.chat_id, turn)
        said = await room.store.list_messages(room.owner, fork.chat.id, None, 100)
        assert _words(list(said.items)) == words


async def test_messages_that_wait_are_answered_in_order_whoever_interrupts(room: Room) -> None:
    model = ToldModel([Say("A.", holds=True), Say("B."), Say("C.")])
    room.models.known["tested"] = model
    await room.send("One.")
    await model.held()
    await room.send("Two.")
    await send_message(
        room.store, room.owner, room.chat_id, user_message("Three."), interrupts=True
    )
    await room.worker.notice_interrupt(room.chat_id)
    await room.finished(3)
    turns = await room.store.list_turns(room.owner, room.chat_id)
    assert [turn.state for turn in turns] == ["interrupted", "done", "done"]
    assert model.heard(1) == ["One.", "", "Two."]
    assert model.heard(2) == ["One.", "", "Two.", "B.", "Three."]


async def test_a_message_that_interrupts_nothing_is_answered_as_any_other(room: Room) -> None:
    room.models.known["tested"] = ToldModel([Say("A.")])
    await send_message(room.store, room.owner, room.chat_id, user_message("One."), interrupts=True)
    room.worker.wake()
    await room.worker.notice_interrupt(room.chat_id)
    assert (await room.finished(1)).state == "done"
