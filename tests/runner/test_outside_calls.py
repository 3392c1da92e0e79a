"""Calls that a chat's client carries out, and sub-chats that a model starts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from driftpin import limits
from driftpin.chat.messages import ToolResultPart
from driftpin.chat.options import ChatOptions
from driftpin.chat.tools import ToolDefinition
from driftpin.errors import Conflict, NotFound, Rejected
from driftpin.identity import ChatId
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.submit_results import submit_results
from driftpin.runner.worker import TurnWorker
from driftpin.store.values import ChatView
from people import People
from runner.held import READ_RULES, Say, ToldModel, call
from runner.room import Room
from stepping import SteppedClock

NOTE = ToolDefinition(
    "note",
    "Takes a note.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)
NOTES = Say(calls=(call("note", '{"text": "one"}', "a"), call("note", '{"text": "two"}', "b")))


def spawn(task: str, call_id: str) -> Say:
    return Say(calls=(call("spawn", f'{{"task": "{task}"}}', call_id),))


async def _options(room: Room, people: People, options: ChatOptions) -> None:
    """Let the room's chat be one with these options."""
    made = await create_chat(
        room.store, people.owner, people.workspace_id, model="tested", options=options
    )
    room.chat_id = made.chat.id


async def _state(room: Room, chat_id: ChatId | None = None) -> str:
    return (await room.store.get_chat(room.owner, chat_id or room.chat_id)).chat.state.value


async def _asked(room: Room) -> list[str]:
    """Wait until the client is asked, and return for which calls."""

    async def look() -> list[str] | None:
        calls = await room.store.list_tool_calls(room.owner, room.chat_id, 1)
        return [each.call_id for each in calls if each.is_asked] or None

    return await room.commits.until(look)


async def _submit(room: Room, *call_ids: str) -> None:
    results = [ToolResultPart(call_id, "", f"did {call_id}") for call_id in call_ids]
    await submit_results(room.store, room.owner, room.chat_id, 1, results)
    room.worker.wake()


async def _results(room: Room) -> list[tuple[str, str]]:
    parts = [m.content["parts"] for m in await room.messages() if m.role == "tool"]
    return [(part["content"], part["code"]) for each in parts for part in each]


@asynccontextmanager
async def _another_worker(room: Room, clock: SteppedClock) -> AsyncIterator[TurnWorker]:
    await room.worker.stop()
    other = TurnWorker(room.store, room.models, clock, name="worker-2")
    room.commits.workers.append(other)
    await other.start()
    yield other
    await other.stop()


async def test_a_client_carries_out_its_tools_and_the_turn_goes_on_with_any_worker(
    room: Room, people: People, clock: SteppedClock
) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,)))
    model = ToldModel([NOTES, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    assert await _asked(room) == ["a", "b"]
    assert await _state(room) == "requires_action"
    assert [tool.name for tool in model.requests[0].tools] == [
        "note",
        "read_skill",
        "read_skill_file",
    ]
    await _submit(room, "b")
    assert await _state(room) == "requires_action"
    async with _another_worker(room, clock) as other:
        await _submit(room, "a")
        other.wake()
        assert (await room.finished(1)).state == "done"
    assert await _results(room) == [("did a", ""), ("did b", "")]
    assert await _state(room) == "idle"
    calls = await room.store.list_tool_calls(room.owner, room.chat_id, 1)
    assert [(each.state.value, each.outcome) for each in calls] == [("done", "ok")] * 2


async def test_a_call_is_answered_once_and_all_results_are_kept_or_none(
    room: Room, people: People
) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,)))
    room.models.known["tested"] = ToldModel([NOTES, Say("Done.")])
    await room.send("Go.")
    await _asked(room)
    with pytest.raises(NotFound):
        await _submit(room, "a", "never asked")
    with pytest.raises(Conflict) as twice_at_once:
        await _submit(room, "a", "a")
    await _submit(room, "a")
    with pytest.raises(Conflict) as again:
        await _submit(room, "b", "a")
    assert await _asked(room) == ["b"]
    await _submit(room, "b")
    await room.finished(1)
    with pytest.raises(Conflict) as late:
        await _submit(room, "a")
    codes = [each.value.code for each in (twice_at_once, again, late)]
    assert codes == ["call_answered", "call_answered", "nothing_asked"]


