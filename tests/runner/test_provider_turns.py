"""X54: a provider that is down, slow, overloaded, or cut in its stream, under whole turns.

The provider speaks the protocol that many speak, over a socket of its own on the loopback
interface, and does to its connection what each test says.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from driftpin.chat.receipts import entry_from_json, verify_chain
from driftpin.models.provider import ProviderAccess, ProviderKind, ProviderModel
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.resume_turn import resume_turn
from driftpin.store.values import TurnRow
from runner.held import WAIT_S
from runner.room import RULE, Room

CALL = {
    "index": 0,
    "id": "c1",
    "type": "function",
    "function": {"name": "read_skill", "arguments": '{"name": "tidy"}'},
}
LOOK: tuple[Mapping[str, Any], ...] = ({"tool_calls": [CALL]},)
WORDS: tuple[Mapping[str, Any], ...] = ({"content": "It is "}, {"content": "tidy."})


@dataclass(slots=True)
class Act:
    """What the provider does with one request."""

    deltas: tuple[Mapping[str, Any], ...] = ()
    status: int = 200
    is_cut: bool = False
    is_held: bool = False


@dataclass(slots=True)
class Provider:
    """Does one act per request, in order."""

    acts: list[Act]
    asked: list[dict[str, Any]] = field(default_factory=list)
    is_held: asyncio.Event = field(default_factory=asyncio.Event)
    was_left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        self.asked.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        act = self.acts.pop(0)
        if act.status != 200:
            _refuse(writer, act.status)
        else:
            _begin(writer)
            for delta in act.deltas:
                _write(writer, _event({"choices": [{"index": 0, "delta": delta}]}))
            if act.is_held:
                await writer.drain()
                self.is_held.set()
                await reader.read()
                self.was_left.set()
            elif not act.is_cut:
                _end(writer, has_call=act.deltas is LOOK)
        await writer.drain()
        writer.close()


def _refuse(writer: asyncio.StreamWriter, status: int) -> None:
    body = json.dumps({"error": {"message": "no", "type": "overloaded"}}).encode()
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after-ms: 1\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        + body
    )


def _begin(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )


def _write(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())


def _event(chunk: Mapping[str, Any]) -> str:
    common = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**common, **chunk})}\n\n"


def _end(writer: asyncio.StreamWriter, *, has_call: bool) -> None:
    reason = "tool_calls" if has_call else "stop"
    _write(writer, _event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
    _write(writer, "data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")


@asynccontextmanager
async def _provided(room: Room, *acts: Act, retries_max: int = 0) -> AsyncIterator[Provider]:
    """Let the room's chat ask a provider that does these acts."""
    provider = Provider(list(acts))
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    access = ProviderAccess(ProviderKind.OPENAI, "m", "key", f"http://{host}:{port}/v1")
    model = ProviderModel(access, context_budget_tokens=100_000, retries_max=retries_max)
    # The library is loaded before anything is waited for: that takes seconds.
    await model._open()
    room.models.known["tested"] = model
    yield provider
    await model.close()
    server.close()
    await server.wait_closed()


async def _asked(room: Room, text: str = "Tidy up.") -> TurnRow:
    turn = await room.send(text)
    return await room.finished(turn.number)


async def _is_sound(room: Room) -> None:
    rows = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert verify_chain([entry_from_json(row.content) for row in rows]) == ()


async def test_x54_a_provider_that_is_down_fails_the_turn_which_goes_on_later(room: Room) -> None:
    async with _provided(room, Act(LOOK), Act(status=503), Act(WORDS)) as provider:
        turn = await _asked(room)
        assert turn.state == "failed"
        assert str(turn.error).startswith("model_unavailable: openai:m cannot answer now")
        await resume_turn(room.store, room.owner, room.chat_id, 1)
        room.worker.wake()
        assert (await room.finished(1)).state == "done"
        # The call that was carried out before was not made again: its result was sent once more.
        roles = [message["role"] for message in provider.asked[-1]["messages"]]
        assert roles.count("tool") == 1
    calls = await room.store.list_tool_calls(room.owner, room.chat_id, 1)
    assert [(call.state.value, call.outcome) for call in calls] == [("done", "ok")]
    await _is_sound(room)


async def test_x54_a_provider_that_nobody_serves_fails_the_turn(room: Room) -> None:
    async with _provided(room) as provider:
        del provider
    turn = await _asked(room)
    assert str(turn.error).startswith("model_unavailable")
    assert (await room.store.get_chat(room.owner, room.chat_id)).chat.state == "error"


async def test_x54_a_stream_that_is_cut_leaves_no_half_answer(room: Room) -> None:
    async with _provided(room, Act(WORDS[:1], is_cut=True), Act(WORDS)):
        assert (await _asked(room)).state == "failed"
        assert [message.role for message in await room.messages()] == ["user"]
        await resume_turn(room.store, room.owner, room.chat_id, 1)
        room.worker.wake()
        turn = await room.finished(1)
    assert turn.state == "done"
    assert await room.said() == "It is tidy."
    rows = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert [row.content["outcome"] for row in rows[1::2]] == ["failed", "answered"]
    await _is_sound(room)


async def test_x54_a_slow_provider_is_left_when_its_turn_is_interrupted(room: Room) -> None:
    async with _provided(room, Act(WORDS[:1], is_held=True)) as provider:
        await room.send("Tidy up.")
        await asyncio.wait_for(provider.is_held.wait(), WAIT_S)

        async def streamed() -> bool | None:
            chunks = await room.store.get_stream_chunks(room.owner, room.chat_id, 1, (0, -1))
            return bool(chunks) or None

        await room.commits.until(streamed)
        await interrupt_turn(room.store, room.owner, room.chat_id)
        room.worker.interrupt(room.chat_id)
        turn = await room.finished(1)
        await asyncio.wait_for(provider.was_left.wait(), WAIT_S)
    assert turn.state == "interrupted"
    assert await room.said() == "It is "


async def test_x54_an_overloaded_provider_is_asked_again_and_the_pin_stays(room: Room) -> None:
    before = await room.store.read_pin(room.owner, room.chat_id)
    acts = (Act(status=429), Act(status=529), Act(WORDS))
    async with _provided(room, *acts, retries_max=4) as provider:
        turn = await _asked(room)
    assert turn.state == "done"
    assert RULE.decode().strip() in json.dumps(provider.asked[-1])
    assert len(provider.asked) == 3
    after = await room.store.read_pin(room.owner, room.chat_id)
    assert (after.revision, after.snapshot) == (before.revision, before.snapshot)
    rows = await room.store.list_receipts(room.owner, room.chat_id, None)
    assert [row.content["outcome"] for row in rows] == [None, "answered"]
