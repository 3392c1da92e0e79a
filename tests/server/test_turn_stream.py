"""The stream of a chat, from stored chunks (spec/turns.md §1)."""

import asyncio
import json

import pytest
from sse_starlette.event import ServerSentEvent

from door import Door, problem_of
from driftpin.chat.messages import Message, Role, TextPart
from driftpin.identity import WORKER, Actor, ChatId
from driftpin.operations.append_chunk import append_chunk
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.release_turns import release_turns
from driftpin.operations.send_message import add_message
from driftpin.server.turn_stream import TurnStream
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.turn_values import StreamedText
from driftpin.store.values import TurnState

WAIT_S = 5.0
LEASE_S = 15


async def open_stream(
    door: Door, chat_id: str, *, turn: int | None = None, cursor: str | None = None
) -> TurnStream:
    async def recheck() -> Actor:
        return door.people.owner

    stream = TurnStream(door.services, recheck, door.people.owner, ChatId(chat_id), only_turn=turn)
    await stream.begin(cursor)
    return stream


async def told(stream: TurnStream) -> list[tuple[str, str]]:
    """Return kind and the telling part of every event, until the stream ends."""
    async with asyncio.timeout(WAIT_S):
        return [
            (str(event.event), _gist(event))
            async for event in stream.events()
            if event.event is not None
        ]


def _gist(event: ServerSentEvent) -> str:
    written = json.loads(str(event.data))
    match event.event:
        case "turn":
            return str(written["state"])
        case "delta":
            return str(written["content"]["text"])
        case _:
            return ""


async def ask(door: Door, chat_id: str, text: str = "hello") -> int:
    response = await door.post(door.people.owner, f"/chats/{chat_id}/messages", {"text": text})
    assert response.status_code == 201
    number: int = response.json()["turn"]["number"]
    return number


async def claim(door: Door, holder: str = "worker") -> TurnLease:
    claimed = await claim_turn(door.services.store, WORKER, holder=holder, lease_s=LEASE_S)
    assert claimed is not None
    return claimed.lease


async def say(door: Door, lease: TurnLease, *texts: str) -> None:
    offset = 0
    for text in texts:
        await append_chunk(door.services.store, WORKER, lease, StreamedText(offset, text))
        offset += len(text)


async def finish(door: Door, lease: TurnLease, *answers: str) -> None:
    """Commit answers as messages and end the turn; what streamed is dropped."""

    async def commit(transaction: Transaction) -> None:
        for answer in answers:
            message = Message(Role.ASSISTANT, (TextPart(answer),))
            await add_message(transaction, lease.chat_id, lease.workspace_id, lease.turn, message)

    await door.services.store.database.write(commit)
    await finish_turn(door.services.store, WORKER, lease, TurnState.DONE)


async def test_a_turn_is_told_with_its_text_to_its_end(door: Door) -> None:
    chat = await door.chat()
    turn = await ask(door, chat["id"])
    lease = await claim(door)
    await say(door, lease, "good ", "day")
    await finish(door, lease, "good day")
    stream = await open_stream(door, chat["id"], turn=turn)
    assert await told(stream) == [("delta", "good day"), ("turn", "done")]


async def test_text_that_comes_later_is_told_as_it_comes(door: Door) -> None:
    chat = await door.chat()
    turn = await ask(door, chat["id"])
    lease = await claim(door)
    await say(door, lease, "good ")
    events = (await open_stream(door, chat["id"], turn=turn)).events()
    async with asyncio.timeout(WAIT_S):
        assert [(await anext(events)).event for _ in range(3)] == [None, "turn", "delta"]
        await finish(door, lease, "good day")
        assert [_gist(event) async for event in events] == ["day", "done"]


async def test_a_lost_connection_goes_on_behind_its_cursor(door: Door) -> None:
    chat = await door.chat()
    turn = await ask(door, chat["id"])
    lease = await claim(door)
    await finish(door, lease, "good day")
    cursor = f"1.{turn}.{lease.attempt}.5"
    stream = await open_stream(door, chat["id"], turn=turn, cursor=cursor)
    assert await told(stream) == [("delta", "day"), ("turn", "done")]


async def test_a_turn_that_is_taken_over_says_reset(door: Door) -> None:
    chat = await door.chat()
    turn = await ask(door, chat["id"])
    first = await claim(door, "first")
    await say(door, first, "goo")
    await release_turns(door.services.store, WORKER, [first])
    second = await claim(door, "second")
    await say(door, second, "good day")
    cursor = f"1.{turn}.{first.attempt}.3"
    events = (await open_stream(door, chat["id"], turn=turn, cursor=cursor)).events()
    async with asyncio.timeout(WAIT_S):
        first_four = [await anext(events) for _ in range(4)]
        await finish(door, second, "good day")
        rest = [_gist(event) async for event in events]
    assert [event.event for event in first_four] == [None, "turn", "reset", "delta"]
    assert (_gist(first_four[-1]), rest) == ("good day", ["done"])


async def test_a_late_reader_of_a_turn_that_was_taken_over_gets_all_its_words(
    door: Door,
) -> None:
    chat = await door.chat()
    turn = await ask(door, chat["id"])
    first = await claim(door, "first")
    await say(door, first, "goo")
    await release_turns(door.services.store, WORKER, [first])
    second = await claim(door, "second")
    await finish(door, second, "good day")
    stream = await open_stream(door, chat["id"], turn=turn, cursor=f"1.{turn}.{first.attempt}.3")
    assert await told(stream) == [("reset", ""), ("delta", "good day"), ("turn", "done")]


async def test_a_stream_of_a_turn_that_there_is_not_is_not_found(door: Door) -> None:
    chat = await door.chat()
    response = await door.get(door.people.owner, f"/chats/{chat['id']}/stream?turn=7")
    assert problem_of(response) == (404, "not_found")


@pytest.mark.parametrize("cursor", ["x", "1.2", "1.2.3", "1.-1.0.0"])
async def test_a_cursor_from_elsewhere_is_bad(door: Door, cursor: str) -> None:
    chat = await door.chat()
    response = await door.call(
        door.people.owner,
        "GET",
        f"/chats/{chat['id']}/stream",
        headers={"Last-Event-ID": cursor},
    )
    assert problem_of(response) == (400, "bad_cursor")


async def test_an_interrupt_with_nothing_running_is_refused(door: Door) -> None:
    chat = await door.chat()
    response = await door.post(door.people.owner, f"/chats/{chat['id']}/interrupt")
    assert problem_of(response) == (409, "nothing_running")


async def test_an_interrupt_of_a_running_turn_is_taken(door: Door) -> None:
    chat = await door.chat()
    await ask(door, chat["id"])
    await claim(door)
    response = await door.post(door.people.owner, f"/chats/{chat['id']}/interrupt")
    assert (response.status_code, response.json()["state"]) == (202, "interrupting")