async def test_arguments_that_break_the_schema_never_reach_the_client(
    room: Room, people: People
) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,)))
    bad = Say(calls=(call("note", "{}", "a"), call("note", "[]", "b"), READ_RULES))
    model = ToldModel([bad, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await room.finished(1)
    codes = [code for _, code in await _results(room)]
    assert codes == ["bad_arguments", "bad_arguments", ""]


async def test_calls_of_one_answer_are_carried_out_once_whoever_is_waited_for(
    room: Room, people: People
) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,)))
    mixed = Say(calls=(call("note", '{"text": "x"}', "a"), READ_RULES))
    room.models.known["tested"] = ToldModel([mixed, Say("Done.")])
    await room.send("Go.")
    await _asked(room)
    await _submit(room, "a")
    await room.finished(1)
    (first, _), (second, _) = await _results(room)
    assert first == "did a"
    assert "Run scripts/tidy.sh first." in second


async def test_a_client_that_takes_too_long_is_not_waited_for(
    room: Room, people: People, clock: SteppedClock
) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,)))
    room.models.known["tested"] = ToldModel([NOTES, Say("Done.")])
    await room.send("Go.")
    await _asked(room)
    await _submit(room, "a")
    clock.step(limits.CLIENT_TOOL_WAIT_S + 1)
    room.worker.wake()
    assert (await room.finished(1)).state == "done"
    assert [code for _, code in await _results(room)] == ["", "timed_out"]
    assert await _state(room) == "idle"


async def test_a_turn_that_waits_for_its_client_is_interrupted_and_the_next_is_sound(
    room: Room, people: People
) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,)))
    model = ToldModel([NOTES, Say("Done.")])
    room.models.known["tested"] = model
    await room.send("Go.")
    await _asked(room)
    await room.send("And then?")
    await interrupt_turn(room.store, room.owner, room.chat_id)
    room.worker.wake()
    await room.finished(2)
    states = [turn.state for turn in await room.store.list_turns(room.owner, room.chat_id)]
    assert states == ["interrupted", "done"]
    # Every call has a result in what the model is shown: providers refuse anything else.
    results = model.requests[-1].messages[2].parts
    assert [part.code for part in results if isinstance(part, ToolResultPart)] == [
        "not_carried_out"
    ] * 2


async def test_a_fork_has_the_tools_of_its_origin(room: Room, people: People) -> None:
    await _options(room, people, ChatOptions(tools=(NOTE,), may_spawn=True, role="a clerk"))
    room.models.known["tested"] = ToldModel([Say("Done.")])
    await room.send("Go.")
    await room.finished(1)
    fork = await fork_chat(room.store, room.owner, room.chat_id, 1)
    assert (await room.start_of(fork.chat.id, 1)).tools == (NOTE,)
    assert (fork.chat.may_spawn, fork.chat.role) == (True, "a clerk")


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("no name", {"type": "object"}, "bad_tool_name"),
        ("spawn", {"type": "object"}, "tool_name_taken"),
        ("server__tool", {"type": "object"}, "tool_name_taken"),
        ("note", {"type": "array"}, "bad_schema"),
        ("note", {"type": "object", "$ref": "https://example.org/schema"}, "bad_schema"),
    ],
)
async def test_tools_that_no_model_can_be_offered_are_refused(
    room: Room, people: People, name: str, parameters: dict[str, str], code: str
) -> None:
    tool = ToolDefinition(name, "", {**parameters})
    with pytest.raises(Rejected) as refused:
        await _options(room, people, ChatOptions(tools=(tool,)))
    assert refused.value.code == code


async def test_a_tool_of_the_client_stands_in_place_of_one_that_looks_into_the_workspace(
    room: Room, people: People
) -> None:
    own = ToolDefinition("read_file", "Reads a file of the client.", NOTE.parameters)
    await _options(room, people, ChatOptions(tools=(own,)))
    asking = Say(calls=(call("read_file", '{"text": "one"}', "a"),))
    room.models.known["tested"] = ToldModel([asking, Say("Done.")])
    await room.send("Go.")
    assert await _asked(room) == ["a"]
    result = ToolResultPart("a", "read_file", "mine")
    await submit_results(room.store, room.owner, room.chat_id, 1, [result])
    room.worker.wake()
    assert (await room.finished(1)).state == "done"


async def _sub_chats(room: Room) -> list[ChatView]:
    page = await room.store.list_chats(room.owner, is_archived=None, limit=50)
    return [view for view in page.items if view.chat.parent_id == room.chat_id]


async def _spawning(room: Room, people: People, model: ToldModel) -> None:
    await _options(room, people, ChatOptions(may_spawn=True))
    room.models.known["tested"] = model


