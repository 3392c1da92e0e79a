"""Two servers on one PostgreSQL in the test's own loop, each on a socket of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from driftpin.client import Client
from driftpin.clock import SystemClock
from driftpin.identity import RandomIds
from driftpin.server.app import Server, WorkersFactory
from driftpin.server.serve import bind, serve, url_of
from driftpin.server.services import ServerOptions
from driftpin.store.database import Database
from driftpin.wire.link import INCARNATION_HEADER
from served import Site, open_site

WAIT_S = 5.0
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Other:
    """A second server, which knows nothing of the first but what the database says."""

    url: str
    server: Server
    client: Client


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers of one deployment."""

    first: Site
    second: Other


@asynccontextmanager
async def open_other(
    database_url: str, token: str, make_workers: WorkersFactory | None = None
) -> AsyncIterator[Other]:
    """Serve the same database once more until this is left."""
    database = Database(database_url, clock=SystemClock(), ids=RandomIds())
    server = Server(database, options=ServerOptions(), make_workers=make_workers)
    listener = bind("127.0.0.1", 0)
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(server, listener, on_ready=ready.set))
    try:
        async with asyncio.timeout(2 * WAIT_S):
            await ready.wait()
        async with Client(url_of(listener), token) as client:
            yield Other(url_of(listener), server, client)
    finally:
        serving.cancel()
        await asyncio.wait({serving}, timeout=2 * WAIT_S)
        assert serving.done(), "the server stops"


@asynccontextmanager
async def open_pair(database_url: str, second_url: str | None = None) -> AsyncIterator[Pair]:
    """Serve twice; `second_url` is another way to the same database."""
    async with (
        open_site(database_url) as first,
        open_other(second_url or database_url, first.token) as second,
    ):
        yield Pair(first, second)


@asynccontextmanager
async def linked(
    url: str, token: str, incarnation: int | None = None
) -> AsyncIterator[ClientConnection]:
    """Give a link of an agent to the server at `url`."""
    headers = {"Authorization": f"Bearer {token}"}
    if incarnation is not None:
        headers[INCARNATION_HEADER] = str(incarnation)
    address = url.replace("http", "ws", 1) + "/api/v1/agent/link"
    async with connect(address, additional_headers=headers, compression=None, proxy=None) as socket:
        yield socket


async def receive_call(socket: ClientConnection) -> dict[str, Any]:
    """Return the next call that comes over a link."""
    async with asyncio.timeout(WAIT_S):
        called: dict[str, Any] = msgspec.msgpack.decode(await socket.recv(decode=False))
    return called


async def answer(socket: ClientConnection, call: dict[str, Any], result: object) -> None:
    """Answer a call."""
    reply = {"jsonrpc": "2.0", "id": call["id"], "result": result}
    await socket.send(msgspec.msgpack.encode(reply))


async def until(look: Callable[[], Awaitable[bool]], longest_s: float = WAIT_S) -> None:
    """Look again and again until it is so."""
    async with asyncio.timeout(longest_s):
        while not await look():
            continue


async def is_connected(client: Client, agent_id: str) -> bool:
    """Whether a server shows the agent as connected."""
    return (await client.get_agent(agent_id)).is_connected
