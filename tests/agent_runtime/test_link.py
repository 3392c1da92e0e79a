import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from agent_runtime.world import WAIT_S, CountedWaits, SteppedClock
from driftpin import limits
from driftpin.agent.dial import link_url, websocket_dialer
from driftpin.agent.link import Link
from driftpin.agent.waiting import Backoff
from driftpin.context.manifest import Json
from driftpin.errors import Rejected
from driftpin.wire.link import INCARNATION_HEADER, LinkCall, LinkReply


async def echo(params: Mapping[str, Any]) -> Json:
    return dict(params)


async def refuse(_params: Mapping[str, Any]) -> Json:
    raise Rejected("no", code="bad_source")


async def break_down(_params: Mapping[str, Any]) -> Json:
    raise ZeroDivisionError


async def flood(_params: Mapping[str, Any]) -> Json:
    return "x" * limits.LINK_MESSAGE_BYTES_MAX


class FarEnd:
    """The server's end: a real WebSocket, whose connections a test takes one after the other."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.changes = 0

    async def accept(self, connection: ServerConnection) -> None:
        await self.connections.put(connection)
        await connection.wait_closed()

    async def next(self) -> ServerConnection:
        return await asyncio.wait_for(self.connections.get(), WAIT_S)

    def count_change(self) -> None:
        self.changes += 1


def address_of(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"http://{host}:{port}"


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[FarEnd, Link]]:
    far_end = FarEnd()
    calls = {"echo": echo, "refuse": refuse, "break_down": break_down, "flood": flood}
    async with serve(far_end.accept, "127.0.0.1", 0, compression=None, max_size=None) as server:
        link = Link(
            websocket_dialer(address_of(server), "secret"),
            {**calls, "wait": wait_for_ever},
            incarnation=lambda: 7,
            on_change=far_end.count_change,
            clock=SteppedClock(),
            backoff=Backoff(lambda: 0.5),
            waiter=CountedWaits(),
        )
        running = asyncio.create_task(link.run())
        try:
            yield far_end, link
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def wait_for_ever(_params: Mapping[str, Any]) -> Json:
    await asyncio.Event().wait()
    return None


async def call(connection: ServerConnection, method: str, number: int = 1) -> LinkReply:
    message = LinkCall(id=number, method=method, params={"a": 1})
    await connection.send(msgspec.msgpack.encode(message))
    return await answer(connection)


async def answer(connection: ServerConnection) -> LinkReply:
    message = await asyncio.wait_for(connection.recv(decode=False), WAIT_S)
    return msgspec.msgpack.decode(message, type=LinkReply)


def test_the_link_goes_to_the_same_place_as_the_api() -> None:
    assert link_url("https://host:1/base/") == "wss://host:1/base/api/v1/agent/link"


async def test_the_link_shows_the_token_and_the_run_and_is_not_compressed() -> None:
    async with linked() as (far_end, link):
        connection = await far_end.next()
        assert connection.request is not None
        assert connection.request.headers["Authorization"] == "Bearer secret"
        assert connection.request.headers[INCARNATION_HEADER] == "7"
        assert connection.protocol.extensions == []
        await call(connection, "echo")
        assert link.is_up


async def test_a_call_is_answered() -> None:
    async with linked() as (far_end, _):
        reply = await call(await far_end.next(), "echo", 5)
    assert reply == LinkReply(jsonrpc="2.0", id=5, result={"a": 1})


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("refuse", "bad_source"),
        ("break_down", "internal"),
        ("approve", "unknown_method"),
        ("flood", "too_large"),
    ],
)
async def test_a_refused_call_says_why_and_the_link_goes_on(method: str, code: str) -> None:
    async with linked() as (far_end, _):
        connection = await far_end.next()
        refused = await call(connection, method)
        assert refused.error is not None
        assert refused.error.data == {"code": code}
        assert (await call(connection, "echo")).error is None


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x91" * 5000, "text"])
async def test_what_is_no_call_is_refused_and_the_link_goes_on(message: bytes | str) -> None:
    async with linked() as (far_end, _):
        connection = await far_end.next()
        await connection.send(message)
        refused = await answer(connection)
        assert refused.id is None
        assert refused.error is not None
        assert (await call(connection, "echo")).error is None


async def test_calls_in_flight_have_a_maximum_and_do_not_hold_each_other_up() -> None:
    async with linked() as (far_end, _):
        connection = await far_end.next()
        for number in range(limits.LINK_CALLS_IN_FLIGHT_MAX):
            waiting = LinkCall(id=number, method="wait", params={})
            await connection.send(msgspec.msgpack.encode(waiting))
        refused = await call(connection, "echo", 99)
        assert refused.id == 99
        assert refused.error is not None
        assert refused.error.data == {"code": "too_many_calls"}


async def test_a_lost_link_comes_back_and_says_so_even_with_calls_in_flight() -> None:
    async with linked() as (far_end, _):
        first = await far_end.next()
        await first.send(msgspec.msgpack.encode(LinkCall(id=1, method="wait", params={})))
        await first.close()
        second = await far_end.next()
        assert (await call(second, "echo")).error is None
        assert far_end.changes == 2


async def test_a_message_too_large_ends_the_link_and_it_comes_back() -> None:
    async with linked() as (far_end, _):
        first = await far_end.next()
        await first.send(b"x" * (limits.LINK_MESSAGE_BYTES_MAX + 1))
        await asyncio.wait_for(first.wait_closed(), WAIT_S)
        assert first.close_code == 1009
        assert (await call(await far_end.next(), "echo")).error is None


async def test_e10_a_refused_link_makes_the_agent_ask_the_server_who_it_is() -> None:
    changed = asyncio.Event()

    async def refuse_all(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(HTTPStatus.CONFLICT, "fenced")

    async with serve(FarEnd().accept, "127.0.0.1", 0, process_request=refuse_all) as server:
        link = Link(
            websocket_dialer(address_of(server), "secret"),
            {},
            incarnation=lambda: 7,
            on_change=changed.set,
            clock=SteppedClock(),
        )
        running = asyncio.create_task(link.run())
        await asyncio.wait_for(changed.wait(), WAIT_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
