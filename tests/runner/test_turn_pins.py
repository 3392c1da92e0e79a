"""Which pin a turn uses: the one it began with, with completions, and with what was said `now`."""

from driftpin.context.policies import Policy, PolicySet
from driftpin.context.resource import Kind
from driftpin.identity import WORKER
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.create_chat import create_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.release_turns import release_turns
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.runner.pins import PinReader
from driftpin.runner.turn import Turn
from driftpin.runner.worker import TurnWorker
from operations.test_complete_pins import Scene, tool
from people import People
from runner.held import READ_RULES, Say, ToldModel
from runner.room import RULE, Room
from stepping import SteppedClock

NEW_RULE = b"Indent with tabs.\n"
LOOKS = Say(calls=(READ_RULES,), holds=True)


def _rules(model: ToldModel) -> list[str]:
    """Return which rule each request's prompt had."""
    texts = [request.prompt.text for request in model.requests]
    return ["old" if RULE.decode().strip() in text else "new" for text in texts]


async def test_a_refresh_during_a_turn_counts_from_the_next_turn(room: Room) -> None:
    model = ToldModel([LOOKS, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await model.held()
    await room.push(NEW_RULE)
    await refresh_context(room.store, room.owner, room.chat_id)
    model.let_go.set()
    await room.finished(1)
    await room.send("Again.")
    await room.finished(2)
    assert _rules(model) == ["old", "old", "new"]
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert [row.content["revision"] for row in receipts[::2]] == [1, 1, 2]


async def test_a_refresh_that_says_now_counts_from_the_next_request(room: Room) -> None:
    model = ToldModel([LOOKS, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await model.held()
    await room.push(NEW_RULE)
    await refresh_context(room.store, room.owner, room.chat_id, now=True)
    model.let_go.set()
    await room.finished(1)
    assert _rules(model) == ["old", "new"]
    history = await room.store.list_history(room.owner, room.chat_id, None, 10)
    assert history.items[0].inputs == {"to": None, "now": True}


async def test_now_after_a_refresh_that_did_not_say_it_counts_all_the_same(room: Room) -> None:
    model = ToldModel([LOOKS, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await model.held()
    await room.push(NEW_RULE)
    await refresh_context(room.store, room.owner, room.chat_id)
    again = await refresh_context(room.store, room.owner, room.chat_id, now=True)
    model.let_go.set()
    await room.finished(1)
    assert (again.moved, _rules(model)) == (False, ["old", "new"])


async def test_a_roll_back_during_a_turn_counts_from_the_next_turn(room: Room) -> None:
    first = (await room.store.read_pin(room.owner, room.chat_id)).snapshot
    assert first is not None
    await room.push(NEW_RULE)
    await refresh_context(room.store, room.owner, room.chat_id)
    model = ToldModel([LOOKS, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await model.held()
    await roll_back_context(room.store, room.owner, room.chat_id, first.digest)
    model.let_go.set()
    await room.finished(1)
    await room.send("Again.")
    await room.finished(2)
    assert _rules(model) == ["new", "new", "old"]


async def test_a_turn_that_is_taken_over_goes_on_with_the_pin_it_began_with(
    room: Room, clock: SteppedClock
) -> None:
    model = ToldModel([LOOKS, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await model.held()
    await room.worker.stop()
    await room.push(NEW_RULE)
    await refresh_context(room.store, room.owner, room.chat_id)
    model.let_go.set()
    second = TurnWorker(room.store, room.models, clock, name="worker-2")
    await second.start()
    await room.finished(1)
    await second.stop()
    assert _rules(model) == ["old", "old"]


async def test_calls_are_carried_out_from_the_pin_of_the_request_that_asked_for_them(
    room: Room, clock: SteppedClock
) -> None:
    """Also by another worker, and after a refresh that said `now`."""
    model = ToldModel([Say(calls=(READ_RULES,)), Say("Done.")])
    await room.worker.stop()
    await room.send("Go.")
    claimed = await claim_turn(room.store, WORKER, holder="w", lease_s=15)
    assert claimed is not None
    turn = Turn(room.store, PinReader(room.store, WORKER), model, clock, claimed)
    await turn._take_up()
    await turn._ask()
    await room.push_without_skill(NEW_RULE)
    await refresh_context(room.store, room.owner, room.chat_id, now=True)
    await release_turns(room.store, WORKER, [claimed.lease])
    room.models.known["tested"] = model
    second = TurnWorker(room.store, room.models, clock, name="worker-2")
    await second.start()
    await room.finished(1)
    await second.stop()
    result = (await room.messages())[2].content["parts"][0]
    assert "Run scripts/tidy.sh first." in result["content"]
    assert _rules(model) == ["old", "new"]


async def test_a_completion_counts_inside_a_turn_and_a_move_behind_it_does_not(
    room: Room, people: People, clock: SteppedClock
) -> None:
    await room.worker.stop()
    scene = Scene(room.store, people)
    scene.seq = room.seq
    await scene.push(None)
    chat = await create_chat(room.store, people.owner, people.workspace_id, model="tested")
    room.chat_id = chat.chat.id
    model = ToldModel([Say("Done.")])
    await room.send("Go.")
    claimed = await claim_turn(room.store, WORKER, holder="w", lease_s=15)
    assert claimed is not None
    turn = Turn(room.store, PinReader(room.store, WORKER), model, clock, claimed)
    await turn._take_up()
    await turn._ask()
    await scene.push(tool())
    await settle_pin(room.store, WORKER, room.chat_id)
    completed = await room.store.read_turn_pin(WORKER, room.chat_id, 1)
    await scene.push(tool(), rules="be brief")
    await refresh_context(room.store, people.owner, room.chat_id)
    held = await room.store.read_turn_pin(WORKER, room.chat_id, 1)
    present = await room.store.read_pin(WORKER, room.chat_id)
    assert completed.snapshot is not None
    assert not completed.snapshot.has_holes
    assert (completed.revision, held.revision, present.revision) == (2, 2, 3)
    assert held.snapshot == completed.snapshot


async def test_a_policy_acts_when_a_turn_starts_and_never_inside_one(room: Room) -> None:
    await set_chat_policies(room.store, room.owner, room.chat_id, PolicySet(Policy.FOLLOW))
    model = ToldModel([LOOKS, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await model.held()
    await room.push(NEW_RULE)
    model.let_go.set()
    await room.finished(1)
    await room.send("Again.")
    await room.finished(2)
    assert _rules(model) == ["old", "old", "new"]
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    told = [(row.content["revision"], row.content["policy"]) for row in receipts[::2]]
    assert told == [(1, "follow"), (1, "follow"), (2, "follow")]


async def test_a_turn_that_is_taken_over_before_its_first_request_applies_its_policy_once(
    room: Room, clock: SteppedClock
) -> None:
    await room.worker.stop()
    await set_chat_policies(room.store, room.owner, room.chat_id, PolicySet(Policy.FOLLOW))
    await room.push(NEW_RULE)
    await room.send("Go.")
    claimed = await claim_turn(room.store, WORKER, holder="w", lease_s=15)
    assert claimed is not None
    model = ToldModel([Say("Done.")])
    turn = Turn(room.store, PinReader(room.store, WORKER), model, clock, claimed)
    await turn._settle_pin()
    await release_turns(room.store, WORKER, [claimed.lease])
    room.models.known["tested"] = model
    second = TurnWorker(room.store, room.models, clock, name="worker-2")
    await second.start()
    await room.finished(1)
    await second.stop()
    history = await room.store.list_history(room.owner, room.chat_id, None, 10)
    assert [move.verb for move in history.items] == ["apply_policy", "hydrate"]
    assert _rules(model) == ["new"]


async def test_receipts_say_pin_from_a_roll_back_to_the_next_refresh(room: Room) -> None:
    first = (await room.store.read_pin(room.owner, room.chat_id)).snapshot
    assert first is not None
    policies = PolicySet(Policy.FOLLOW, {Kind.SKILL: Policy.PIN})
    await set_chat_policies(room.store, room.owner, room.chat_id, policies)
    await room.push(NEW_RULE)
    model = ToldModel([Say("One."), Say("Two."), Say("Three.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await room.finished(1)
    await roll_back_context(room.store, room.owner, room.chat_id, first.digest)
    await room.send("Again.")
    await room.finished(2)
    await refresh_context(room.store, room.owner, room.chat_id)
    await room.send("And again.")
    await room.finished(3)
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    told = [(row.content["revision"], row.content["policy"]) for row in receipts[::2]]
    following = "follow skill=pin"
    assert told == [(2, following), (3, "pin"), (4, following)]
    assert _rules(model) == ["new", "old", "new"]


async def test_a_pin_is_settled_while_it_is_the_head_and_nothing_is_due(
    room: Room, people: People
) -> None:
    await room.worker.stop()
    assert (await room.start_of(room.chat_id, 1)).is_settled
    await room.push(NEW_RULE)
    assert not (await room.start_of(room.chat_id, 1)).is_settled
    await refresh_context(room.store, room.owner, room.chat_id)
    assert (await room.start_of(room.chat_id, 1)).is_settled
    scene = Scene(room.store, people)
    scene.seq = room.seq
    await scene.push(None)
    chat = await create_chat(room.store, people.owner, people.workspace_id, model="tested")
    assert not (await room.start_of(chat.chat.id, 1)).is_settled, "it has a hole"
