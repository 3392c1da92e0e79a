"""What a chat's client sees and posts over HTTP when it is asked to carry out a call."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from door import Door
from driftpin.chat.messages import Message, Role, ToolCallPart
from driftpin.chat.receipts import Outcome
from driftpin.identity import WORKER, ChatId
from driftpin.operations.begin_request import begin_request
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.commit_answer import commit_answer
from driftpin.operations.park_turn import Parking, park_turn
from driftpin.store.leases import TurnLease
from server.test_turn_stream import open_stream
from unpinned_request import UNPINNED_REQUEST

WAIT_S = 5.0
TOOL = {"name": "note", "description": "Takes a note.", "parameters": {"type": "object"}}
CALL = ToolCallPart("call_1", "note", '{"text": "one"}')


async def _chat(door: Door) -> str:
    workspace_id = door.people.workspace_id
    body = {"workspace_id": workspace_id, "tools": [TOOL], "may_spawn": True, "role": "a clerk"}
    made = await door.post(door.people.owner, "/chats", body)
    assert made.status_code == 201
    assert (made.json()["may_spawn"], made.json()["role"]) == (True, "a clerk")
    chat_id: str = made.json()["id"]
    await door.post(door.people.owner, f"/chats/{chat_id}/messages", {"text": "Go."})
    return chat_id


async def _ask_client(door: Door, chat_id: str) -> TurnLease:
    """Let a worker get an answer that calls the client's tool, and let the turn go."""
    store = door.services.store
    claimed = await claim_turn(store, WORKER, holder="w", lease_s=15)
    assert claimed is not None
    record = replace(UNPINNED_REQUEST, chat_id=ChatId(chat_id))
    sent = await begin_request(store, WORKER, claimed.lease, record, revision=0, snapshot_id=None)
    await commit_answer(
        store,
        WORKER,
        claimed.lease,
        sent,
        snapshot_id=None,
        message=Message(Role.ASSISTANT, (CALL,)),
        outcome=Outcome.ANSWERED,
    )
    assert await park_turn(store, WORKER, claimed.lease, Parking((), ("call_1",), ()))
    return claimed.lease


async def _next(events: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        async for event in events:
            if event.event == kind:
                told: dict[str, Any] = json.loads(event.data)
                return told
    raise AssertionError(f"no {kind} came")


async def test_what_is_asked_of_the_client_is_streamed_listed_and_answered_once(
    door: Door,
) -> None:
    chat_id = await _chat(door)
    await _ask_client(door, chat_id)
    events = (await open_stream(door, chat_id, turn=1)).events()
    told = await _next(events, "requires_action")
    asked = {
        "call_id": "call_1",
        "name": "note",
        "arguments": '{"text": "one"}',
        "state": "started",
        "outcome": None,
        "sub_chat_id": None,
        "asked": True,
    }
    assert told["calls"] == [asked]
    assert told["until"] is not None
    owner, path = door.people.owner, f"/chats/{chat_id}/turns/1"
    assert (await door.get(owner, f"{path}/calls")).json()["items"] == [asked]
    body = {"results": [{"call_id": "call_1", "content": "noted"}]}
    posted = [
        await door.call(owner, "POST", f"{path}/results", body, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [each.status_code for each in posted] == [201, 201]
    assert posted[0].json()["state"] == "waiting"
    again = await door.post(owner, f"{path}/results", body)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_asked")
    assert (await _next(events, "turn"))["state"] == "waiting"


async def test_tools_of_a_client_are_read_by_the_rules_of_names_and_schemas(door: Door) -> None:
    for tool, code in (
        ({**TOOL, "name": "read_skill"}, "tool_name_taken"),
        ({**TOOL, "parameters": {"type": "object", "$ref": "https://a.example/"}}, "bad_schema"),
    ):
        body = {"workspace_id": door.people.workspace_id, "tools": [tool]}
        refused = await door.post(door.people.owner, "/chats", body)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