async def test_a_sub_chat_has_the_parents_exact_snapshot_and_its_answer_is_the_result(
    room: Room, people: People
) -> None:
    held = spawn("Count the files.", "s")
    held.holds = True
    model = ToldModel([held, Say("Seven."), Say("There are seven.")])
    await _spawning(room, people, model)
    await room.send("How many?")
    await model.held()
    await room.push(b"Indent with tabs.\n")
    await refresh_context(room.store, room.owner, room.chat_id)
    model.let_go.set()
    turn = await room.finished(1)
    (sub,) = await _sub_chats(room)
    assert await _results(room) == [("Seven.", "")]
    assert await room.said() == "There are seven."
    assert sub.context.snapshot is not None
    assert sub.context.snapshot.digest == turn.snapshot_digest
    assert (sub.chat.policies.policy, sub.chat.owner_id) == ("freeze", people.owner_id)
    assert model.heard(1) == ["Count the files."]
    (made,) = await room.store.list_tool_calls(room.owner, room.chat_id, 1)
    assert (made.sub_chat_id, made.outcome) == (sub.chat.id, "ok")


async def test_a_parent_waits_without_a_worker_and_finds_its_sub_chat_again(
    room: Room, people: People, clock: SteppedClock
) -> None:
    model = ToldModel([spawn("Look.", "s"), Say("Seen.", holds=True), Say("Done.")])
    await _spawning(room, people, model)
    await room.send("Go.")
    await model.held()
    turns = await room.store.list_turns(room.owner, room.chat_id)
    assert (turns[0].state, turns[0].holder) == ("delegated", None)
    assert await _state(room) == "running"
    async with _another_worker(room, clock):
        model.answers.insert(0, Say("Seen."))
        await room.finished(1)
    assert len(await _sub_chats(room)) == 1
    assert await _results(room) == [("Seen.", "")]


async def test_spawn_is_offered_only_where_it_is_allowed_and_not_too_deep(
    room: Room, people: People
) -> None:
    model = ToldModel([spawn("One.", "a"), spawn("Two.", "b"), Say("Done.")])
    await _spawning(room, people, model)
    await room.send("Go.")
    await room.finished(1)
    offered = ["spawn" in [tool.name for tool in each.tools] for each in model.requests]
    assert offered == [True, True, False, True, True]
    plain = ToldModel([spawn("One.", "a"), Say("Done.")])
    await _options(room, people, ChatOptions())
    room.models.known["tested"] = plain
    await room.send("Go.")
    await room.finished(1)
    assert await _results(room) == [("There is no tool 'spawn'.", "no_tool")]


async def test_a_chat_starts_only_so_many_sub_chats(
    room: Room, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SPAWNED_PER_CHAT_MAX", 2)
    many = Say(calls=tuple(call("spawn", '{"task": "x"}', f"s{number}") for number in range(3)))
    await _spawning(room, people, ToldModel([many, Say("Done.")]))
    await room.send("Go.")
    await room.finished(1)
    codes = [code for _, code in await _results(room)]
    assert codes.count("too_many_sub_chats") == 1
    assert len(await _sub_chats(room)) == 2


async def test_a_sub_chat_that_fails_or_is_deleted_is_a_result(room: Room, people: People) -> None:
    model = ToldModel([spawn("x", "s"), Say(fails=True), Say("Done.")])
    await _spawning(room, people, model)
    await room.send("Go.")
    await room.finished(1)
    ((text, code),) = await _results(room)
    assert (code, text.startswith("model_unavailable")) == ("sub_chat_failed", True)
    gone = ToldModel([spawn("x", "s"), Say("Seen.", holds=True), Say("Done.")])
    await _spawning(room, people, gone)
    await room.send("Go.")
    await gone.held()
    (sub,) = await _sub_chats(room)
    await delete_chat(room.store, room.owner, sub.chat.id)
    room.worker.wake()
    await room.finished(1)
    assert [code for _, code in await _results(room)] == ["sub_chat_gone"]
    gone.let_go.set()


async def test_interrupting_a_parent_interrupts_what_it_started(room: Room, people: People) -> None:
    model = ToldModel([spawn("x", "s"), Say("Never said.", holds=True)])
    await _spawning(room, people, model)
    await room.send("Go.")
    await model.held()
    (sub,) = await _sub_chats(room)
    await interrupt_turn(room.store, room.owner, room.chat_id)
    room.worker.wake()
    assert (await room.finished(1)).state == "interrupted"

    async def is_stopping() -> bool | None:
        return await _state(room, sub.chat.id) in ("interrupting", "idle") or None

    assert await room.commits.until(is_stopping)
